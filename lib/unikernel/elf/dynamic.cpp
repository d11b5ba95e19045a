#include "unikernel/elf/dynamic.hpp"

#include <algorithm>
#include <cstring>

namespace osvm::unikernel::elf {
namespace {

constexpr std::size_t max_entries = 4096, max_needed = 512, max_text = 4096;

// One string of the string table; bounded by its own NUL, the table's end and max_text.
result<std::string> text_at(const byte_source& file, std::uint64_t table, std::uint64_t table_size, std::uint64_t offset) {
  if (offset >= table_size) return malformed("a dynamic string lies outside its table");
  std::string text(std::min<std::uint64_t>(table_size - offset, max_text), '\0');
  if (!file.read(table + offset, text.data(), text.size())) return malformed("the dynamic strings cannot be read");
  const std::size_t end = text.find('\0');
  if (end == std::string::npos) return malformed("a dynamic string has no end");
  text.resize(end);
  return text;
}

}  // namespace

result<dynamic_info> read_dynamic(const byte_source& file, const layout& l) {
  dynamic_info info;
  if (l.dynamic.type != pt_dynamic) return info;
  const std::uint64_t count = std::min<std::uint64_t>(l.dynamic.filesz / sizeof(dynamic_entry), max_entries);
  std::uint64_t at = 0;
  if (!file_offset(l, l.dynamic.vaddr, count * sizeof(dynamic_entry), at)) return malformed("the dynamic section is not loaded");
  std::vector<dynamic_entry> entries(count);
  if (count && !file.read(at, entries.data(), count * sizeof(dynamic_entry))) return malformed("the dynamic section is cut off");
  entries.erase(std::find_if(entries.begin(), entries.end(), [](const auto& e) { return e.tag == dt_null; }), entries.end());

  std::uint64_t strings = 0, strings_size = 0;
  for (const auto& e : entries) {
    if (e.tag == dt_strtab) strings = e.value;
    if (e.tag == dt_strsz) strings_size = e.value;
  }
  std::uint64_t table = 0;
  if (strings_size && !file_offset(l, strings, strings_size, table)) return malformed("the dynamic strings are not loaded");
  for (const auto& e : entries) {
    if (e.tag != dt_needed && e.tag != dt_soname && e.tag != dt_rpath && e.tag != dt_runpath) continue;
    OSVM_TRY(std::string text, text_at(file, table, strings_size, e.value));
    if (e.tag == dt_soname) info.soname = std::move(text);
    else if (e.tag == dt_rpath) info.rpath = std::move(text);
    else if (e.tag == dt_runpath) info.runpath = std::move(text);
    else if (info.needed.size() < max_needed) info.needed.push_back(std::move(text));
    else return malformed("more than " + std::to_string(max_needed) + " needed libraries");
  }
  return info;
}

}  // namespace osvm::unikernel::elf
