// YAML configuration: a bounded document tree with exact positions, typed getters and unknown-key detection.
// The YAML we take is its plain data part: maps with scalar keys, lists, scalars. Anchors, aliases, explicit
// tags, several documents and duplicate keys are errors. Errors read "file:line:column: what is wrong".
#pragma once

#include <osvm/core/clock.hpp>
#include <osvm/core/error.hpp>

#include <concepts>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace osvm {

struct config_limits {
  std::size_t max_bytes = 1 << 20;  // of text
  std::size_t max_depth = 32;       // of lists and maps inside each other
  std::size_t max_nodes = 100'000;  // values, keys included
};

// One value of a document. A value type: copies are independent. Immutable once parsed, so thread-safe to
// read.
class config_value final {
 public:
  enum class kind {
    null,    // nothing, `~` or `null`
    scalar,  // text, a number, true or false
    list,    // items() in order
    map,     // keys() and items() side by side, in order
  };

  kind type() const noexcept { return kind_; }
  std::span<const config_value> items() const noexcept { return items_; }
  std::span<const config_value> keys() const noexcept { return keys_; }
  // The value of `key` in a map; null pointer when this is no map or has no such key. Lives as long as *this.
  const config_value* find(std::string_view key) const noexcept;

  // "name:line:column", counted from 1.
  std::string where() const;
  // An error at this value's place; `what` is our own text.
  error fail(std::string_view what, errc code = errc::malformed) const;

  // Typed reading. A wrong type or range is errc::malformed, with the place and what was expected.
  result<std::string> as_string() const;    // any scalar; unescaped file content
  result<bool> as_bool() const;             // true or false, unquoted
  result<double> as_number() const;         // finite, unquoted
  result<nanoseconds> as_duration() const;  // parse_duration()
  result<std::uint64_t> as_size() const;    // parse_size()
  result<std::int64_t> as_integer(std::int64_t min, std::int64_t max) const;      // decimal or 0x, unquoted
  result<std::uint64_t> as_unsigned(std::uint64_t min, std::uint64_t max) const;  // decimal or 0x, unquoted

 private:
  friend class config_builder;
  kind kind_ = kind::null;
  bool quoted_ = false;
  int line_ = 1;
  int column_ = 1;
  std::string text_;
  std::vector<config_value> keys_;
  std::vector<config_value> items_;
  std::shared_ptr<const std::string> source_;  // what where() calls the document
};

// `name` is what errors call the document, usually its path. Fails with errc::malformed or
// errc::limit_exceeded.
result<config_value> parse_config(std::string_view text, std::string_view name = "config",
                                  const config_limits& limits = {});
// A regular file. Fails as parse_config() does, or with the system's error.
result<config_value> load_config(const std::string& path, const config_limits& limits = {});

// How each type is read by config_map::get(); overload it for types of your own.
inline result<> read_config(const config_value& v, std::string& out) {
  OSVM_TRY(out, v.as_string());
  return {};
}
inline result<> read_config(const config_value& v, bool& out) {
  OSVM_TRY(out, v.as_bool());
  return {};
}
inline result<> read_config(const config_value& v, double& out) {
  OSVM_TRY(out, v.as_number());
  return {};
}
inline result<> read_config(const config_value& v, nanoseconds& out) {
  OSVM_TRY(out, v.as_duration());
  return {};
}
template <std::integral T>
result<> read_config(const config_value& v, T& out) {
  using limits = std::numeric_limits<T>;
  if constexpr (std::signed_integral<T>) {
    OSVM_TRY(const auto wide, v.as_integer(limits::min(), limits::max()));
    out = static_cast<T>(wide);
  } else {
    OSVM_TRY(const auto wide, v.as_unsigned(limits::min(), limits::max()));
    out = static_cast<T>(wide);
  }
  return {};
}
template <class T>
result<> read_config(const config_value& v, std::vector<T>& out) {
  if (v.type() != config_value::kind::list) return v.fail("expected a list");
  out.clear();
  for (const auto& item : v.items()) {
    T value{};
    OSVM_CHECK(read_config(item, value));
    out.push_back(std::move(value));
  }
  return {};
}

// Reads one map key by key and then tells which keys nobody asked for. Borrows the value. Not thread-safe.
class config_map final {
 public:
  // A null value counts as an empty map, so that an empty section or file is one.
  static result<config_map> of(const config_value& value);

  // Marks the key as known. The pointer lives as long as the value; null when the key is absent.
  const config_value* find(std::string_view key);
  // As find(), absent is an error that names the map's place.
  result<const config_value*> require(std::string_view key);
  // Reads into `out`, which keeps its value when the key is absent. The error names place and key.
  template <class T>
  result<> get(std::string_view key, T& out) {
    const config_value* v = find(key);
    if (!v) return {};
    return named(key, read_config(*v, out));
  }
  result<> get_size(std::string_view key, std::uint64_t& out);
  // errc::malformed for the first key that was never asked for, with its place and the keys that are known.
  result<> done() const;

 private:
  explicit config_map(const config_value& value) : value_(&value), used_(value.keys().size(), false) {}
  static result<> named(std::string_view key, result<> r);

  const config_value* value_;
  std::vector<bool> used_;
  std::vector<std::string> asked_;
};

}  // namespace osvm
