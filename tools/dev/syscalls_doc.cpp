// Writes docs/syscalls.md to standard output: syscalls_doc FOLDER, the folder of the conformance programs.
// Each of those has a line "exercises: name name ..." in a comment of its first 4 KiB.
#include "unikernel/syscalls/notes.hpp"
#include "unikernel/syscalls/syscall.hpp"
#include "unikernel/trace/calls.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

namespace {

using namespace osvm::unikernel;
namespace fs = std::filesystem;

// Call name -> conformance programs.
using coverage = std::map<std::string, std::set<std::string>>;

void read_claims(const fs::path& file, coverage& out) {
  std::ifstream in(file);
  std::string head(4096, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(in.gcount()));
  static const std::string key = "exercises:";
  for (std::size_t at = head.find(key); at != std::string::npos; at = head.find(key, at + 1)) {
    std::istringstream words(head.substr(at + key.size(), head.find('\n', at) - at - key.size()));
    for (std::string w; words >> w;)
      if (w != "*/") out[w].insert(file.stem().string());
  }
}

const char* name_of(capability c) {
  switch (c) {
    case capability::always: return "";
    case capability::files: return "a mount";
    case capability::listen: return "a listener";
    case capability::connect: return "a connection";
    case capability::jit: return "`jit`";
  }
  return "";
}

std::string joined(const std::set<std::string>& names) {
  std::string out;
  for (const auto& n : names) out += (out.empty() ? "" : ", ") + n;
  return out;
}

struct row {
  std::string state, note;
};

row describe(const call_info& call, const syscall_entry* entry, const coverage& exercised) {
  const call_note* note = find_note(call.name);
  if (note && note->support == call_support::refused) return {"refused", note->text};
  if (!entry) return {"absent", note ? note->text : ""};
  const auto proof = exercised.find(call.name);
  const std::string by = proof == exercised.end() ? "" : joined(proof->second);
  if (note) return {"partly", std::string(note->text) + (by.empty() ? "" : " (" + by + ")")};
  if (!by.empty()) return {"served", by};
  return {"untested", "no conformance program exercises it yet"};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: syscalls_doc CONFORMANCE_FOLDER\n"), 2;
  coverage exercised;
  for (const auto& e : fs::directory_iterator(argv[1]))
    if (e.is_regular_file() && e.path().extension() != ".md") read_claims(e.path(), exercised);
  std::map<std::string, unsigned> totals;
  std::string table;
  for (const call_info& call : all_calls()) {
    const syscall_entry* entry = find_syscall(call.number);
    const row r = describe(call, entry, exercised);
    ++totals[r.state];
    table += "| " + std::to_string(call.number) + " | `" + call.name + "` | " + r.state + " | " +
             (entry ? name_of(entry->needs) : "") + " | " + r.note + " |\n";
    exercised.erase(call.name);
  }
  if (!exercised.empty()) {
    std::fprintf(stderr, "syscalls_doc: no system call is named '%s'\n", exercised.begin()->first.c_str());
    return 1;
  }
  std::printf(
      "<!-- Generated from the system-call table: ninja docs_syscalls. Do not edit. -->\n"
      "# System calls\n\n"
      "What a guest gets for each x86-64 system call that Linux has. Served: %u, partly: %u, untested: %u, "
      "refused: %u, "
      "absent: %u.\n\n"
      "- **served**: as Linux does; the last column names the programs of `tests/unikernel/conformance` that "
      "run\n"
      "  natively and inside with equal output.\n"
      "- **partly**: the last column says what is missing.\n"
      "- **untested**: has a handler, but no conformance program exercises it yet.\n"
      "- **refused**: always fails, for the reason given. **absent**: unknown, `ENOSYS`.\n\n"
      "*Needs* is what policy must grant before the call is tried at all; finer checks (which path, which "
      "port) are the\n"
      "call's own, and each denial names the rule that would grant it.\n\n"
      "| number | name | state | needs | |\n|---|---|---|---|---|\n%s",
      totals["served"], totals["partly"], totals["untested"], totals["refused"], totals["absent"],
      table.c_str());
  return 0;
}
