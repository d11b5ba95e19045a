#include "check.hpp"

namespace osvm::audit {
namespace {

bool of_any_length(const type_ref* t) {
  t = program::strip(t);
  return t != nullptr &&
         (t->name == "String" || t->name == "str" || t->name == "Vec" || (t->slice && t->length.empty()));
}

// A seed whose length the caller chooses: a string or bytes argument, whole.
bool open_ended(const view& v, term_id seed) {
  const auto& x = v.t[seed];
  if (x.kind == tk::param) return of_any_length(v.p.type_of(seed));
  if (x.kind == tk::field) return of_any_length(v.p.type_of(seed));
  if (x.kind == tk::call && x.text.starts_with("argument ") && v.in.function >= 0) {
    const auto name = x.text.substr(9);
    const auto& f = *v.p.names.functions()[static_cast<std::size_t>(v.in.function)].item;
    for (const auto& p : f.params)
      if (p.pat.text == name) return of_any_length(&p.type);
  }
  return false;
}

void seeds_of(const view& v, term_id id, std::vector<term_id>& out, unsigned depth = 0) {
  const auto& x = v.t[id];
  if ((x.kind == tk::pda || x.kind == tk::created_pda) && x.args.size() > 1) {
    out.push_back(x.args[1]);
    return;
  }
  if (depth > 8) return;
  for (const auto a : x.args) seeds_of(v, a, out, depth + 1);
}

void run_b03(const check& self, const view& v) {
  std::set<term_id> reported;
  for (const auto& e : v.in.events) {
    if (e.kind != ek::check && e.kind != ek::make_pda) continue;
    std::vector<term_id> lists;
    if (e.kind == ek::make_pda) lists.push_back(e.b);
    seeds_of(v, e.a, lists);
    for (const auto list : lists) {
      const auto& x = v.t[list];
      if (x.kind != tk::list || !reported.insert(list).second) continue;
      for (std::size_t i = 0; i + 1 < x.args.size(); ++i)
        if (open_ended(v, x.args[i]) && open_ended(v, x.args[i + 1])) {
          v.report(
              self, e.where,
              "two seeds of any length stand side by side: (\"ab\", \"c\") and (\"a\", \"bc\") give the same "
              "address");
          break;
        }
    }
  }
}

}  // namespace

extern const check b03_seed_collision_check;
const check b03_seed_collision_check{
    .id = "OSVM-B03",
    .name = "seed-collision",
    .title = "Different seeds give the same program address",
    .cwe = 694,
    .severity = severity::medium,
    .confidence = confidence::strong,
    .rationale =
        "Seeds are joined without separators. Where two neighbours have any length, a caller moves bytes "
        "from one "
        "to the other and reaches an account that belongs to other seeds.",
    .fix =
        "Hash one of them to a fixed length, put a seed of fixed length between them, or bound their "
        "lengths.",
    .instruction = run_b03,
};

}  // namespace osvm::audit
