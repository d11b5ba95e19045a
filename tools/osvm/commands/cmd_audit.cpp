// osvm audit: bugs in Solana programs, from their source.
#include <osvm/audit/audit.hpp>
#include <osvm/audit/policy.hpp>
#include <osvm/audit/reports.hpp>
#include <osvm/core/text.hpp>

#include <unistd.h>

#include <boost/json/value.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "../child_process.hpp"
#include "../context.hpp"

namespace osvm::cli {
namespace {

constexpr std::size_t largest_input = 64u << 20;

class audit_command final : public invocation {
 public:
  void declare(option_set& o) override {
    o.optional_word("PATH", path_, "folder or file to audit (default: .)");
    o.value("format", "NAME", format_, "human, json, sarif, markdown or html");
    o.value("out", "DIR", out_, "write report.txt, .json, .sarif, .md and .html there");
    o.values("checks", "ID", only_, "only these checks (ids or names)");
    o.value("fail-on", "LEVEL", fail_on_,
            "exit with 1 from this severity on: info, low, medium, high, critical, never");
    o.value("baseline", "FILE", baseline_, "findings that are known and accepted");
    o.value("write-baseline", "FILE", write_baseline_, "accept every finding of this run, into FILE");
    o.value("settings", "FILE", settings_, "settings: severities, checks that are off, paths to leave out");
    o.value(
        "diff", "BASE|FILE", diff_,
        "only findings on lines that are new since a commit or branch (by git), or that a unified diff adds "
        "(- reads it from stdin)");
    o.value("explain", "ID", explain_, "what a check looks for, why, and how to fix it");
    o.flag("list", list_, "list the checks");
    o.flag("show-suppressed", suppressed_, "show findings that a comment in the source suppresses");
    o.flag("allow-unparsed", allow_unparsed_, "do not exit with 4 when a file could not be read wholly");
  }
  int run(context& ctx) override {
    if (list_) return list(ctx);
    if (!explain_.empty()) return explain(ctx);
    if (format_ == "human" && ctx.json()) format_ = "json";
    static constexpr std::string_view formats[] = {"human", "json", "sarif", "markdown", "html"};
    if (std::find(std::begin(formats), std::end(formats), format_) == std::end(formats))
      return ctx.fail(error(errc::invalid_argument, "--format: human, json, sarif, markdown or html"),
                      exit_code::usage);
    int threshold = level(fail_on_.empty() ? "medium" : fail_on_);
    if (threshold < 0)
      return ctx.fail(error(errc::invalid_argument, "--fail-on: info, low, medium, high, critical or never"),
                      exit_code::usage);
    audit::options options;
    options.only = only_;
    auto report = audit::run(path_.empty() ? "." : path_, options);
    if (!report) return fail(ctx, report.error());
    const auto decided = decide(*report);
    if (!decided) return ctx.fail(decided.error(), exit_code::usage);
    if (fail_on_.empty() && *decided) threshold = static_cast<int>(**decided);
    if (!out_.empty())
      if (const auto written = write_all(*report); !written) return ctx.fail(written.error());
    print(ctx, *report);
    if (threshold < 5 && report->count(static_cast<audit::severity>(threshold)) > 0)
      return static_cast<int>(exit_code::failed);
    if (!report->unparsed.empty() && !allow_unparsed_) return static_cast<int>(exit_code::partly);
    return static_cast<int>(exit_code::done);
  }

 private:
  static int fail(context& ctx, const error& e) {
    if (e.code == errc::unsupported) return ctx.fail(e, exit_code::environment);
    return ctx.fail(e, exit_code::usage);
  }
  static int level(const std::string& name) {
    for (int i = 0; i < 5; ++i)
      if (name == audit::name_of(static_cast<audit::severity>(i))) return i;
    return name == "never" ? 5 : -1;
  }
  static result<std::string> contents(const std::string& path) {
    std::ifstream file;
    if (path != "-") {
      file.open(path, std::ios::binary);
      if (!file) return errno_error(printable(path));
    }
    std::istream& in = path == "-" ? std::cin : file;
    std::string text(largest_input + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > largest_input)
      return error(errc::limit_exceeded, printable(path) + " is larger than 64 MiB");
    text.shrink_to_fit();
    return text;
  }
  // The diff itself, or by git what is new since the point where BASE and what is checked out parted.
  result<std::string> difference() const {
    std::error_code ignored;
    if (diff_ == "-" || std::filesystem::is_regular_file(diff_, ignored)) return contents(diff_);
    if (diff_.starts_with('-')) return error(errc::invalid_argument, "--diff: a commit, a branch or a file");
    std::filesystem::path at = path_.empty() ? "." : path_;
    if (!std::filesystem::is_directory(at, ignored)) at = at.has_parent_path() ? at.parent_path() : ".";
    // As no configuration of the user or the repository changes it, and with none of its programs run.
    OSVM_TRY(auto git,
             child_process::start({"git", "-C", at.string(), "-c", "core.quotePath=false", "-c",
                                   "core.fsmonitor=false", "diff", "-U0", "--no-color", "--no-ext-diff",
                                   "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/", "--relative",
                                   "--merge-base", diff_, "--", "."}));
    auto text = git.finish(largest_input);
    if (!text)
      return error(errc::invalid_argument,
                   "--diff: git cannot compare " + printable(at.string()) + " with " + printable(diff_) +
                       " (no such file, commit or branch; in a shallow clone: git fetch --unshallow)");
    return text;
  }
  // Settings first, then what the change touches, then what was accepted before. Gives the settings'
  // threshold.
  result<std::optional<audit::severity>> decide(audit::report& r) const {
    std::optional<audit::severity> threshold;
    if (!settings_.empty()) {
      OSVM_TRY(const auto text, contents(settings_));
      OSVM_TRY(const auto settings, audit::parse_settings(text));
      audit::apply(r, settings);
      threshold = settings.fail_on;
    }
    if (!diff_.empty()) {
      OSVM_TRY(const auto text, difference());
      OSVM_CHECK(audit::keep_touched(r, text));
    }
    if (!baseline_.empty()) {
      OSVM_TRY(const auto text, contents(baseline_));
      OSVM_TRY(const auto accepted, audit::parse_baseline(text));
      audit::apply(r, accepted, today());
    }
    if (!write_baseline_.empty()) {
      std::ofstream file(write_baseline_, std::ios::binary);
      file << audit::to_baseline(r, "accepted on " + today()) << "\n";
      if (!file.flush()) return errno_error(printable(write_baseline_));
    }
    return threshold;
  }
  static std::string today() {
    const std::chrono::year_month_day d(
        std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now()));
    const auto two = [](unsigned n) { return (n < 10 ? "0" : "") + std::to_string(n); };
    return std::to_string(static_cast<int>(d.year())) + "-" + two(static_cast<unsigned>(d.month())) + "-" +
           two(static_cast<unsigned>(d.day()));
  }
  void print(context& ctx, const audit::report& r) const {
    if (format_ == "json") return ctx.print(audit::to_json(r) + "\n");
    if (format_ == "sarif") return ctx.print(audit::to_sarif(r, OSVM_VERSION) + "\n");
    if (format_ == "markdown") return ctx.print(audit::to_markdown(r, OSVM_VERSION));
    if (format_ == "html") return ctx.print(audit::to_html(r, OSVM_VERSION));
    ctx.print(audit::to_text(r, {.color = ctx.bold("x") != "x", .suppressed = suppressed_}));
  }
  result<void> write_all(const audit::report& r) const {
    std::error_code e;
    std::filesystem::create_directories(out_, e);
    if (e) return error(error_code(e.value(), boost::system::system_category()), printable(out_));
    const std::pair<const char*, std::string> files[] = {
        {"report.txt", audit::to_text(r, {.suppressed = true})},
        {"report.json", audit::to_json(r) + "\n"},
        {"report.sarif", audit::to_sarif(r, OSVM_VERSION) + "\n"},
        {"report.md", audit::to_markdown(r, OSVM_VERSION)},
        {"report.html", audit::to_html(r, OSVM_VERSION)}};
    for (const auto& [name, text] : files) {
      const auto path = std::filesystem::path(out_) / name;
      std::ofstream file(path, std::ios::binary);
      file << text;
      if (!file.flush()) return errno_error(printable(path.string()));
    }
    return {};
  }
  static int list(context& ctx) {
    if (ctx.json()) {
      boost::json::array all;
      for (const auto& c : audit::checks())
        all.push_back({{"id", c.id},
                       {"name", c.name},
                       {"title", c.title},
                       {"cwe", c.cwe},
                       {"severity", audit::name_of(c.severity)}});
      ctx.print_json(all);
      return static_cast<int>(exit_code::done);
    }
    text_table table{{"id", "severity", "cwe", "name", "what it finds"}};
    for (const auto& c : audit::checks())
      table.push_back({c.id, audit::name_of(c.severity), std::to_string(c.cwe), c.name, c.title});
    ctx.print_table(table);
    return static_cast<int>(exit_code::done);
  }
  int explain(context& ctx) const {
    for (const auto& c : audit::checks()) {
      if (c.id != explain_ && c.name != explain_) continue;
      if (ctx.json()) {
        ctx.print_json({{"id", c.id},
                        {"name", c.name},
                        {"title", c.title},
                        {"cwe", c.cwe},
                        {"severity", audit::name_of(c.severity)},
                        {"confidence", audit::name_of(c.confidence)},
                        {"rationale", c.rationale},
                        {"fix", c.fix}});
      } else {
        ctx.print(ctx.bold(c.id + " " + c.name) + ": " + c.title + "\n  severity " +
                  audit::name_of(c.severity) + ", CWE-" + std::to_string(c.cwe) + "\n\n" + c.rationale +
                  "\n\nFix: " + c.fix + "\n");
      }
      return static_cast<int>(exit_code::done);
    }
    return ctx.fail(error(errc::invalid_argument,
                          "no check is called " + printable(explain_) + " (try: osvm audit --list)"),
                    exit_code::usage);
  }

  std::string path_, format_ = "human", out_, fail_on_, explain_, baseline_, write_baseline_, settings_,
                     diff_;
  std::vector<std::string> only_;
  bool list_ = false, suppressed_ = false, allow_unparsed_ = false;
};

}  // namespace

extern const command cmd_audit_entry;
const command cmd_audit_entry{
    .path = "audit",
    .summary = "find bugs in the source of Solana programs",
    .examples =
        "  osvm audit\n"
        "  osvm audit programs/vault --fail-on high\n"
        "  osvm audit --format sarif > audit.sarif\n"
        "  osvm audit --diff origin/main\n"
        "  osvm audit --explain OSVM-A01",
    .make = make_invocation<audit_command>,
};

}  // namespace osvm::cli
