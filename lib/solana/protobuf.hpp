// Reads protobuf wire format: a cursor over the fields of one message. Unknown fields are skipped, groups
// refused.
#pragma once

#include <osvm/core/bytes.hpp>

#include <string_view>

namespace osvm::solana::protobuf {

class fields {
 public:
  explicit fields(bytes_view message) noexcept
      : at_(reinterpret_cast<const std::uint8_t*>(message.data())), end_(at_ + message.size()) {}

  // Moves to the next field; false at the end or at bytes that are not protobuf (then !ok()).
  [[gnu::always_inline]] bool next() noexcept {
    if (at_ == end_ || !ok_) return false;
    const std::uint64_t tag = varint();
    number_ = static_cast<std::uint32_t>(tag >> 3);
    if (!ok_ || number_ == 0 || tag > 0xffffffff) return ok_ = false;
    switch (type_ = tag & 7) {
      case 0: value_ = varint(); break;
      case 1: value_ = fixed(8); break;
      case 2: take(varint()); break;
      case 5: value_ = fixed(4); break;
      default: ok_ = false;
    }
    return ok_;
  }
  bool ok() const noexcept { return ok_; }
  result<> status(const char* what) const {
    if (!ok_) return error(osvm::errc::malformed, std::string(what) + ": not a protobuf message");
    return {};
  }

  std::uint32_t number() const noexcept { return number_; }
  // The value of the current field; zero or empty when its wire type is another.
  std::uint64_t integer() const noexcept { return type_ == 2 ? 0 : value_; }
  double real() const noexcept { return type_ == 1 ? std::bit_cast<double>(value_) : 0; }
  bytes_view bytes() const noexcept { return type_ == 2 ? bytes_ : bytes_view{}; }
  std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(bytes().data()), bytes().size()};
  }
  // Calls f(value) for each integer of a packed field, or for the single one.
  template <class F>
  void integers(F f) {
    if (type_ == 0) {
      f(value_);
    } else if (type_ == 2) {
      fields inside(bytes_);
      while (inside.at_ != inside.end_ && inside.ok_) {
        const auto v = inside.varint();
        if (inside.ok_) f(v);
      }
      ok_ = ok_ && inside.ok_;
    }
  }

 private:
  [[gnu::always_inline]] std::uint64_t varint() noexcept {
    if (at_ != end_ && *at_ < 0x80) return *at_++;  // nearly all
    return long_varint();
  }
  std::uint64_t long_varint() noexcept {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) return ok_ = false, 0;
      const std::uint8_t b = *at_++;
      v |= std::uint64_t{b & 0x7fU} << shift;
      if (b < 0x80) return v;
    }
    return ok_ = false, 0;
  }
  std::uint64_t fixed(std::size_t n) noexcept {
    std::uint64_t v = 0;
    if (static_cast<std::size_t>(end_ - at_) < n) return ok_ = false, 0;
    std::memcpy(&v, at_, n);
    at_ += n;
    return v;
  }
  void take(std::uint64_t n) noexcept {
    if (!ok_ || n > static_cast<std::size_t>(end_ - at_)) {
      ok_ = false;
      return;
    }
    bytes_ = std::as_bytes(std::span(at_, static_cast<std::size_t>(n)));
    at_ += n;
  }

  const std::uint8_t *at_, *end_;
  std::uint32_t number_ = 0;
  std::uint64_t type_ = 0, value_ = 0;
  bytes_view bytes_{};
  bool ok_ = true;
};

// Appends fields of a message to a string.
class builder {
 public:
  explicit builder(std::string& out) noexcept : out_(out) {}
  void integer(std::uint32_t number, std::uint64_t v) { tag(number, 0), varint(v); }
  // proto3 leaves out zero.
  void nonzero(std::uint32_t number, std::uint64_t v) {
    if (v) integer(number, v);
  }
  void real(std::uint32_t number, double v) {
    if (v == 0) return;
    tag(number, 1);
    out_.append(reinterpret_cast<const char*>(&v), 8);
  }
  void bytes(std::uint32_t number, std::string_view v) { tag(number, 2), varint(v.size()), out_.append(v); }
  void nonempty(std::uint32_t number, std::string_view v) {
    if (!v.empty()) bytes(number, v);
  }
  void varint(std::uint64_t v) {
    for (; v >= 0x80; v >>= 7) out_.push_back(static_cast<char>(v | 0x80));
    out_.push_back(static_cast<char>(v));
  }

 private:
  void tag(std::uint32_t number, std::uint32_t type) { varint(number << 3 | type); }
  std::string& out_;
};

}  // namespace osvm::solana::protobuf
