// Names of one program: functions, types and constants of its crate and of the path crates that it uses.
#pragma once

#include <map>
#include <set>

#include "audit/project/project.hpp"

namespace osvm::audit {

struct function_ref {
  const fn_item* item = nullptr;
  const source_file* file = nullptr;
};

class symbols {
 public:
  symbols(const project& p, const crate& c);

  const std::vector<function_ref>& functions() const { return functions_; }
  const struct_item* find_struct(std::string_view name) const;
  const const_item* find_const(std::string_view name) const;
  const source_file* file_of(const struct_item* s) const;

  // The function that `path`, written in `from`, calls; -1 for library functions.
  int resolve(std::string_view path, const function_ref& from) const;
  // The method `name` of a value of type `type` (empty: unknown), with a self parameter.
  int resolve_method(std::string_view type, std::string_view name) const;
  // `path` with its first segment replaced by what a `use` of that file says.
  std::string expand(std::string_view path, const source_file& file) const;
  bool has_type(std::string_view name) const { return find_struct(name) != nullptr; }

  std::vector<const source_file*> files;
  std::vector<std::pair<const struct_item*, const source_file*>> structs;

 private:
  void add(const source_file& f);
  std::vector<function_ref> functions_;
  std::map<const source_file*, std::string> crate_of_;
  std::map<std::string_view, std::vector<int>> by_name_;
  std::map<std::pair<std::string_view, std::string_view>, std::vector<int>> methods_;
  std::map<std::string_view, const struct_item*> structs_;
  std::map<const struct_item*, const source_file*> struct_files_;
  std::map<std::string_view, const const_item*> constants_;
  std::map<const source_file*, std::map<std::string_view, std::string_view>> uses_;
};

std::string_view last_segment(std::string_view path) noexcept;
// The segment before the last one, empty when there is none.
std::string_view qualifier(std::string_view path) noexcept;

}  // namespace osvm::audit
