// The sections of an interface, in the three dialects. What they differ in: where the program's name stands,
// whether discriminators are written or derived, whether an account's type stands with it or in "types".
#include <osvm/solana/hashing.hpp>

#include <algorithm>
#include <unordered_map>

#include "types.hpp"

namespace osvm::solana::interface {

namespace json = boost::json;

namespace {

enum class dialect { current, before_030, shank };

class model_reader {
 public:
  model_reader(const json::object& root, const idl_limits& limits) : root_(root), in_(limits) {
    out_.limits = limits;
  }

  result<model> read() {
    head();
    if (in_.ok()) sections();
    if (in_.ok()) resolve();
    OSVM_CHECK(in_.outcome());
    auto& s = out_.summary;
    s.instructions = out_.instructions.size(), s.accounts = out_.accounts.size();
    s.events = out_.events.size(), s.types = out_.definitions.size(), s.errors = out_.errors.size();
    return std::move(out_);
  }

 private:
  void head() {
    static const json::object none;
    const auto* given = member(root_, "metadata");
    const auto& metadata = given && given->is_object() ? given->get_object() : none;
    const auto specification = in_.text(member(metadata, "spec"));
    if (!specification.empty()) {
      if (specification != "0.1.0" && specification != "0.2.0")
        return in_.fail(osvm::errc::unsupported, "a specification other than 0.1.0 and 0.2.0");
      dialect_ = dialect::current;
    } else if (member(metadata, "origin") && in_.text(member(metadata, "origin")) == "shank") {
      dialect_ = dialect::shank;
    }
    const auto& named = dialect_ == dialect::current ? metadata : root_;
    auto& s = out_.summary;
    s.name = in_.name(member(named, "name"));
    s.version = in_.text(member(named, "version"));
    s.specification = dialect_ == dialect::current ? std::string(specification)
                      : dialect_ == dialect::shank ? "shank"
                                                   : "legacy";
    const auto* top = member(root_, "address");
    const auto address = in_.text(top ? top : member(metadata, "address"));
    if (address.empty()) return;
    auto key = pubkey::parse(address);
    key ? void(s.address = *key) : in_.bad("the program's address is none");
  }

  void sections() {
    each("types", [&](const json::object& o) { definition_of(o); });
    each("accounts", [&](const json::object& o) { tagged_of(o, "account", out_.accounts); });
    each("events", [&](const json::object& o) { tagged_of(o, "event", out_.events); });
    each("instructions", [&](const json::object& o) { instruction_of(o); });
    each("errors", [&](const json::object& o) {
      const auto* code = member(o, "code");
      const auto number = code ? in_.number(*code) : 0;
      if (number > 0xffffffff) in_.bad("an error's code has 32 bits");
      out_.errors.push_back({static_cast<std::uint32_t>(number), in_.name(member(o, "name")),
                             std::string(in_.text(member(o, "msg")))});
    });
  }
  template <class F>
  void each(const char* section, F&& read_one) {
    in_.enter(section, {});
    for (const auto& v : in_.array(member(root_, section))) {
      if (!in_.item()) return;
      const auto& o = in_.object(&v);
      const auto* name = member(o, "name");
      in_.enter(section, name && name->is_string() ? std::string_view(name->get_string()) : "");
      read_one(o);
    }
  }

  void definition_of(const json::object& o) {
    definition d;
    d.name = in_.name(member(o, "name"));
    for (const auto& g : in_.array(member(o, "generics")))
      d.generics.push_back(g.is_string() ? in_.name(&g) : in_.name(member(in_.object(&g), "name")));
    placement(o, d);
    body(in_.object(member(o, "type")), d);
    out_.definitions.push_back(std::move(d));
  }
  void placement(const json::object& o, definition& d) {
    const auto* how = member(o, "serialization");
    if (how && !how->is_string()) d.placed = layout::custom;
    const auto* repr = member(o, "repr");
    if (!how || !how->is_string() || how->get_string() != "bytemuckunsafe" || !repr) return;
    const auto& r = in_.object(repr);
    if (in_.text(member(r, "kind")) != "c" || in_.flag(member(r, "packed"))) return;
    d.placed = layout::aligned;
    if (const auto* align = member(r, "align"); align && !align->is_null())
      d.align = std::clamp<std::uint64_t>(in_.number(*align), 1, 4096);
  }
  void body(const json::object& o, definition& d) {
    const auto shape = in_.text(member(o, "kind"));
    if (shape == "struct") {
      d.fields = read_fields(member(o, "fields"), in_);
    } else if (shape == "enum") {
      d.what = definition::shape::enumeration;
      for (const auto& v : in_.array(member(o, "variants"))) {
        if (!in_.item()) return;
        const auto& vo = in_.object(&v);
        d.variants.push_back({in_.name(member(vo, "name")), read_fields(member(vo, "fields"), in_)});
      }
    } else if (shape == "alias" || shape == "type") {
      d.what = definition::shape::alias;
      d.alias = read_type(member(o, shape == "alias" ? "value" : "alias"), in_);
    } else {
      in_.fail(osvm::errc::unsupported, "a type that is neither struct, enum nor alias");
    }
  }

  void tagged_of(const json::object& o, const char* space, std::vector<tagged>& list) {
    tagged t;
    t.name = in_.name(member(o, "name"));
    t.what.what = kind::defined;
    t.what.name = t.name;
    if (const auto* written = member(o, "discriminator"))
      t.discriminator = in_.discriminator(written);
    else if (dialect_ == dialect::shank)
      return own_definition(o, t);  // the type may be used elsewhere; nothing says which account has it
    else
      t.discriminator = anchor_discriminator(space, t.name);
    own_definition(o, t);
    list.push_back(std::move(t));
  }
  // Before 0.30 an account's type and an event's fields stand with it.
  void own_definition(const json::object& o, tagged& t) {
    const auto* fields = member(o, "fields");
    const auto* inlined = member(o, "type");
    if (!fields && !inlined) return;
    definition d;
    d.name = t.name;
    fields ? void(d.fields = read_fields(fields, in_)) : body(in_.object(inlined), d);
    t.what.target = static_cast<std::uint32_t>(out_.definitions.size());
    out_.definitions.push_back(std::move(d));
  }

  void instruction_of(const json::object& o) {
    instruction i;
    i.name = in_.name(member(o, "name"));
    const auto* discriminant = member(o, "discriminant");  // Shank's
    if (const auto* written = member(o, "discriminator")) {
      i.discriminator = in_.discriminator(written);
    } else if (discriminant) {
      const auto* value = member(in_.object(discriminant), "value");
      const auto n = value ? in_.number(*value) : 256;
      if (n > 255) in_.bad("a discriminant has one byte");
      i.discriminator = std::string(1, static_cast<char>(n));
    } else {
      i.discriminator = anchor_discriminator("global", snake_case(i.name));
    }
    slots(in_.array(member(o, "accounts")), "", i.accounts, 0);
    i.arguments = read_fields(member(o, "args"), in_).list;
    if (std::ranges::any_of(i.arguments, [](const field& f) { return f.name.empty(); }))
      in_.bad("an argument without a name");
    out_.instructions.push_back(std::move(i));
  }
  void slots(const json::array& list, const std::string& group, std::vector<account_slot>& out,
             std::size_t depth) {
    if (depth > 8) return in_.fail(osvm::errc::limit_exceeded, "account groups nested too deeply");
    for (const auto& v : list) {
      if (!in_.item()) return;
      const auto& o = in_.object(&v);
      const auto name = group + in_.name(member(o, "name"));
      if (const auto* inner = member(o, "accounts"))
        slots(in_.array(inner), name + ".", out, depth + 1);
      else
        out.push_back({name, in_.flag(member(o, "optional")) || in_.flag(member(o, "isOptional"))});
    }
  }

  // Names of types to indexes. One that is not defined fails when something of it is decoded.
  void resolve() {
    for (std::size_t i = out_.definitions.size(); i-- > 0;)
      known_[out_.definitions[i].name] = static_cast<std::uint32_t>(i);  // the first of a name wins
    for (auto& d : out_.definitions) {
      resolve(d.fields.list);
      for (auto& v : d.variants) resolve(v.fields.list);
      resolve(d.alias);
    }
    for (auto& i : out_.instructions) resolve(i.arguments);
    for (auto& a : out_.accounts) resolve(a.what);
    for (auto& e : out_.events) resolve(e.what);
  }
  void resolve(std::vector<field>& fields) {
    for (auto& f : fields) resolve(f.what);
  }
  void resolve(type& t) {  // as deep as reading went
    for (auto& i : t.inner) resolve(i);
    if (t.what != kind::defined || t.target != unresolved) return;
    if (const auto at = known_.find(t.name); at != known_.end()) t.target = at->second;
  }

  const json::object& root_;
  reading in_;
  model out_;
  dialect dialect_ = dialect::before_030;
  std::unordered_map<std::string, std::uint32_t> known_;
};

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

}  // namespace

std::string snake_case(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool after_word = i > 0 && name[i - 1] != '_' && !is_upper(name[i - 1]);
    const bool before_word = i > 0 && i + 1 < name.size() && is_upper(name[i - 1]) &&
                             !is_upper(name[i + 1]) && name[i + 1] != '_' &&
                             !(name[i + 1] >= '0' && name[i + 1] <= '9');
    if (is_upper(name[i]) && (after_word || before_word)) out.push_back('_');
    out.push_back(is_upper(name[i]) ? static_cast<char>(name[i] - 'A' + 'a') : name[i]);
  }
  return out;
}

std::string anchor_discriminator(std::string_view space, std::string_view name) {
  const auto h = sha256({as_bytes(space), as_bytes(":"), as_bytes(name)});
  return {reinterpret_cast<const char*>(h.data()), 8};
}

result<model> read_model(std::string_view text, const idl_limits& limits) {
  OSVM_TRY(const auto v, read_json(text, limits));
  if (!v.is_object()) return error(osvm::errc::malformed, "IDL: no JSON object");
  return model_reader(v.get_object(), limits).read();
}

}  // namespace osvm::solana::interface
