#include <algorithm>

#include "check.hpp"

namespace osvm::audit {
namespace {

bool deserializable(const struct_item& s) {
  return std::any_of(s.attrs.begin(), s.attrs.end(), [](const attribute& a) {
    return a.path == "derive" && (a.raw.find("Deserialize") != std::string_view::npos ||
                                  a.raw.find("Pod") != std::string_view::npos);
  });
}

bool is_message(std::string_view name) {
  for (const std::string_view tail :
       {"Args", "Params", "Instruction", "Input", "Event", "Data", "Request", "Config"})
    if (name.ends_with(tail) && tail != "Data" && tail != "Config") return true;
  return false;
}

bool same_layout(const struct_item& a, const struct_item& b) {
  if (a.fields.size() != b.fields.size()) return false;
  for (std::size_t i = 0; i < a.fields.size(); ++i)
    if (a.fields[i].type.name != b.fields[i].type.name || a.fields[i].type.length != b.fields[i].type.length)
      return false;
  return true;
}

const struct_item* twin(const view& v, const struct_item& s) {
  for (const auto& [other, file] : v.p.names.structs)
    if (other != &s && !other->is_enum && deserializable(*other) && !is_message(other->name) &&
        same_layout(s, *other))
      return other;
  return nullptr;
}

// Something of the parsed value was compared with what no other account says: a tag.
bool tag_checked(const view& v, term_id account) {
  return std::any_of(v.in.events.begin(), v.in.events.end(), [&](const event& e) {
    if (e.kind != ek::check || e.weak) return false;
    const auto& x = v.t[e.a];
    const auto below = [&](term_id a) {
      const auto kind = v.t[a].kind;
      return v.p.account_below(a) == account && kind != tk::key && kind != tk::owner &&
             kind != tk::signer_flag && kind != tk::writable_flag;
    };
    if (x.kind == tk::cmp && x.args.size() == 2) {
      for (int side = 0; side < 2; ++side)
        if (below(x.args[static_cast<std::size_t>(side)]) &&
            v.p.account_below(x.args[static_cast<std::size_t>(1 - side)]) == no_term)
          return true;
      return false;
    }
    return below(e.a);
  });
}

bool is_header(const view& v, std::string_view type) {
  // An enum whose variants hold something is a whole account's content.
  const auto* s = v.p.names.find_struct(type);
  if (s != nullptr && s->is_enum &&
      std::any_of(s->variants.begin(), s->variants.end(), [](const auto& x) { return !x.fields.empty(); }))
    return false;
  for (const std::string_view tail : {"Header", "Version", "Type", "Tag", "Discriminator", "Discriminant"})
    if (type.ends_with(tail)) return true;
  return false;
}

// The same bytes are read as two types, neither of which refuses the other.
void two_readings(const check& self, const view& v) {
  for (const auto& e : v.in.events) {
    if (e.kind != ek::parse || !e.negated || e.by != proof::code || e.path != 0 || !v.raw(e.a)) continue;
    if (!v.p.names.has_type(e.text) || is_header(v, e.text)) continue;
    for (const auto& other : v.in.events) {
      if (&other == &e) break;
      if (other.kind != ek::parse || other.a != e.a || other.path != 0 || other.text == e.text ||
          !other.negated || !v.p.names.has_type(other.text) || is_header(v, other.text))
        continue;
      v.report(self, e.where,
               "`" + v.name(e.a) + "` is read as `" + std::string(e.text) + "` although it was read as `" +
                   std::string(other.text) + "` before: the bytes of the one pass for the other",
               e.a)
          .seen.push_back({other.where, "the other reading"});
      break;
    }
  }
}

void run_a04(const check& self, const view& v) {
  two_readings(self, v);
  for (const auto& e : v.in.events) {
    if (e.kind != ek::parse || !e.negated || e.by == proof::type || !v.raw(e.a)) continue;
    const auto* s = v.p.names.find_struct(e.text);
    if (s == nullptr || s->is_enum || s->fields.empty() || v.owner_proof(e.a) == nullptr) continue;
    if (const auto* address = v.key_proof(e.a); address != nullptr) continue;
    const auto* other = twin(v, *s);
    if (other == nullptr || tag_checked(v, e.a)) continue;
    auto& f = v.report(self, e.where,
                       "`" + v.name(e.a) + "` is read as `" + std::string(s->name) + "`, but a `" +
                           std::string(other->name) + "` has the same layout and nothing tells them apart",
                       e.a);
    const auto* file = v.p.names.file_of(other);
    if (file != nullptr) f.seen.push_back({{file->id, other->begin, other->end}, "the type that passes too"});
  }
}

}  // namespace

extern const check a04_type_cosplay_check;
const check a04_type_cosplay_check{
    .id = "OSVM-A04",
    .name = "type-cosplay",
    .title = "Two account types cannot be told apart",
    .cwe = 843,
    .severity = severity::high,
    .confidence = confidence::strong,
    .rationale =
        "When two account types of a program have compatible bytes and no tag, a caller can pass one where "
        "the other is "
        "meant, with fields of the caller's choice in the privileged places.",
    .fix =
        "Use `#[account]` types, which carry a discriminator, or store a tag first and compare it when "
        "reading.",
    .instruction = run_a04,
};

}  // namespace osvm::audit
