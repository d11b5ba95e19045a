#include "cbor.hpp"

#include <limits>

namespace osvm::ledger {
namespace {

constexpr std::uint64_t cid_tag = 42;
constexpr char null_item = static_cast<char>(0xf6);

}  // namespace

cbor_reader::head cbor_reader::next() noexcept {
  if (text_.empty()) return fail(), head{};
  const auto first = static_cast<std::uint8_t>(text_[0]);
  text_.remove_prefix(1);
  head out{static_cast<std::uint8_t>(first >> 5), first & 31U};
  if (out.value < 24) return out;
  if (out.value > 27) return fail(), head{};  // items without a length are not DAG-CBOR
  std::uint64_t v = 0;
  for (const char c : take(std::uint64_t{1} << (out.value - 24))) v = v << 8 | static_cast<std::uint8_t>(c);
  out.value = v;
  return out;
}

std::uint64_t cbor_reader::expect(std::uint8_t major) noexcept {
  const auto h = next();
  if (h.major != major) fail();
  return ok_ ? h.value : 0;
}

std::int64_t cbor_reader::integer() noexcept {
  const auto h = next();
  if (h.major > 1 || h.value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return fail(), 0;
  const auto v = static_cast<std::int64_t>(h.value);
  return h.major == 1 ? -1 - v : v;
}

std::string_view cbor_reader::take(std::uint64_t n) noexcept {
  if (!ok_ || n > text_.size()) return fail(), std::string_view();
  const auto out = text_.substr(0, n);
  text_.remove_prefix(n);
  return out;
}

bool cbor_reader::null() noexcept {
  if (text_.empty() || text_[0] != null_item) return false;
  text_.remove_prefix(1);
  return true;
}

std::string_view cbor_reader::link() noexcept {
  if (null()) return {};
  if (expect(6) != cid_tag) return fail(), std::string_view();
  auto out = bytes();
  if (out.empty() || out[0] != 0) return fail(), std::string_view();
  return out.substr(1);
}

void cbor_reader::skip(int depth) noexcept {
  if (depth == 0) return fail();
  const auto h = next();
  switch (h.major) {
    case 0:
    case 1:
    case 7: return;
    case 2:
    case 3: take(h.value); return;
    case 6: return skip(depth - 1);
    default: break;
  }
  const auto items = h.major == 5 ? h.value * 2 : h.value;
  if (h.value > text_.size()) return fail();
  for (std::uint64_t i = 0; i < items && ok_; ++i) skip(depth - 1);
}

}  // namespace osvm::ledger
