#include "term.hpp"

#include <algorithm>

namespace osvm::audit {

term_table::term_table() {
  terms_.emplace_back();
}

std::string_view term_table::intern(std::string_view text) {
  const auto it = interned_.find(text);
  if (it != interned_.end()) return it->second;
  texts_.emplace_back(text);
  const std::string_view kept = texts_.back();
  interned_.emplace(kept, kept);
  return kept;
}

namespace {

std::uint64_t hash_of(tk kind, std::string_view text, const std::vector<term_id>& args, std::uint32_t num) {
  std::uint64_t h = static_cast<std::uint64_t>(kind) * 0x9e3779b97f4a7c15u + num;
  h = (h ^ std::hash<std::string_view>{}(text)) * 0xff51afd7ed558ccdu;
  for (const auto a : args) h = (h ^ a) * 0xc4ceb9fe1a85ec53u + (h >> 29);
  return h;
}

}  // namespace

term_id term_table::find(tk k, term_id a) const {
  const auto it = by_hash_.find(hash_of(k, {}, {a}, 0));
  if (it == by_hash_.end()) return no_term;
  for (const auto id : it->second)
    if (terms_[id].kind == k && terms_[id].args == std::vector<term_id>{a}) return id;
  return no_term;
}

term_id term_table::make(tk kind, std::string_view text, std::vector<term_id> args, std::uint32_t num,
                         const type_ref* type) {
  text = intern(text);
  const auto h = hash_of(kind, text, args, num);
  auto& bucket = by_hash_[h];
  for (const auto id : bucket) {
    const auto& t = terms_[id];
    if (t.kind == kind && t.num == num && t.text == text && t.args == args) return id;
  }
  const auto id = static_cast<term_id>(terms_.size());
  terms_.push_back({kind, num, text, std::move(args), type});
  bucket.push_back(id);
  return id;
}

term_id term_table::unknown(std::vector<term_id> deps) {
  std::sort(deps.begin(), deps.end());
  deps.erase(std::unique(deps.begin(), deps.end()), deps.end());
  std::erase_if(deps, [&](term_id d) {
    const auto k = terms_[d].kind;
    return d == no_term || k == tk::literal;
  });
  if (deps.empty()) return no_term;
  if (deps.size() > 16) deps.resize(16);
  return make(tk::unknown, {}, std::move(deps));
}

term_id term_table::phi(term_id a, term_id b) {
  if (a == b || b == no_term) return a;
  if (a == no_term) return b;
  std::vector<term_id> args;
  for (const auto t : {a, b}) {
    if (terms_[t].kind == tk::phi)
      args.insert(args.end(), terms_[t].args.begin(), terms_[t].args.end());
    else
      args.push_back(t);
  }
  std::vector<term_id> unique;
  for (const auto t : args)
    if (std::find(unique.begin(), unique.end(), t) == unique.end()) unique.push_back(t);
  if (unique.size() == 1) return unique[0];
  if (unique.size() > 8) unique.resize(8);
  return make(tk::phi, {}, std::move(unique));
}

bool term_table::mentions(term_id t, term_id what) const {
  if (t == what) return true;
  const auto& x = terms_[t];
  if (t < what || x.args.empty()) return false;  // parts are always made before the whole
  const std::uint64_t key = (std::uint64_t{t} << 32) | what;
  if (const auto it = mention_cache_.find(key); it != mention_cache_.end()) return it->second;
  const bool found = std::any_of(x.args.begin(), x.args.end(), [&](term_id a) { return mentions(a, what); });
  mention_cache_.emplace(key, found);
  return found;
}

std::string term_table::show(term_id t, unsigned depth) const {
  const auto& x = terms_[t];
  static constexpr const char* names[] = {
      "?",          "param",  "slot", "context", "accounts",   "remaining", "element",   "",
      "",           "field",  "key",  "owner",   "lamports",   "data",      "is_signer", "is_writable",
      "executable", "parsed", "pda",  "bump",    "create_pda", "call",      "struct",    "list",
      "cmp",        "not",    "and",  "or",      "arith",      "phi"};
  std::string out = names[static_cast<int>(x.kind)];
  if (x.kind == tk::param || x.kind == tk::slot) out += "#" + std::to_string(x.num);
  out += x.text;
  if (x.args.empty() || depth > 6) return out;
  out += "(";
  for (std::size_t i = 0; i < x.args.size(); ++i) out += (i != 0 ? ", " : "") + show(x.args[i], depth + 1);
  return out + ")";
}

}  // namespace osvm::audit
