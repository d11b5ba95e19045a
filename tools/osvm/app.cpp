// The only file that knows CLI11.
#include "app.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/value.hpp>
#include <cstring>
#include <iostream>
#include <map>
#include <osvm/core/text.hpp>

#include "command.hpp"
#include "context.hpp"
#include "yaml_config.hpp"

namespace osvm::cli {
namespace {

constexpr const char* about =
    "Run programs in their own virtual machines and replace them under load.\n"
    "Exit status: 0 done, 1 failed or \"no\", 2 usage, 3 the machine lacks something, 4 done in part;\n"
    "`osvm run` exits as the guest did.";

void add_globals(CLI::App& app, global_options& globals) {
  app.add_flag("--json", globals.json, "print JSON and nothing else on stdout");
  app.add_flag("-v,--verbose", globals.verbose, "say more on stderr");
  app.add_flag("--no-color", globals.no_color, "no colours (also: NO_COLOR=1)");
}

constexpr std::size_t help_column = 34;

// Help whose usage line ends with words that CLI11 does not parse.
class rest_formatter final : public CLI::Formatter {
 public:
  explicit rest_formatter(std::string usage) : usage_(std::move(usage)) { column_width(help_column); }
  std::string make_usage(const CLI::App* app, std::string) const override {
    return "Usage: osvm " + app->get_name() + " [OPTIONS] " + usage_ + "\n\n";
  }

 private:
  std::string usage_;
};

// Declares a command's options on its CLI11 subcommand.
class app_options final : public option_set {
 public:
  explicit app_options(CLI::App& app) : app_(app) {}

  void flag(const char* name, bool& target, const char* help) override {
    app_.add_flag(dashed(name), target, help);
  }
  void value(const char* name, const char* placeholder, std::string& target, const char* help) override {
    auto* option = app_.add_option(dashed(name), target, help)->type_name(placeholder);
    if (!target.empty()) option->capture_default_str();
  }
  void maybe_value(const char* name, const char* placeholder, std::string& target, const char* alone,
                   const char* help) override {
    const std::string shown = "[=" + std::string(placeholder) + "]";
    app_.add_option_function<std::vector<std::string>>(
            dashed(name),
            [&target, alone](const std::vector<std::string>& given) {
              target = given.empty() || given.front().empty() ? alone : given.front();
            },
            help)
        ->type_name(shown)
        ->expected(0, 1);
  }
  void values(const char* name, const char* placeholder, std::vector<std::string>& target,
              const char* help) override {
    app_.add_option(dashed(name), target, help)->type_name(placeholder)->expected(1)->take_all();
  }
  void word(const char* name, std::string& target, std::vector<std::string> choices,
            const char* help) override {
    auto* option = app_.add_option(name, target, help)->type_name("")->required();
    if (!choices.empty()) option->check(CLI::IsMember(std::move(choices)));
  }
  void optional_word(const char* name, std::string& target, const char* help) override {
    app_.add_option(name, target, help)->type_name("");
  }
  void rest(const char* usage, std::vector<std::string>& target, const char* help) override {
    rest_ = &target;
    app_.formatter(std::make_shared<rest_formatter>(std::string(usage) + "\n\n" + help));
  }
  std::vector<std::string>* rest_target() const { return rest_; }

 private:
  // "output,o" has a short form.
  static std::string dashed(const std::string& name) {
    const auto comma = name.find(',');
    if (comma == std::string::npos) return "--" + name;
    return "-" + name.substr(comma + 1) + ",--" + name.substr(0, comma);
  }
  CLI::App& app_;
  std::vector<std::string>* rest_ = nullptr;
};

struct parsed_command {
  const command* what = nullptr;
  CLI::App* app = nullptr;
  std::unique_ptr<invocation> use;
  std::vector<std::string>* rest = nullptr;
};

// The first word that is no option, and no option's value.
std::size_t find_rest(const CLI::App& root, const CLI::App& app, const std::vector<std::string>& args,
                      std::size_t from) {
  std::size_t i = from;
  for (; i < args.size() && args[i].size() > 1 && args[i][0] == '-'; ++i) {
    if (args[i] == "--") return i;
    const bool has_value = args[i].find('=') != std::string::npos;
    const auto* own = app.get_option_no_throw(args[i]);
    const auto* option = own != nullptr ? own : root.get_option_no_throw(args[i]);
    if (option != nullptr && !has_value && option->get_expected_min() > 0) ++i;
  }
  return std::min(i, args.size());
}

// -C may stand behind the command too; CLI11 knows it on the outermost level only.
void move_config_to_front(std::vector<std::string>& args) {
  for (std::size_t i = 0; i < args.size(); ++i) {
    const bool joined = args[i].starts_with("--config=");
    if (!joined && args[i] != "-C" && args[i] != "--config") continue;
    const auto begin = args.begin() + static_cast<std::ptrdiff_t>(i);
    const auto end = begin + (joined || i + 1 == args.size() ? 1 : 2);
    std::rotate(args.begin(), begin, end);
    return;
  }
}

class application {
 public:
  application() : app_(about, "osvm") {
    app_.get_formatter()->column_width(help_column);
    app_.set_help_flag("-h,--help", "print this help");
    app_.set_version_flag("--version", std::string("osvm ") + OSVM_VERSION);
    app_.require_subcommand(0, 1);
    add_globals(app_, globals_);
    app_.set_config("-C,--config", default_config_file(), "YAML file with defaults for options")
        ->type_name("FILE");
    app_.add_option("-u,--url", globals_.url, "the Solana node of commands that ask one")
        ->type_name("URL|m|t|d|l");
    app_.add_option("--keypair", globals_.keypair, "the key file of commands that sign")->type_name("FILE");
    app_.config_formatter(std::make_shared<yaml_config>());
    app_.allow_config_extras(CLI::config_extras_mode::error);
    std::map<std::string, CLI::App*> groups;
    for (const auto& group : command_groups()) groups[group.name] = add_group(group);
    for (const auto* entry : all_commands()) add_command(*entry, groups);
  }

  int run(std::vector<std::string> args) {
    if (!args.empty() && args.front() == "help") {  // "help bench boot" is "bench boot --help"
      args.erase(args.begin());
      args.push_back("--help");
    }
    add_default_verb(args);
    try {
      take_rest(args);
      globals_.json =
          std::find(args.begin(), args.end(), "--json") != args.end();  // for errors of the parser
      move_config_to_front(args);
      std::reverse(args.begin(), args.end());  // as CLI11 wants them
      app_.parse(std::move(args));
    } catch (const CLI::ParseError& e) {
      return report(e);
    }
    for (auto& c : commands_) {
      if (!c.app->parsed()) continue;
      context ctx(globals_);
      return ctx.settle(c.use->run(ctx));
    }
    return missing_command();
  }

 private:
  CLI::App* add_group(const command_group& group) {
    auto* sub = app_.add_subcommand(group.name, group.summary);
    sub->require_subcommand(0, 1);
    if (group.alias != nullptr) sub->alias(group.alias);
    return sub;
  }

  void add_command(const command& entry, std::map<std::string, CLI::App*>& groups) {
    const char* space = std::strchr(entry.path, ' ');
    CLI::App* parent = space == nullptr ? &app_ : groups.at(std::string(entry.path, space));
    auto* sub = parent->add_subcommand(space == nullptr ? entry.path : space + 1, entry.summary);
    sub->set_help_flag("-h,--help", "print this help");
    if (entry.examples != nullptr) sub->footer("Examples:\n" + std::string(entry.examples));
    parsed_command parsed{.what = &entry, .app = sub, .use = entry.make()};
    app_options options(*sub);
    parsed.use->declare(options);
    parsed.rest = options.rest_target();
    add_globals(*sub, globals_);
    commands_.push_back(std::move(parsed));
  }

  // "osvm proxy -c FILE" is "osvm proxy serve -c FILE".
  static void add_default_verb(std::vector<std::string>& args) {
    std::size_t i = 0;
    while (i < args.size() && args[i].starts_with("--")) ++i;  // "--json proxy -c FILE"
    if (i + 1 >= args.size() || args[i] != "proxy") return;
    const auto& next = args[i + 1];
    if (!next.starts_with('-') || next == "-h" || next == "--help") return;
    args.insert(args.begin() + static_cast<std::ptrdiff_t>(i) + 1, "serve");
  }

  // CLI11 must not see the words that belong to a guest program.
  void take_rest(std::vector<std::string>& args) {
    std::size_t first = find_rest(app_, app_, args, 0);
    if (first >= args.size()) return;
    for (auto& c : commands_) {
      if (c.rest == nullptr || args[first] != c.what->path) continue;
      const std::size_t begin = find_rest(app_, *c.app, args, first + 1);
      const std::size_t skip = begin < args.size() && args[begin] == "--" ? 1 : 0;
      c.rest->assign(args.begin() + static_cast<std::ptrdiff_t>(std::min(begin + skip, args.size())),
                     args.end());
      args.resize(begin);
    }
  }

  exit_code usage_code() const {
    for (const auto& c : commands_) {
      if (c.app->parsed() || c.app->count() > 0) return c.what->on_usage_error;
    }
    return exit_code::usage;
  }

  int report(const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app_.exit(e);  // --help, --version
    std::string what = e.what();
    constexpr std::string_view clumsy =
        "INI was not able to parse ";  // CLI11 takes every configuration for INI
    if (what.starts_with(clumsy))
      what = "config file " + config_file() + ": unknown " + what.substr(clumsy.size());
    return usage_error(what, failed_path());
  }

  std::string failed_path() const {
    for (const auto& c : commands_) {
      if (c.app->count() > 0) return std::string(c.what->path) + " ";
    }
    for (const auto& group : command_groups()) {
      if (app_.get_subcommand(group.name)->count() > 0) return std::string(group.name) + " ";
    }
    return "";
  }

  int missing_command() {
    for (const auto& group : command_groups()) {
      if (const auto* sub = app_.get_subcommand(group.name); sub->parsed()) {
        std::cerr << sub->help("osvm");
        return usage_error("a command is missing after " + std::string(group.name),
                           std::string(group.name) + " ");
      }
    }
    std::cerr << app_.help();
    return usage_error("a command is missing", "");
  }

  // Says what is wrong on stderr and, with --json, also as an object on stdout.
  int usage_error(const std::string& what, const std::string& path) {
    std::cerr << "osvm: " << what << "\n";
    std::cerr << "try: osvm " << path << "--help\n";
    const auto code = usage_code();
    if (globals_.json) {
      context(globals_).print_json(
          {{"error",
            {{"code", static_cast<int>(code)}, {"category", "usage"}, {"message", printable(what, 4096)}}}});
    }
    return static_cast<int>(code);
  }

  std::string config_file() const {
    const auto* option = app_.get_config_ptr();
    return option == nullptr || option->count() == 0 ? default_config_file() : option->as<std::string>();
  }

  CLI::App app_;
  global_options globals_;
  std::vector<parsed_command> commands_;
};

}  // namespace

int run_app(std::vector<std::string> arguments) {
  return application().run(std::move(arguments));
}

}  // namespace osvm::cli
