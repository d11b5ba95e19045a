// Appends JSON text to a string: no tree, no allocation but the text's. Text is escaped as serde_json escapes
// it and doubles look as serde_json prints them, so that answers equal a validator's.
#pragma once

#include <osvm/solana/keys.hpp>

#include <string>
#include <string_view>

namespace osvm::solana {

// Not thread-safe. The string is borrowed and must outlive the writer. Nesting is the caller's to keep right.
class json_writer final {
 public:
  explicit json_writer(std::string& out) noexcept : out_(out) {}

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  // `name` must need no escapes.
  void key(std::string_view name);
  void string(std::string_view text);
  // Text that needs no escapes: base58, base64, digits.
  void plain(std::string_view text);
  void base58(bytes_view bytes);
  void base64(bytes_view bytes);
  void number(std::uint64_t v);
  void number(std::int64_t v);
  void number(std::uint32_t v) { number(std::uint64_t{v}); }
  void number(std::int32_t v) { number(std::int64_t{v}); }
  void number(double v);
  void boolean(bool v) { raw(v ? "true" : "false"); }
  void null() { raw("null"); }
  // A whole JSON value.
  void raw(std::string_view json);

  template <std::size_t N, class Tag>
  void base58(const fixed_bytes<N, Tag>& v) {
    base58(v.view());
  }
  // key and value in one; text values are escaped.
  void field(std::string_view name, std::string_view text) { key(name), string(text); }
  void field(std::string_view name, const char* text) { key(name), string(text); }
  void field(std::string_view name, bool v) { key(name), boolean(v); }
  template <class T>
  requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) void field(std::string_view name, T v) {
    key(name);
    if constexpr (std::is_floating_point_v<T>)
      number(double{v});
    else if constexpr (std::is_signed_v<T>)
      number(static_cast<std::int64_t>(v));
    else
      number(static_cast<std::uint64_t>(v));
  }
  template <std::size_t N, class Tag>
  void field(std::string_view name, const fixed_bytes<N, Tag>& v) {
    key(name), base58(v);
  }

  std::string& text() noexcept { return out_; }

 private:
  void open(char c) { comma(), out_.push_back(c), needs_comma_ = false; }
  void close(char c) { out_.push_back(c), needs_comma_ = true; }
  void comma() {
    if (needs_comma_) out_.push_back(',');
    needs_comma_ = true;
  }
  std::string& out_;
  bool needs_comma_ = false;
};

// A double as serde_json (Ryu) prints it: "1.0", "0.1", "1e16"; "null" for what JSON cannot say.
std::string json_double(double v);
// The same without a fraction that is zero, as Rust's `{}` prints a float: "1", "0.1".
std::string rust_display(double v);

}  // namespace osvm::solana
