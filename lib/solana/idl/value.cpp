// Values by their types. Nothing of the data or of the interface is trusted: depth, the number of values and
// the size of the text are bounded, so that neither recursive types nor arrays of nothing run for long.
#include <osvm/solana/json_writer.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "model.hpp"

namespace osvm::solana::interface {
namespace {

// What a definition's parameters mean where it is used. Lives on the stack of the decoder.
struct scope {
  const definition* of = nullptr;
  std::span<const type> arguments{};
  const scope* outer = nullptr;
};

struct extent {
  std::uint64_t size = 0, align = 1;
};

constexpr std::uint64_t scalar_sizes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 16, 16, 32, 32};

// 256 bits, little-endian, as decimal digits.
std::string decimal(std::array<std::uint64_t, 4> v, bool is_signed) {
  const bool negative = is_signed && (v[3] >> 63) != 0;
  if (negative) {
    std::uint64_t carry = 1;
    for (auto& limb : v) {
      limb = ~limb + carry;
      carry = carry && limb == 0;
    }
  }
  std::string out;
  do {
    std::uint64_t rest = 0;
    for (std::size_t i = 4; i-- > 0;) {
      __extension__ const unsigned __int128 part = static_cast<unsigned __int128>(rest) << 64 | v[i];
      v[i] = static_cast<std::uint64_t>(part / 10);
      rest = static_cast<std::uint64_t>(part % 10);
    }
    out.push_back(static_cast<char>('0' + rest));
  } while (v[0] | v[1] | v[2] | v[3]);
  if (negative) out.push_back('-');
  std::ranges::reverse(out);
  return out;
}

class value_writer {
 public:
  value_writer(const model& m, bytes_view data, std::string& text)
      : m_(m), data_(data), text_(text), out_(text), begin_(text.size()) {}

  bool value(const type& t, const scope* s) {
    if (!enter()) return false;
    const bool done = dispatch(t, s);
    --depth_;
    return done;
  }
  bool fields(std::span<const field> list, const scope* s, const definition* of) {
    const auto start = at_;
    out_.begin_object();
    for (const auto& f : list) {
      place_ = &f.name;
      if (!align(f.what, s, of, start)) return false;
      out_.key(f.name);
      if (!value(f.what, s)) return false;
    }
    out_.end_object();
    return pad(of, s, start);
  }
  std::size_t used() const noexcept { return at_; }
  const error& problem() const noexcept { return problem_; }

 private:
  bool fail(osvm::errc code, const std::string& what) {
    problem_ = error(
        code, "IDL: " + what + (place_ ? ", field " + *place_ : "") + ", at byte " + std::to_string(at_));
    return false;
  }
  bool enter() {
    if (++depth_ > m_.limits.max_depth) return fail(osvm::errc::limit_exceeded, "values nested too deeply");
    if (++values_ > m_.limits.max_values) return fail(osvm::errc::limit_exceeded, "too many values");
    if (text_.size() - begin_ > m_.limits.max_output)
      return fail(osvm::errc::limit_exceeded, "the text grows too large");
    return true;
  }
  bool take(std::uint64_t n, bytes_view& out) {
    if (n > data_.size() - at_) return fail(osvm::errc::truncated, "the data ends too early");
    out = data_.subspan(at_, n);
    at_ += n;
    return true;
  }
  template <class T>
  bool read(T& v) {
    bytes_view b;
    if (!take(sizeof v, b)) return false;
    std::memcpy(&v, b.data(), sizeof v);
    return true;
  }
  template <class T>
  bool number() {
    T v{};
    if (!read(v)) return false;
    if constexpr (std::is_same_v<T, float>) {
      single(v);
    } else if constexpr (std::is_floating_point_v<T>) {
      out_.number(v);
    } else if constexpr (std::is_signed_v<T>) {
      out_.number(std::int64_t{v});
    } else {
      out_.number(std::uint64_t{v});
    }
    return true;
  }
  void single(float v) {  // the shortest text that gives the same 32 bits
    if (!std::isfinite(v)) return out_.null();
    char text[64];
    const auto end = std::to_chars(text, text + sizeof text, v).ptr;
    std::string_view s(text, static_cast<std::size_t>(end - text));
    out_.raw(s.find_first_of(".e") == s.npos ? std::string(s) + ".0" : std::string(s));
  }
  bool wide(std::size_t size, bool is_signed) {
    bytes_view b;
    if (!take(size, b)) return false;
    std::array<std::uint64_t, 4> v{};
    std::memcpy(v.data(), b.data(), size);
    if (is_signed && size == 16 && (v[1] >> 63)) v[2] = v[3] = ~0ULL;
    out_.plain(decimal(v, is_signed));
    return true;
  }

  bool dispatch(const type& t, const scope* s) {
    switch (t.what) {
      case kind::boolean: return boolean();
      case kind::u8: return number<std::uint8_t>();
      case kind::i8: return number<std::int8_t>();
      case kind::u16: return number<std::uint16_t>();
      case kind::i16: return number<std::int16_t>();
      case kind::u32: return number<std::uint32_t>();
      case kind::i32: return number<std::int32_t>();
      case kind::f32: return number<float>();
      case kind::u64: return number<std::uint64_t>();
      case kind::i64: return number<std::int64_t>();
      case kind::f64: return number<double>();
      case kind::u128: return wide(16, false);
      case kind::i128: return wide(16, true);
      case kind::u256: return wide(32, false);
      case kind::i256: return wide(32, true);
      case kind::bytes:
      case kind::string: return text(t.what == kind::string);
      case kind::key: return key();
      case kind::option: return option(t, s);
      case kind::coption: return coption(t, s);
      case kind::vector:
      case kind::map: return counted(t, s);
      case kind::array: return array(t, s);
      case kind::tuple: return tuple(t, s);
      case kind::defined: return defined(t, s);
      case kind::generic: return generic(t, s);
      case kind::constant: break;
    }
    return fail(osvm::errc::malformed, "a constant where a type is needed");
  }

  bool boolean() {
    std::uint8_t v = 0;
    if (!read(v)) return false;
    if (v > 1) return fail(osvm::errc::malformed, "a truth value that is neither 0 nor 1");
    out_.boolean(v == 1);
    return true;
  }
  bool text(bool is_string) {
    std::uint32_t n = 0;
    bytes_view b;
    if (!read(n) || !take(n, b)) return false;
    is_string ? out_.string({reinterpret_cast<const char*>(b.data()), b.size()}) : out_.base64(b);
    return true;
  }
  bool key() {
    bytes_view b;
    if (!take(pubkey::size, b)) return false;
    out_.base58(b);
    return true;
  }
  bool option(const type& t, const scope* s) {
    std::uint8_t tag = 0;
    if (!read(tag)) return false;
    if (tag > 1) return fail(osvm::errc::malformed, "an option that is neither 0 nor 1");
    if (tag == 1) return value(t.inner[0], s);
    out_.null();
    return true;
  }
  bool coption(const type& t, const scope* s) {
    std::uint32_t tag = 0;
    if (!read(tag)) return false;
    if (tag > 1) return fail(osvm::errc::malformed, "an option that is neither 0 nor 1");
    if (tag == 1) return value(t.inner[0], s);
    extent room;
    bytes_view skipped;
    if (!measure(t.inner[0], s, room) || !take(room.size, skipped)) return false;
    out_.null();
    return true;
  }
  bool counted(const type& t, const scope* s) {
    std::uint32_t n = 0;
    if (!read(n)) return false;
    out_.begin_array();
    for (std::uint32_t i = 0; i < n; ++i) {
      if (t.what == kind::map) out_.begin_array();
      for (const auto& part : t.inner)
        if (!value(part, s)) return false;
      if (t.what == kind::map) out_.end_array();
    }
    out_.end_array();
    return true;
  }
  bool array(const type& t, const scope* s) {
    std::uint64_t n = 0;
    if (!length(t, s, n)) return false;
    out_.begin_array();
    for (std::uint64_t i = 0; i < n; ++i)
      if (!value(t.inner[0], s)) return false;
    out_.end_array();
    return true;
  }
  bool tuple(const type& t, const scope* s) {
    out_.begin_array();
    for (const auto& part : t.inner)
      if (!value(part, s)) return false;
    out_.end_array();
    return true;
  }

  const definition* find(const type& t) {
    if (t.target == unresolved) {
      fail(osvm::errc::not_found, "the interface does not define the type " + t.name);
      return nullptr;
    }
    const auto* d = &m_.definitions[t.target];
    if (d->placed == layout::custom) {
      fail(osvm::errc::unsupported, "the type " + d->name + " has a serialization of its own");
      return nullptr;
    }
    return d;
  }
  bool defined(const type& t, const scope* s) {
    const auto* d = find(t);
    if (!d) return false;
    const scope inner{d, t.inner, s};
    if (d->what == definition::shape::alias) return value(d->alias, &inner);
    if (d->what == definition::shape::enumeration) return enumeration(*d, &inner);
    return d->fields.named ? fields(d->fields.list, &inner, d) : list(d->fields.list, &inner, d);
  }
  bool list(std::span<const field> items, const scope* s, const definition* of) {
    const auto start = at_;
    out_.begin_array();
    for (const auto& f : items)
      if (!align(f.what, s, of, start) || !value(f.what, s)) return false;
    out_.end_array();
    return pad(of, s, start);
  }
  bool enumeration(const definition& d, const scope* s) {
    std::uint8_t tag = 0;
    if (!read(tag)) return false;
    if (tag >= d.variants.size())
      return fail(osvm::errc::malformed, d.name + " has no variant " + std::to_string(tag));
    const auto& v = d.variants[tag];
    if (v.fields.list.empty()) return out_.plain(v.name), true;
    out_.begin_object();
    out_.key(v.name);
    const bool done = v.fields.named ? fields(v.fields.list, s, nullptr) : list(v.fields.list, s, nullptr);
    if (done) out_.end_object();
    return done;
  }

  // The argument that a parameter stands for, and the scope that the argument was written in.
  const type* argument(const std::string& name, const scope* s, const scope*& where) {
    if (s && s->of)
      for (std::size_t i = 0; i < s->of->generics.size() && i < s->arguments.size(); ++i)
        if (s->of->generics[i] == name) return where = s->outer, &s->arguments[i];
    fail(osvm::errc::malformed, "nothing says what the parameter " + name + " is");
    return nullptr;
  }
  bool generic(const type& t, const scope* s) {
    const scope* where = nullptr;
    const auto* a = argument(t.name, s, where);
    return a && value(*a, where);
  }
  // How many elements an array has; a parameter may stand for another one.
  bool length(const type& t, const scope* s, std::uint64_t& n) {
    const type* at = &t;
    for (std::size_t i = 0; i < m_.limits.max_depth; ++i) {
      const bool counts = at->what == kind::array || at->what == kind::constant;
      if (at->name.empty())
        return counts ? (n = at->count, true)
                      : fail(osvm::errc::malformed, "a type where a number is needed");
      const scope* where = nullptr;
      at = argument(at->name, s, where);
      if (!at) return false;
      s = where;
    }
    return fail(osvm::errc::limit_exceeded, "parameters that stand for each other");
  }

  // Sizes of types that have one: for C's layout and for the room of an absent value.
  bool measure(const type& t, const scope* s, extent& out) {
    if (!enter()) return false;
    const bool done = measure_inside(t, s, out);
    --depth_;
    return done;
  }
  bool measure_inside(const type& t, const scope* s, extent& out) {
    if (t.what <= kind::i256) {
      out.size = scalar_sizes[static_cast<std::size_t>(t.what)];
      out.align = std::min<std::uint64_t>(out.size, 8);
      return true;
    }
    if (t.what == kind::key) return out = {32, 1}, true;
    if (t.what == kind::array) {
      std::uint64_t n = 0;
      if (!length(t, s, n) || !measure(t.inner[0], s, out)) return false;
      if (!checked_mul(out.size, n, out.size)) return fail(osvm::errc::limit_exceeded, "a size past 2^64");
      return true;
    }
    if (t.what == kind::coption) {
      if (!measure(t.inner[0], s, out)) return false;
      return checked_add<std::uint64_t>(out.size, 4, out.size) ||
             fail(osvm::errc::limit_exceeded, "a size past 2^64");
    }
    if (t.what == kind::tuple) {
      for (const auto& part : t.inner)
        if (!append(part, s, layout::packed, out)) return false;
      return true;
    }
    if (t.what == kind::generic) {
      const scope* where = nullptr;
      const auto* a = argument(t.name, s, where);
      return a && measure(*a, where, out);
    }
    return t.what == kind::defined ? measure_defined(t, s, out)
                                   : fail(osvm::errc::unsupported, "the size of a value that has none");
  }
  bool append(const type& part, const scope* s, layout how, extent& out) {
    extent e;
    if (!measure(part, s, e)) return false;
    if (how == layout::aligned) {
      out.size = (out.size + e.align - 1) / e.align * e.align;
      out.align = std::max(out.align, e.align);
    }
    if (!checked_add(out.size, e.size, out.size)) return fail(osvm::errc::limit_exceeded, "a size past 2^64");
    return true;
  }
  bool measure_defined(const type& t, const scope* s, extent& out) {
    const auto* d = find(t);
    if (!d) return false;
    const scope inner{d, t.inner, s};
    if (d->what == definition::shape::alias) return measure(d->alias, &inner, out);
    if (d->what == definition::shape::enumeration) {
      for (const auto& v : d->variants)
        if (!v.fields.list.empty()) return fail(osvm::errc::unsupported, "the size of an enum with fields");
      return out = {1, 1}, true;
    }
    out.align = d->align;
    for (const auto& f : d->fields.list)
      if (!append(f.what, &inner, d->placed, out)) return false;
    if (d->placed == layout::aligned) out.size = (out.size + out.align - 1) / out.align * out.align;
    return true;
  }
  // Where C would put the next field: offsets count from the start of its structure.
  bool align(const type& next, const scope* s, const definition* of, std::size_t start) {
    if (!of || of->placed != layout::aligned) return true;
    extent e;
    return measure(next, s, e) && gap(e.align, start);
  }
  bool pad(const definition* of, const scope* s, std::size_t start) {
    if (!of || of->placed != layout::aligned) return true;
    std::uint64_t widest = of->align;
    for (const auto& f : of->fields.list) {
      extent e;
      if (!measure(f.what, s, e)) return false;
      widest = std::max(widest, e.align);
    }
    return gap(widest, start);
  }
  bool gap(std::uint64_t to, std::size_t start) {
    bytes_view skipped;
    return take((to - (at_ - start) % to) % to, skipped);
  }

  const model& m_;
  bytes_view data_;
  std::string& text_;
  json_writer out_;
  std::size_t begin_, at_ = 0, depth_ = 0, values_ = 0;
  const std::string* place_ = nullptr;
  error problem_;
};

}  // namespace

result<> write_value(const model& m, const type& t, bytes_view data, std::string& json, std::size_t& used) {
  value_writer w(m, data, json);
  if (!w.value(t, nullptr)) return w.problem();
  used = w.used();
  return {};
}

result<> write_fields(const model& m, std::span<const field> fields, bytes_view data, std::string& json,
                      std::size_t& used) {
  value_writer w(m, data, json);
  if (!w.fields(fields, nullptr, nullptr)) return w.problem();
  used = w.used();
  return {};
}

}  // namespace osvm::solana::interface
