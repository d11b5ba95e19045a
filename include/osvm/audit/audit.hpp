// Audits Solana programs written in Rust (Anchor or native): sources in, findings out. Reads files only;
// runs, builds and downloads nothing. Functions here may be called from any thread; each call is independent.
#pragma once

#include <osvm/audit/finding.hpp>
#include <osvm/core/error.hpp>

#include <functional>

namespace osvm::audit {

// What is judged.
enum class profile : std::uint8_t {
  program,   // on-chain programs
  offchain,  // clients, keepers and tools: the crates that are no programs, by checks of their own
             // (OSVM-X01...)
};

struct options {
  audit::profile profile = profile::program;
  unsigned threads = 2;
  std::vector<std::string> only;  // ids or names; empty: all
  std::size_t max_files = 50'000;
  std::uint32_t max_file_bytes = 4u << 20;
  std::uint64_t max_bytes = std::uint64_t{1} << 30;
  // A folder that keeps results of crates between runs; it is made, and belongs to the user alone. Empty:
  // none is kept. What is reported is the same with and without it.
  std::string cache;
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
