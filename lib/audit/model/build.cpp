// From functions to instructions: where a program is entered, and what is judged.
#include <algorithm>

#include "interpret.hpp"

namespace osvm::audit {
namespace {

constexpr interpreter_limits limits;

const struct_item* context_of(const program& p, const fn_item& f) {
  for (const auto& param : f.params) {
    const auto* type = program::strip(&param.type);
    if (type == nullptr || type->name != "Context" || type->args.empty()) continue;
    const auto name = type->args.back().name;
    return p.names.find_struct(name == "Self" ? f.impl_type : name);
  }
  // Frameworks that pass the accounts themselves: fn(accounts: &mut Deposit, ...).
  for (const auto& param : f.params) {
    const auto* type = program::strip(&param.type);
    const auto* s = type != nullptr && !param.is_self ? p.names.find_struct(type->name) : nullptr;
    if (s != nullptr && is_accounts_struct(*s)) return s;
  }
  return nullptr;
}

bool takes_account_list(const program& p, const fn_item& f) {
  return std::any_of(f.params.begin(), f.params.end(), [&](const param_item& x) {
    const auto* t = program::strip(&x.type);
    return t != nullptr && t->slice && !t->args.empty() && p.is_account_type(&t->args.front());
  });
}
bool takes_account(const program& p, const fn_item& f) {
  return std::any_of(f.params.begin(), f.params.end(),
                     [&](const param_item& x) { return p.is_account_type(&x.type); });
}

class builder {
 public:
  explicit builder(program& p) : p_(p), reached_(p.names.functions().size(), false) {}

  // Entry points of the crate itself: those of crates that it uses as libraries are theirs.
  bool own(const source_file* f) const {
    const auto& files = p_.source.files;
    return std::find(files.begin(), files.end(), f->id) != files.end();
  }

  void run() {
    p_.summaries.resize(p_.names.functions().size());
    const auto& functions = p_.names.functions();
    for (int i = 0; i < count(); ++i) {
      const auto& f = *at(i).item;
      if (f.in_program_mod && own(at(i).file) && f.body != nullptr && f.impl_type.empty() &&
          !f.params.empty()) {
        p_.anchor = true;
        anchor(i);
      }
    }
    for (const auto* file : p_.names.files) {
      if (!own(file)) continue;
      for (const auto& m : file->macros)
        if (m.name.ends_with("entrypoint") || m.name == "entry_point" || m.name == "lazy_program_entrypoint")
          entry(file, m);
    }
    for (int i = 0; i < count(); ++i)
      if (functions[static_cast<std::size_t>(i)].item->name == "process_instruction" && own(at(i).file))
        native(i, 0);
    if (p_.instructions.empty()) loose();
  }

 private:
  int count() const { return static_cast<int>(p_.names.functions().size()); }
  const function_ref& at(int i) const { return p_.names.functions()[static_cast<std::size_t>(i)]; }

  void entry(const source_file* file, const macro_item& m) {
    for (const auto* a : m.args) {
      if (a->kind != node_kind::path) continue;
      for (int i = 0; i < count(); ++i)
        if (at(i).item->name == last_segment(a->text) && at(i).item->body != nullptr) native(i, 0);
    }
    (void)file;
  }

  // A handler is the first function below the entry that takes accounts out of the list.
  void native(int id, unsigned depth) {
    if (depth > 8 || reached_[static_cast<std::size_t>(id)] || at(id).item->body == nullptr) return;
    reached_[static_cast<std::size_t>(id)] = true;
    summary& s = summarize(p_, id, limits, 0);
    if (own_accounts(id)) {
      judge(id, nullptr, false);
      return;
    }
    for (const int callee : std::vector<int>(s.callees))
      if (takes_account_list(p_, *at(callee).item) || depth < 2) native(callee, depth + 1);
  }
  bool own_accounts(int id) const { return p_.summaries[static_cast<std::size_t>(id)].introduces; }

  void anchor(int id) {
    reached_[static_cast<std::size_t>(id)] = true;
    const auto* accounts = context_of(p_, *at(id).item);
    if (accounts != nullptr) judge(id, accounts, false);
  }

  // Without an entry point (a library of handlers, a fragment): whatever nobody calls and takes accounts.
  void loose() {
    std::vector<bool> called(p_.names.functions().size(), false);
    for (int i = 0; i < count(); ++i) {
      if (at(i).item->body == nullptr) continue;
      for (const int c : summarize(p_, i, limits, 0).callees) called[static_cast<std::size_t>(c)] = true;
    }
    for (int i = 0; i < count(); ++i) {
      const auto& f = *at(i).item;
      if (f.body == nullptr || called[static_cast<std::size_t>(i)]) continue;
      const auto* accounts = context_of(p_, f);
      if (accounts != nullptr || takes_account_list(p_, f) || own_accounts(i) || takes_account(p_, f))
        judge(i, accounts, true);
    }
  }

  void judge(int id, const struct_item* accounts, bool is_loose) {
    summary& s = summarize(p_, id, limits, 0);
    instruction in;
    in.function = id;
    in.name = at(id).item->name;
    in.accounts = accounts;
    in.loose = is_loose;
    if (accounts != nullptr && is_accounts_struct(*accounts)) in.events = constraint_events(p_, *accounts);
    in.events.insert(in.events.end(), s.events.begin(), s.events.end());
    std::erase_if(in.events, [&](const event& e) { return e.kind == ek::write && !p_.is_account(e.a); });
    in.branches = s.branches;
    in.capped = s.capped;
    collect(in);
    p_.instructions.push_back(std::move(in));
  }

  void leaves(term_id t, std::set<term_id>& seen, std::set<term_id>& out) {
    if (t == no_term || !seen.insert(t).second) return;
    if (p_.is_account(t) && p_.terms[t].kind != tk::phi) {
      out.insert(t);
      return;
    }
    for (const auto a : p_.terms[t].args) leaves(a, seen, out);
  }
  void collect(instruction& in) {
    std::set<term_id> seen, found;
    if (in.accounts != nullptr && is_accounts_struct(*in.accounts)) {
      const auto all = accounts_term(p_, *in.accounts);
      for (const auto& f : in.accounts->fields) leaves(make_field(p_, all, f.name), seen, found);
    }
    for (const auto& e : in.events) {
      leaves(e.a, seen, found);
      leaves(e.b, seen, found);
      for (const auto a : e.args) leaves(a, seen, found);
    }
    // Accounts structs that the body builds for its helpers name the same accounts again.
    if (in.accounts != nullptr && is_accounts_struct(*in.accounts)) {
      std::set<const struct_item*> own;
      nested(*in.accounts, own);
      std::erase_if(found, [&](term_id s) {
        const auto* slot = p_.slot_of(s);
        return slot != nullptr && slot->accounts != nullptr && !own.contains(slot->accounts);
      });
    }
    in.slots.assign(found.begin(), found.end());
  }
  void nested(const struct_item& s, std::set<const struct_item*>& out) const {
    if (!out.insert(&s).second) return;
    for (const auto& f : s.fields) {
      const auto* inner = p_.names.find_struct(program::strip(&f.type)->name);
      if (inner != nullptr && is_accounts_struct(*inner)) nested(*inner, out);
    }
  }

  program& p_;
  std::vector<bool> reached_;
};

}  // namespace

void build_model(program& p) {
  builder(p).run();
}

}  // namespace osvm::audit
