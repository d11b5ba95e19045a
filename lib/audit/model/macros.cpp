// Macros that matter: conditions, logs, lists. Their arguments were parsed as expressions by the front end.
#include <algorithm>

#include "interpret.hpp"
#include "library.hpp"

namespace osvm::audit {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

void interpreter::eval_used(term_id t, const node* n) {
  const auto account = p_.account_below(t);
  if (account == no_term) return;
  event& e = emit(ek::use, n, account);
  e.b = t;
}

term_id interpreter::eval_condition_macro(const node* n, bool& handled) {
  const auto name = n->text;
  handled = true;
  const std::size_t count = n->kids.size();
  const bool debug = name.starts_with("debug_");
  if (debug || count == 0 || !sounds_like_check(name)) {
    if (name != "invariant" && name != "require") {
      handled = false;
      return no_term;
    }
  }
  const bool inequality = contains(name, "_neq") || name.ends_with("_ne");
  const bool equality = contains(name, "_eq");  // "require" holds an "eq" too
  const bool order =
      name.ends_with("_gt") || name.ends_with("_gte") || name.ends_with("_lt") || name.ends_with("_lte");
  if (count >= 2 && (inequality || equality || order)) {
    auto a = eval(n->kids[0]), b = eval(n->kids[1]);
    if (p_.is_account(a)) a = make_key(p_, a);  // assert_keys_eq!(self.bank, self.collateral.bank)
    if (p_.is_account(b)) b = make_key(p_, b);
    for (std::size_t i = 2; i < count; ++i) eval(n->kids[i]);
    const std::string_view op = inequality               ? "!="
                                : name.ends_with("_gte") ? ">="
                                : name.ends_with("_gt")  ? ">"
                                : name.ends_with("_lte") ? "<="
                                : name.ends_with("_lt")  ? "<"
                                                         : "==";
    assume(make_cmp(p_, op, a, b), true, proof::code, where(n));
    return no_term;
  }
  const auto condition = eval(n->kids[0]);
  std::vector<term_id> all{condition};
  for (std::size_t i = 1; i < count; ++i) all.push_back(eval(n->kids[i]));
  if (contains(name, "signer") && p_.is_account(condition)) {
    assume(t_.make(tk::signer_flag, {}, {condition}), true, proof::code, where(n));
  } else if (t_[condition].kind == tk::accounts) {
    // assert_is_curator!(self): a macro of the program that looks at accounts of its choice.
    std::vector<term_id> looked_at{condition};
    if (const auto* s = p_.names.find_struct(t_[condition].text))
      for (const auto& f : s->fields) looked_at.push_back(make_field(p_, condition, f.name));
    emit(ek::check, n, t_.make(tk::call, name, looked_at)).by = proof::opaque;
  } else if (p_.is_account(condition)) {
    emit(ek::check, n, t_.make(tk::call, name, all)).by = proof::opaque;
  } else {
    assume(condition, true, proof::code, where(n));
  }
  return no_term;
}

term_id interpreter::eval_macro(const node* n) {
  const auto name = n->text;
  if (name == "vec" || name == "smallvec" || name == "array" || name == "seeds") return eval_list(n, 0);
  if (name == "err" || name == "error" || name == "Err" || name == "return_err" || name == "bail") {
    eval_all(n, 0);
    if (name == "bail" || name == "return_err") diverges_ = true;
    return t_.constant("Err");
  }
  if (name == "panic" || name == "unreachable" || name == "todo" || name == "unimplemented") {
    eval_all(n, 0);
    diverges_ = true;
    return no_term;
  }
  if (name == "matches") {
    if (n->kids.empty()) return no_term;
    const auto value = eval(n->kids[0]);
    const auto pattern =
        n->kids.size() > 1
            ? t_.constant(ref_.file != nullptr
                              ? std::string_view(ref_.file->text)
                                    .substr(n->kids[1]->begin, n->kids[1]->end - n->kids[1]->begin)
                              : n->kids[1]->text)
            : no_term;
    return make_cmp(p_, "==", value, pattern);
  }
  bool handled = false;
  const auto out = eval_condition_macro(n, handled);
  if (handled) return out;
  auto args = eval_all(n, 0);
  if (name == "array_ref" || name == "array_mut_ref") return args.empty() ? no_term : args[0];
  for (std::size_t i = 0; i < args.size(); ++i) eval_used(args[i], n->kids[i]);
  return t_.unknown(std::move(args));
}

}  // namespace osvm::audit
