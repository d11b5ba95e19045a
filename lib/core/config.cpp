#include <osvm/core/config.hpp>
#include <osvm/core/text.hpp>

#include <charconv>
#include <cmath>

namespace osvm {
namespace {

constexpr std::string_view number_or_nothing(std::string_view text, int& base) {
  base = 10;
  if (text.starts_with("0x") && text.size() > 2) {
    base = 16;
    return text.substr(2);
  }
  return text;
}

template <class T>
bool parse_whole(std::string_view text, T& out) {
  int base = 10;
  const std::string_view body = number_or_nothing(text, base);
  const auto [end, problem] = std::from_chars(body.data(), body.data() + body.size(), out, base);
  return problem == std::errc{} && end == body.data() + body.size() && !body.empty();
}

template <class T>
std::string expected_range(T min, T max) {
  return "expected a whole number from " + std::to_string(min) + " to " + std::to_string(max);
}

}  // namespace

const config_value* config_value::find(std::string_view key) const noexcept {
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i].text_ == key) return &items_[i];
  }
  return nullptr;
}

std::string config_value::where() const {
  return (source_ ? *source_ : std::string("config")) + ":" + std::to_string(line_) + ":" +
         std::to_string(column_);
}

error config_value::fail(std::string_view what, errc code) const {
  return {code, where() + ": " + std::string(what)};
}

result<std::string> config_value::as_string() const {
  if (kind_ != kind::scalar) return fail("expected text");
  return text_;
}

result<bool> config_value::as_bool() const {
  if (kind_ != kind::scalar || quoted_ || (text_ != "true" && text_ != "false"))
    return fail("expected true or false");
  return text_ == "true";
}

result<double> config_value::as_number() const {
  double out = 0;
  const char* const end = text_.data() + text_.size();
  const auto [stop, problem] = std::from_chars(text_.data(), end, out);
  if (kind_ != kind::scalar || quoted_ || problem != std::errc{} || stop != end || !std::isfinite(out)) {
    return fail("expected a number");
  }
  return out;
}

result<std::int64_t> config_value::as_integer(std::int64_t min, std::int64_t max) const {
  std::int64_t out = 0;
  if (kind_ != kind::scalar || quoted_ || !parse_whole(text_, out) || out < min || out > max) {
    return fail(expected_range(min, max));
  }
  return out;
}

result<std::uint64_t> config_value::as_unsigned(std::uint64_t min, std::uint64_t max) const {
  std::uint64_t out = 0;
  if (kind_ != kind::scalar || quoted_ || !parse_whole(text_, out) || out < min || out > max) {
    return fail(expected_range(min, max));
  }
  return out;
}

result<nanoseconds> config_value::as_duration() const {
  if (kind_ != kind::scalar) return fail("expected a duration like 250ms");
  auto parsed = parse_duration(text_);
  if (!parsed) return fail(parsed.error().context);
  return *parsed;
}

result<std::uint64_t> config_value::as_size() const {
  if (kind_ != kind::scalar) return fail("expected a size like 64MiB");
  auto parsed = parse_size(text_);
  if (!parsed) return fail(parsed.error().context);
  return *parsed;
}

result<config_map> config_map::of(const config_value& value) {
  using kind = config_value::kind;
  if (value.type() != kind::map && value.type() != kind::null)
    return value.fail("expected a map of keys to values");
  return config_map(value);
}

const config_value* config_map::find(std::string_view key) {
  asked_.emplace_back(key);
  const config_value* const found = value_->find(key);
  if (found) used_[static_cast<std::size_t>(found - value_->items().data())] = true;
  return found;
}

result<const config_value*> config_map::require(std::string_view key) {
  const config_value* const found = find(key);
  if (!found) return value_->fail("the key \"" + std::string(key) + "\" is missing");
  return found;
}

result<> config_map::get_size(std::string_view key, std::uint64_t& out) {
  const config_value* const v = find(key);
  if (!v) return {};
  auto size = v->as_size();
  if (size) out = *size;
  return named(key, size ? result<>{} : result<>(size.error()));
}

// "file:3:7: expected text" becomes "file:3:7: expected text, in \"name\"".
result<> config_map::named(std::string_view key, result<> r) {
  if (r) return r;
  error e = std::move(r).error();
  e.context += ", in \"" + std::string(key) + "\"";
  return e;
}

result<> config_map::done() const {
  for (std::size_t i = 0; i < used_.size(); ++i) {
    if (used_[i]) continue;
    const auto& key = value_->keys()[i];
    std::string known;
    for (const auto& k : asked_) known += (known.empty() ? "" : ", ") + k;
    return key.fail("unknown key \"" + printable(*key.as_string(), 64) + "\"; known here: " + known);
  }
  return {};
}

}  // namespace osvm
