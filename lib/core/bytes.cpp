#include <osvm/core/bytes.hpp>

namespace osvm {

result<bytes_view> subspan(bytes_view bytes, std::uint64_t offset, std::uint64_t length) {
  if (offset > bytes.size() || length > bytes.size() - offset) {
    return error(errc::truncated, "need " + std::to_string(length) + " bytes at " + std::to_string(offset) +
                                      ", have " + std::to_string(bytes.size()));
  }
  return bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
}

}  // namespace osvm
