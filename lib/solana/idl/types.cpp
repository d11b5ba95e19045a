// Types of an interface: names of primitives, and objects with one key that says what is around what.
#include "types.hpp"

#include <array>
#include <charconv>

namespace osvm::solana::interface {

namespace json = boost::json;

namespace {

struct named_kind {
  std::string_view name;
  kind what;
};
constexpr std::array primitives = {
    named_kind{"bool", kind::boolean},  named_kind{"u8", kind::u8},         named_kind{"i8", kind::i8},
    named_kind{"u16", kind::u16},       named_kind{"i16", kind::i16},       named_kind{"u32", kind::u32},
    named_kind{"i32", kind::i32},       named_kind{"f32", kind::f32},       named_kind{"u64", kind::u64},
    named_kind{"i64", kind::i64},       named_kind{"f64", kind::f64},       named_kind{"u128", kind::u128},
    named_kind{"i128", kind::i128},     named_kind{"u256", kind::u256},     named_kind{"i256", kind::i256},
    named_kind{"bytes", kind::bytes},   named_kind{"string", kind::string}, named_kind{"pubkey", kind::key},
    named_kind{"publicKey", kind::key},
};

constexpr std::array wrappers = {
    named_kind{"option", kind::option},
    named_kind{"coption", kind::coption},
    named_kind{"vec", kind::vector},
    named_kind{"array", kind::array},
    named_kind{"genericLenArray", kind::array},
    named_kind{"hashSet", kind::vector},
    named_kind{"bTreeSet", kind::vector},
    named_kind{"hashMap", kind::map},
    named_kind{"bTreeMap", kind::map},
    named_kind{"tuple", kind::tuple},
    named_kind{"defined", kind::defined},
    named_kind{"definedWithTypeArgs", kind::defined},
    named_kind{"generic", kind::generic},
};

template <class Table>
const named_kind* find(const Table& table, std::string_view name) {
  for (const auto& e : table)
    if (e.name == name) return &e;
  return nullptr;
}

class type_reader {
 public:
  explicit type_reader(reading& in) : in_(in) {}

  type read(const json::value& v, std::size_t depth) {
    type out;
    if (!in_.item()) return out;
    if (depth > in_.limits.max_depth)
      return in_.fail(osvm::errc::limit_exceeded, "types nested too deeply"), out;
    if (v.is_string()) return primitive(v.get_string());
    const auto& o = in_.object(&v);
    if (o.size() != 1) return in_.bad("a type has one key"), out;
    const auto& [key, inner] = *o.begin();
    if (key == "nonzero") return read(inner, depth + 1);  // laid out as what it wraps
    const auto* w = find(wrappers, key);
    if (!w) return in_.fail(osvm::errc::unsupported, "a type of an unknown kind"), out;
    out.what = w->what;
    fill(out, inner, depth + 1);
    return out;
  }

 private:
  type primitive(std::string_view name) {
    type out;
    const auto* p = find(primitives, name);
    p ? void(out.what = p->what) : in_.fail(osvm::errc::unsupported, "a primitive type of an unknown name");
    return out;
  }
  void fill(type& out, const json::value& v, std::size_t depth) {
    switch (out.what) {
      case kind::array: return array(out, v, depth);
      case kind::map:
      case kind::tuple:
        for (const auto& e : in_.array(&v)) out.inner.push_back(read(e, depth));
        if (out.what == kind::map && out.inner.size() != 2) in_.bad("a map has a key and a value");
        return;
      case kind::defined: return defined(out, v, depth);
      case kind::generic: out.name = in_.name(&v); return;
      default: out.inner.push_back(read(v, depth));
    }
  }
  void array(type& out, const json::value& v, std::size_t depth) {
    const auto& pair = in_.array(&v);
    if (pair.size() != 2) return in_.bad("an array has a type and a length");
    out.inner.push_back(read(pair[0], depth));
    const auto& length = pair[1];
    if (length.is_object())
      out.name = in_.name(member(length.get_object(), "generic"));
    else if (length.is_string())
      out.name = in_.name(&length);
    else
      out.count = in_.number(length);
  }
  void defined(type& out, const json::value& v, std::size_t depth) {
    if (v.is_string()) return void(out.name = in_.name(&v));
    const auto& o = in_.object(&v);
    out.name = in_.name(member(o, "name"));
    const auto* arguments = member(o, "generics");
    for (const auto& a : in_.array(arguments ? arguments : member(o, "args")))
      out.inner.push_back(argument(in_.object(&a), depth));
  }
  // {"kind":"type","type":T}, {"kind":"const","value":"8"}, and before 0.30 without "kind".
  type argument(const json::object& o, std::size_t depth) {
    if (const auto* t = member(o, "type")) return read(*t, depth);
    type out;
    if (const auto* g = member(o, "generic")) {
      out.what = kind::generic;
      out.name = in_.name(g);
      return out;
    }
    out.what = kind::constant;
    const auto value = in_.text(member(o, "value"));
    const auto [end, e] = std::from_chars(value.data(), value.data() + value.size(), out.count);
    const bool is_number = e == std::errc{} && end == value.data() + value.size() && !value.empty();
    if (!is_number) out.name = in_.name(member(o, "value"));  // a parameter of the type around it
    return out;
  }
  reading& in_;
};

}  // namespace

type read_type(const json::value* v, reading& in) {
  if (!v) return in.bad("a type is missing"), type{};
  return type_reader(in).read(*v, 0);
}

field_list read_fields(const json::value* v, reading& in) {
  field_list out;
  for (const auto& f : in.array(v)) {
    if (!in.item()) break;
    const auto* o = f.if_object();
    const auto* name = o ? member(*o, "name") : nullptr;
    const auto* what = o ? member(*o, "type") : nullptr;
    if (name && what) {
      out.list.push_back({in.name(name), read_type(what, in)});
    } else {
      out.named = false;
      out.list.push_back({{}, read_type(&f, in)});
    }
  }
  return out;
}

}  // namespace osvm::solana::interface
