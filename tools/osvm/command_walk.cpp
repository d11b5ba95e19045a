#include "command_walk.hpp"

namespace osvm::cli {
namespace {

bool names_files(std::string_view placeholder) {
  return placeholder.find("FILE") != std::string_view::npos ||
         placeholder.find("DIR") != std::string_view::npos || placeholder.starts_with("HOST:GUEST");
}

class recorder final : public option_set {
 public:
  void flag(const char* name, bool&, const char* help) override { add(name, "", help); }
  void value(const char* name, const char* placeholder, std::string&, const char* help) override {
    add(name, placeholder, help);
  }
  void maybe_value(const char* name, const char*, std::string&, const char*, const char* help) override {
    add(name, "", help);  // no value follows as a word of its own
  }
  void values(const char* name, const char* placeholder, std::vector<std::string>&,
              const char* help) override {
    add(name, placeholder, help);
  }
  void word(const char* name, std::string&, std::vector<std::string> choices, const char* help) override {
    found.push_back({.name = name, .help = help, .choices = std::move(choices), .is_word = true});
  }
  void optional_word(const char* name, std::string&, const char* help) override {
    found.push_back({.name = name, .help = help, .is_word = true});
  }
  void rest(const char* usage, std::vector<std::string>&, const char* help) override {
    found.push_back({.name = usage, .help = help, .is_word = true, .takes_files = true});
  }
  void add(const std::string& name, std::string_view placeholder, const char* help) {
    found.push_back({.name = "--" + name.substr(0, name.find(',')),  // "output,o" has a short form
                     .placeholder = std::string(placeholder),
                     .help = help,
                     .takes_files = names_files(placeholder)});
  }
  std::vector<option_info> found;
};

}  // namespace

std::vector<option_info> options_of(const command& entry) {
  recorder out;
  entry.make()->declare(out);
  out.add("config", "FILE", "YAML file with defaults for options");
  out.add("json", "", "print JSON and nothing else on stdout");
  out.add("verbose", "", "say more on stderr");
  out.add("no-color", "", "no colours");
  out.add("help", "", "print help");
  return std::move(out.found);
}

}  // namespace osvm::cli
