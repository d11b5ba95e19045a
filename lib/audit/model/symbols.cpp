#include "symbols.hpp"

#include <algorithm>

namespace osvm::audit {

std::string_view last_segment(std::string_view path) noexcept {
  const auto colon = path.rfind("::");
  return colon == std::string_view::npos ? path : path.substr(colon + 2);
}

std::string_view qualifier(std::string_view path) noexcept {
  const auto colon = path.rfind("::");
  if (colon == std::string_view::npos) return {};
  auto head = path.substr(0, colon);
  if (const auto angle = head.find("::<"); angle != std::string_view::npos) head = head.substr(0, angle);
  if (head.ends_with('>')) {  // Type<'a>::f
    const auto open = head.find('<');
    if (open != std::string_view::npos)
      head = open == 0 ? head.substr(1, head.size() - 2) : head.substr(0, open);
    if (const auto as = head.find(" as "); as != std::string_view::npos) head = head.substr(0, as);
  }
  return last_segment(head);
}

symbols::symbols(const project& p, const crate& c) {
  std::set<const crate*> seen;
  std::vector<const crate*> todo{&c};
  while (!todo.empty()) {
    const crate* next = todo.back();
    todo.pop_back();
    if (!seen.insert(next).second) continue;
    // As Rust names it: shared::guard of the crate `shared`.
    std::string name = next->name;
    std::replace(name.begin(), name.end(), '-', '_');
    for (const auto id : next->files) {
      add(p.files[id]);
      crate_of_.emplace(&p.files[id], name);
    }
    for (const auto i : next->path_crates) todo.push_back(&p.crates[i]);
  }
}

void symbols::add(const source_file& f) {
  files.push_back(&f);
  for (const auto& fn : f.functions) {
    if (fn.in_test) continue;
    const int id = static_cast<int>(functions_.size());
    functions_.push_back({&fn, &f});
    by_name_[fn.name].push_back(id);
    if (!fn.impl_type.empty()) methods_[{fn.impl_type, fn.name}].push_back(id);
  }
  for (const auto& s : f.structs) {
    structs.emplace_back(&s, &f);
    structs_.emplace(s.name, &s);
    struct_files_.emplace(&s, &f);
  }
  for (const auto& k : f.constants) constants_.emplace(k.name, &k);
  auto& uses = uses_[&f];
  for (const auto& u : f.uses)
    if (u.alias != "*") uses.emplace(u.alias, u.path);
}

const struct_item* symbols::find_struct(std::string_view name) const {
  const auto it = structs_.find(name);
  return it == structs_.end() ? nullptr : it->second;
}
const source_file* symbols::file_of(const struct_item* s) const {
  const auto it = struct_files_.find(s);
  return it == struct_files_.end() ? nullptr : it->second;
}
const const_item* symbols::find_const(std::string_view name) const {
  const auto it = constants_.find(name);
  return it == constants_.end() ? nullptr : it->second;
}

std::string symbols::expand(std::string_view path, const source_file& file) const {
  const auto colon = path.find("::");
  const auto head = colon == std::string_view::npos ? path : path.substr(0, colon);
  const auto it = uses_.find(&file);
  if (it != uses_.end())
    if (const auto u = it->second.find(head); u != it->second.end())
      return std::string(u->second) +
             (colon == std::string_view::npos ? "" : std::string(path.substr(colon)));
  return std::string(path);
}

namespace {

// How many trailing segments of `module` the path before the function's name spells out.
int agreement(std::string_view module, std::string_view path) {
  path = path.substr(0, std::min(path.size(), path.rfind("::")));
  int n = 0;
  while (!module.empty() && !path.empty() && last_segment(module) == last_segment(path) && n < 8) {
    ++n;
    const auto cut = [](std::string_view s) {
      const auto at = s.rfind("::");
      return at == std::string_view::npos ? std::string_view{} : s.substr(0, at);
    };
    module = cut(module);
    path = cut(path);
  }
  return n;
}

bool has_module(std::string_view module, std::string_view segment) {
  for (auto at = module.find(segment); at != std::string_view::npos; at = module.find(segment, at + 1)) {
    const auto end = at + segment.size();
    if ((at == 0 || module[at - 1] == ':') && (end == module.size() || module[end] == ':')) return true;
  }
  return false;
}

}  // namespace

int symbols::resolve(std::string_view path, const function_ref& from) const {
  const auto name = last_segment(path);
  const auto it = by_name_.find(name);
  if (it == by_name_.end()) return -1;
  auto q = qualifier(path);
  std::string expanded;
  if (q == "Self") {
    q = from.item->impl_type;
  } else if (q.empty()) {
    expanded = expand(path, *from.file);
    q = qualifier(expanded);
    if (q == "super" || q == "self" || q == "crate") q = {};
  } else if (q == "super" || q == "self" || q == "crate") {
    q = {};
  } else if (path.find("::") == path.rfind("::")) {  // alias::f
    expanded = expand(path, *from.file);
    const auto full = qualifier(expanded);
    if (!full.empty() && full != "self") q = full;
  }
  int best = -1, score = 0;
  for (const int id : it->second) {
    const auto& f = *functions_[static_cast<std::size_t>(id)].item;
    if (f.body == nullptr) continue;
    int s = 0;
    if (!q.empty()) {
      if (f.impl_type == q)
        s = 4;
      else if (f.impl_type.empty() && last_segment(f.module) == q)
        s = 3;
      else if (f.impl_type.empty() && f.module.empty() && expanded.starts_with("crate::"))
        s = 1;
      else if (f.impl_type.empty() && f.module.empty() &&
               crate_of_.at(functions_[static_cast<std::size_t>(id)].file) == q)
        s = 3;
      else if (f.impl_type.empty() && has_module(f.module, q))
        s = 2;  // re-exported: instructions::deposit of instructions/deposit.rs
      else
        continue;
    } else {
      if (!f.impl_type.empty()) continue;
      s = f.module == from.item->module ? 3 : 1;
    }
    s *= 4;
    if (f.impl_type.empty() && !q.empty()) s += agreement(f.module, expanded.empty() ? path : expanded);
    if (functions_[static_cast<std::size_t>(id)].file == from.file) s += 4;
    if (s > score) {
      score = s;
      best = id;
    }
  }
  return best;
}

int symbols::resolve_method(std::string_view type, std::string_view name) const {
  const auto usable = [&](int id) {
    const auto& f = *functions_[static_cast<std::size_t>(id)].item;
    return f.body != nullptr && !f.params.empty() && f.params[0].is_self;
  };
  if (!type.empty()) {
    const auto it = methods_.find({type, name});
    if (it != methods_.end())
      for (const int id : it->second)
        if (usable(id)) return id;
    if (find_struct(type) != nullptr || type == "AccountInfo") {
      // A trait of ours with a default body, or implemented for it elsewhere.
      const auto all = by_name_.find(name);
      if (all != by_name_.end())
        for (const int id : all->second) {
          const auto& f = *functions_[static_cast<std::size_t>(id)].item;
          if (usable(id) && find_struct(f.impl_type) == nullptr) return id;
        }
    }
    return -1;
  }
  const auto it = by_name_.find(name);
  if (it == by_name_.end()) return -1;
  int only = -1;
  for (const int id : it->second) {
    if (!usable(id)) continue;
    if (only >= 0) return -1;
    only = id;
  }
  return only;
}

}  // namespace osvm::audit
