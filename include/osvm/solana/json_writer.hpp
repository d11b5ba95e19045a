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
  // For long texts: fewer and larger steps. What the string holds is right only behind finish().
  struct ahead {};
  json_writer(std::string& out, ahead) noexcept : out_(out), ahead_(true) {}
  json_writer(const json_writer&) = delete;
  json_writer& operator=(const json_writer&) = delete;
  void finish() {
    if (!at_) return;
    out_.resize(static_cast<std::size_t>(at_ - out_.data()));
    at_ = end_ = nullptr;
  }

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  // `name` must need no escapes. Inline, as are plain() and raw(): most are literals.
  void key(std::string_view name) {
    char* to = begin(name.size() + 4);
    *to++ = '"';
    to = put(to, name);
    *to++ = '"';
    *to++ = ':';
    took(to);
    needs_comma_ = false;
  }
  void string(std::string_view text);
  // Text that needs no escapes: base58, base64, digits.
  void plain(std::string_view text) {
    char* to = begin(text.size() + 3);
    *to++ = '"';
    to = put(to, text);
    *to++ = '"';
    took(to);
  }
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
  void raw(std::string_view json) { took(put(begin(json.size() + 1), json)); }

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

  std::string& text() {
    finish();
    return out_;
  }

 private:
  void open(char c) {
    char* to = begin(2);
    *to++ = c;
    took(to);
    needs_comma_ = false;
  }
  void close(char c) {
    char* to = room(1);
    *to++ = c;
    took(to);
    needs_comma_ = true;
  }
  // Where the next value stands, behind a comma if it needs one; `size` counts that.
  char* begin(std::size_t size) {
    char* to = room(size);
    if (needs_comma_) *to++ = ',';
    needs_comma_ = true;
    return to;
  }
  static char* put(char* to, std::string_view text) noexcept { return to + text.copy(to, text.size()); }
  // Where `size` characters may be written, to be followed by took().
  char* room(std::size_t size) {
    if (static_cast<std::size_t>(end_ - at_) < size) [[unlikely]]
      grow(size);
    return at_;
  }
  void took(char* to) {
    at_ = to;
    if (!ahead_) finish();
  }
  void grow(std::size_t size);
  void escaped_string(std::string_view text);

  std::string& out_;
  char *at_ = nullptr, *end_ = nullptr;  // in the string: its end, and where it ends for now
  bool needs_comma_ = false, ahead_ = false;
};

// A double as serde_json (Ryu) prints it: "1.0", "0.1", "1e16"; "null" for what JSON cannot say.
std::string json_double(double v);
// The same without a fraction that is zero, as Rust's `{}` prints a float: "1", "0.1".
std::string rust_display(double v);

}  // namespace osvm::solana
