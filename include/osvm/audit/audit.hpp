// Audits Solana programs written in Rust (Anchor or native): sources in, findings out. Reads files only;
// runs, builds and downloads nothing. Functions here may be called from any thread; each call is independent.
#pragma once

#include <osvm/audit/finding.hpp>
#include <osvm/core/error.hpp>

#include <functional>

namespace osvm::audit {

// One check as people see it.
struct check_info {
  std::string id;    // "OSVM-A01"
  std::string name;  // "missing-signer"
  std::string title, rationale, fix;
  int cwe = 0;
  audit::severity severity{};
  audit::confidence confidence{};
};

struct options {
  unsigned threads = 2;
  std::vector<std::string> only;  // ids or names; empty: all
  std::size_t max_files = 50'000;
  std::uint32_t max_file_bytes = 4u << 20;
  std::uint64_t max_bytes = std::uint64_t{1} << 30;
  // Told how many files of how many are done; may be empty. Called from one thread at a time.
  std::function<void(std::size_t, std::size_t)> progress;
};

// False in a build without the Rust grammar; run() then answers errc::unsupported.
bool available() noexcept;

std::vector<check_info> checks();

// Audits the folder or file at `path`. Fails only when nothing could be looked at; files that could not be
// parsed are in report::unparsed.
result<report> run(const std::string& path, const options& options = {});

// Reports. `version` names the program that writes them.
std::string to_json(const report& r);
std::string to_sarif(const report& r, const std::string& version);
struct text_style {
  bool color = false;
  bool suppressed = false;  // show suppressed findings too
};
std::string to_text(const report& r, const text_style& style = {});

}  // namespace osvm::audit
