// What a command of the CLI is: one file in commands/ defines one `const command <file>_entry`, and CMake
// gathers them.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace osvm::cli {

class context;

// Exit statuses of every command; `run` gives the guest's instead, or run_failed.
enum class exit_code : int {
  done = 0,
  failed = 1,        // the answer is "no": a check failed, a request was lost
  usage = 2,         // the command line is wrong
  environment = 3,   // the machine lacks something, for example /dev/kvm
  partly = 4,        // done in part
  run_failed = 125,  // osvm run: osvm itself failed, whatever the reason
};

// Where a command says which options it takes. Names are without dashes ("url,u": with a short form); targets
// must outlive the parsing.
class option_set {
 public:
  virtual ~option_set() = default;
  virtual void flag(const char* name, bool& target, const char* help) = 0;
  // `target`'s value before parsing is the default that the help shows.
  virtual void value(const char* name, const char* placeholder, std::string& target, const char* help) = 0;
  // An option that may stand alone (then `target` becomes `alone`) or have a value behind "=".
  virtual void maybe_value(const char* name, const char* placeholder, std::string& target, const char* alone,
                           const char* help) = 0;
  virtual void values(const char* name, const char* placeholder, std::vector<std::string>& target,
                      const char* help) = 0;
  // A word that must be given, one of `choices` when there are any.
  virtual void word(const char* name, std::string& target, std::vector<std::string> choices,
                    const char* help) = 0;
  // The same, but it may be left out.
  virtual void optional_word(const char* name, std::string& target, const char* help) = 0;
  // Everything from the first word that is no option on, options included: a program and its arguments.
  virtual void rest(const char* usage, std::vector<std::string>& target, const char* help) = 0;
};

// One use of a command: first declare(), then run() with the targets filled in.
class invocation {
 public:
  virtual ~invocation() = default;
  virtual void declare(option_set& options) = 0;
  virtual int run(context& ctx) = 0;
};

struct command {
  const char* path;      // "run", or "bench boot": noun and verb
  const char* summary;   // one line
  const char* examples;  // lines for the end of --help
  std::unique_ptr<invocation> (*make)();
  exit_code on_usage_error = exit_code::usage;
};

template <class T>
std::unique_ptr<invocation> make_invocation() {
  return std::make_unique<T>();
}

// All commands, in the order of their file names. Generated.
std::span<const command* const> all_commands() noexcept;

struct command_group {
  const char* name;
  const char* summary;
  const char* alias = nullptr;  // another name for it
};
// The nouns that have verbs.
std::span<const command_group> command_groups() noexcept;

}  // namespace osvm::cli
