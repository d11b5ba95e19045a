// osvm audit: bugs in Solana programs, from their source.
#include <osvm/audit/audit.hpp>
#include <osvm/audit/own_checks.hpp>
#include <osvm/audit/policy.hpp>
#include <osvm/audit/reports.hpp>
#include <osvm/core/text.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/json/value.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "../audit_reports.hpp"
#include "../audit_vm.hpp"
#include "../child_process.hpp"
#include "../context.hpp"
#include "../interrupts.hpp"
#include "../private_dir.hpp"
#include "../repository.hpp"
#include "../source_watch.hpp"

namespace osvm::cli {
namespace {

constexpr std::size_t largest_input = 64u << 20;

class audit_command final : public invocation {
 public:
  void declare(option_set& o) override {
    o.optional_word(
        "PATH|OWNER/REPO", path_,
        "folder or file to audit (default: .), or a public repository of GitHub's, cloned for this: "
        "owner/repo or owner/repo#branch");
    o.value(
        "isolation", "LEVEL", isolation_,
        "where the sources are parsed: vm, jail (a VM whose system calls a jailed process serves) or none "
        "(default: vm for a repository, none for a path)");
    o.value("repository-url", "URL", url_, "clone OWNER/REPO from here: https://... (or file://...)");
    o.value("pr-comment", "FILE", comment_, "write a comment for a pull request, as Markdown, into FILE");
    o.value("format", "NAME", format_, "human, json, sarif, markdown, html, pdf or typst");
    o.value("template", "FILE", template_, "a report by a mustache template of yours instead");
    o.value("out", "DIR", out_, "write report.txt, .json, .sarif, .md, .html, .typ and .pdf there");
    o.values("checks", "ID", only_, "only these checks (ids or names)");
    o.value("profile", "NAME", profile_,
            "program (default), or offchain: the crates that are no programs, such as clients and keepers");
    o.value("own-checks", "FILE", own_checks_, "checks of your own, as JSON, beside the built-in ones");
    o.value("fail-on", "LEVEL", fail_on_,
            "exit with 1 from this severity on: info, low, medium, high, critical, never");
    o.value("baseline", "FILE", baseline_, "findings that are known and accepted");
    o.value("write-baseline", "FILE", write_baseline_, "accept every finding of this run, into FILE");
    o.value("settings", "FILE", settings_, "settings: severities, checks that are off, paths to leave out");
    o.value(
        "diff", "BASE|FILE", diff_,
        "only findings on lines that are new since a commit or branch (by git), or that a unified diff adds "
        "(- reads it from stdin)");
    o.value("cache", "DIR", cache_, "keep results there: a program that did not change is not parsed again");
    o.flag("watch", watch_, "audit again whenever a source changes, until Ctrl-C");
    o.value("explain", "ID", explain_, "what a check looks for, why, and how to fix it");
    o.flag("list", list_, "list the checks");
    o.flag("show-suppressed", suppressed_, "show findings that a comment in the source suppresses");
    o.flag("allow-unparsed", allow_unparsed_, "do not exit with 4 when a file could not be read wholly");
  }
  int run(context& ctx) override {
    if (list_) return list(ctx);
    if (!explain_.empty()) return explain(ctx);
    if (format_ == "human" && ctx.json()) format_ = "json";
    const auto formats = audit_formats();
    if (format_ != "human" && std::find(formats.begin(), formats.end(), format_) == formats.end())
      return ctx.fail(
          error(errc::invalid_argument, "--format: human, json, sarif, markdown, html, pdf or typst"),
          exit_code::usage);
    if (format_ == "pdf" && template_.empty() && ::isatty(STDOUT_FILENO) != 0)
      return ctx.fail(
          error(errc::invalid_argument, "a PDF goes into a file: osvm audit --format pdf > audit.pdf"),
          exit_code::usage);
    int threshold = level(fail_on_.empty() ? "medium" : fail_on_);
    if (threshold < 0)
      return ctx.fail(error(errc::invalid_argument, "--fail-on: info, low, medium, high, critical or never"),
                      exit_code::usage);
    if (watch_) return watch(ctx, threshold);
    return once(ctx, threshold);
  }

 private:
  int once(context& ctx, int threshold) {
    auto report = audited(ctx);
    if (!report) return fail(ctx, report.error());
    const auto decided = decide(*report);
    if (!decided) return ctx.fail(decided.error(), exit_code::usage);
    if (fail_on_.empty() && *decided) threshold = static_cast<int>(**decided);
    if (!out_.empty())
      if (const auto written = write_all(ctx, *report); !written) return ctx.fail(written.error());
    if (!comment_.empty())
      if (const auto written = write_comment(*report); !written) return ctx.fail(written.error());
    if (const auto printed = print(ctx, *report); !printed)
      return ctx.fail(printed.error(), template_.empty() ? exit_code::environment : exit_code::usage);
    if (threshold < 5 && report->count(static_cast<audit::severity>(threshold)) > 0)
      return static_cast<int>(exit_code::failed);
    if (!report->unparsed.empty() && !allow_unparsed_) return static_cast<int>(exit_code::partly);
    return static_cast<int>(exit_code::done);
  }
  // The first report, and another one after each change; changes during an audit count.
  int watch(context& ctx, int threshold) {
    const std::string path = path_.empty() ? "." : path_;
    if (repository() || isolation_ == "vm" || isolation_ == "jail")
      return ctx.fail(error(errc::invalid_argument, "--watch: a path, without a VM"), exit_code::usage);
    result<private_dir> scratch = private_dir::make("audit");
    if (!scratch) return ctx.fail(scratch.error());
    if (cache_.empty()) cache_ = scratch->path() + "/cache";
    const unique_fd stop(::eventfd(0, EFD_CLOEXEC));
    if (!stop) return ctx.fail(errno_error("eventfd"));
    runtime threads({.threads = 1});
    const interrupts on_signal(threads.get_executor(), [&](int) { ::eventfd_write(stop.get(), 1); });
    for (;;) {
      const auto changes = source_watch::of(path);
      if (!changes) return ctx.fail(changes.error());
      const int status = once(ctx, threshold);
      std::fflush(stdout);
      ctx.note("watching " + printable(path) + " (Ctrl-C ends it)");
      const auto changed = changes->wait(stop.get());
      if (!changed) return ctx.fail(changed.error());
      if (!*changed) return status;
    }
  }
  // The name of a repository, unless something by that name lies here.
  std::optional<repository_name> repository() const {
    std::error_code ignored;
    if (std::filesystem::exists(path_, ignored)) return {};
    return parse_repository_name(path_);
  }
  result<audit::report> audited(context& ctx) {
    if (!isolation_.empty() && isolation_ != "vm" && isolation_ != "jail" && isolation_ != "none")
      return error(errc::invalid_argument, "--isolation: vm, jail or none");
    if (!profile_.empty() && profile_ != "program" && profile_ != "offchain")
      return error(errc::invalid_argument, "--profile: program or offchain");
    const auto name = repository();
    if (!name) {
      if (!url_.empty()) return error(errc::invalid_argument, "--repository-url goes with OWNER/REPO");
      return parsed(ctx, path_.empty() ? "." : path_, isolation_ == "vm" || isolation_ == "jail");
    }
    if (!diff_.empty() && diff_ != "-" && !std::filesystem::is_regular_file(diff_))
      return error(errc::invalid_argument, "--diff with a repository: a file, since one commit is cloned");
    OSVM_TRY(const auto clone, cloned_repository::clone(*name, url_));
    ctx.note(name->owner + "/" + name->name + " at " + clone.commit());
    OSVM_TRY(auto report, parsed(ctx, clone.path(), isolation_ != "none"));
    report.root = name->owner + "/" + name->name + "@" + clone.commit().substr(0, 12);
    return report;
  }
  result<audit::report> parsed(context& ctx, const std::string& path, bool in_vm) {
    if (in_vm) {
      OSVM_TRY(auto done,
               audit_in_vm(path, only_, {.jail = isolation_ == "jail", .offchain = profile_ == "offchain"}));
      ctx.note("parsed in a VM of its own: " + done.isolation);
      return std::move(done.report);
    }
    if (isolation_ == "none") ctx.note("parsed in this process: no isolation");
    audit::options options;
    options.only = only_;
    options.cache = cache_;
    if (profile_ == "offchain") options.profile = audit::profile::offchain;
    return audit::run(path, options);
  }
  result<void> write_comment(const audit::report& r) const {
    std::ofstream file(comment_, std::ios::binary);
    file << audit::to_comment(r, OSVM_VERSION);
    if (!file.flush()) return errno_error(printable(comment_));
    return {};
  }
  static int fail(context& ctx, const error& e) {
    if (e.code == errc::unsupported || e.code == errc::timed_out || e.code == errc::closed ||
        classify(e.code) == exit_code::environment)
      return ctx.fail(e, exit_code::environment);
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
    if (!own_checks_.empty()) {
      OSVM_TRY(const auto text, contents(own_checks_));
      OSVM_TRY(const auto own, audit::parse_own_checks(text));
      OSVM_CHECK(audit::add_own_findings(r, own));
    }
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
  result<void> print(context& ctx, const audit::report& r) const {
    if (format_ == "human" && template_.empty()) {
      ctx.print(audit::to_text(r, {.color = ctx.bold("x") != "x", .suppressed = suppressed_}));
      return {};
    }
    OSVM_TRY(const auto text, audit_report_as(r, format_, template_));
    ctx.print(text);
    return {};
  }
  result<void> write_all(context& ctx, const audit::report& r) const {
    OSVM_TRY(const auto left_out, write_audit_reports(r, out_));
    for (const auto& one : left_out) ctx.note("left out: " + one);
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
                     diff_, template_, isolation_, url_, comment_, cache_, own_checks_, profile_;
  std::vector<std::string> only_;
  bool list_ = false, suppressed_ = false, allow_unparsed_ = false, watch_ = false;
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
        "  osvm audit --format pdf > audit.pdf\n"
        "  osvm audit --diff origin/main\n"
        "  osvm audit owner/repo#branch --out reports\n"
        "  osvm audit --explain OSVM-A01",
    .make = make_invocation<audit_command>,
};

}  // namespace osvm::cli
