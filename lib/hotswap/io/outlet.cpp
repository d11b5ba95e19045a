#include "hotswap/io/outlet.hpp"

#include <array>

namespace osvm::hotswap::detail {
namespace {

constexpr std::size_t max_parts = 8;
constexpr std::size_t keep_capacity = 512;  // more than this is given back when the buffer runs empty

}  // namespace

bool outlet::send(shard& s, channel& ch, std::initializer_list<std::string_view> parts) {
  std::size_t done = 0;
  if (empty()) {
    std::array<iovec, max_parts> iov;
    std::size_t n = 0;
    for (const auto part : parts) {
      if (!part.empty()) iov[n++] = {const_cast<char*>(part.data()), part.size()};
    }
    if (n == 0) return true;
    const auto r = s.write(ch, {iov.data(), n});
    if (r.status == io_status::error) return false;
    done = r.bytes;
    sent_ += done;
  }
  for (auto part : parts) {
    const std::size_t skip = std::min(done, part.size());
    done -= skip;
    waiting_.append(part.substr(skip));
  }
  return true;
}

bool outlet::flush(shard& s, channel& ch) noexcept {
  while (!empty()) {
    iovec iov{waiting_.data() + at_, waiting_.size() - at_};
    const auto r = s.write(ch, {&iov, 1});
    if (r.status == io_status::error) return false;
    if (r.status == io_status::again) return true;
    at_ += r.bytes;
    sent_ += r.bytes;
  }
  clear();
  return true;
}

void outlet::clear() noexcept {
  at_ = 0;
  if (waiting_.capacity() > keep_capacity) {
    waiting_ = std::string();
  } else {
    waiting_.clear();
  }
}

}  // namespace osvm::hotswap::detail
