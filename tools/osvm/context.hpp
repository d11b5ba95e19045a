// What every command needs from the command line and the terminal.
#pragma once

#include <osvm/core/error.hpp>

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"

namespace osvm::cli {

// Options that stand before or behind any command.
struct global_options {
  bool json = false;
  bool verbose = false;
  bool no_color = false;
  std::string url, keypair;  // of commands that speak to a Solana node or sign for it
};

// Rows of text, printed with aligned columns. The first row is the heading.
using text_table = std::vector<std::vector<std::string>>;

// Prints. One per process, used by the main thread.
class context {
 public:
  explicit context(const global_options& options);

  bool json() const noexcept { return options_.json; }
  bool verbose() const noexcept { return options_.verbose; }
  const std::string& url() const noexcept { return options_.url; }
  const std::string& keypair() const noexcept { return options_.keypair; }

  void print(std::string_view text) const;                 // to stdout
  void print_json(const boost::json::value& value) const;  // one line to stdout
  void print_table(const text_table& table) const;         // to stdout
  void note(std::string_view text) const;                  // to stderr, with a newline
  void detail(std::string_view text) const;                // to stderr, only with -v
  // "osvm: <error>" to stderr, with --json also {"error": …} to stdout. Gives the fitting exit code.
  int fail(const error& e) const;
  int fail(const error& e, exit_code code) const;

  // The exit status of a command that would have ended with `status`: success is not success when what it
  // printed was lost. A reader that went away (a closed pipe) has seen what it wanted.
  int settle(int status) const;

  std::string bold(std::string_view text) const { return paint("1", text); }
  std::string good(std::string_view text) const { return paint("32", text); }
  std::string bad(std::string_view text) const { return paint("31", text); }

 private:
  std::string paint(const char* code, std::string_view text) const;
  void report(const error& e) const;
  global_options options_;
  bool color_;
  mutable int lost_output_ = 0;  // errno of the first write to stdout that failed
};

// environment for what this machine lacks, failed for the rest.
exit_code classify(const error_code& code) noexcept;

std::string render(const text_table& table);
std::string to_json_line(const boost::json::value& value);

}  // namespace osvm::cli
