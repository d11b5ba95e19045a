#include <osvm/core/text.hpp>

#include <boost/json/array.hpp>
#include <chrono>
#include <filesystem>
#include <thread>

#include "../bench/report.hpp"
#include "../demo_node.hpp"
#include "../facts_output.hpp"
#include "../guest_programs.hpp"
#include "../http_service.hpp"
#include "../interrupts.hpp"
#include "../private_dir.hpp"
#include "../stats_output.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

using namespace std::chrono_literals;
using bench::to_ms;
using hotswap::release_state;
using hotswap::shift_report;

struct numbers {
  unsigned shifts = 20;
  double rate = 2000;
};

// A release that must not get through.
struct broken_release {
  const char* version;
  const char* what;
  std::vector<std::string> flags;
};

struct outcome {
  std::vector<shift_report> shifts;
  std::vector<std::pair<broken_release, shift_report>> refused;
  hotswap::load_report load;
  std::vector<instance_record> records;
  bool interrupted = false;

  // Broken releases that took over.
  bool fooled() const {
    for (const auto& [release, r] : refused) {
      if (r.state != release_state::rejected && r.state != release_state::rolled_back) return true;
    }
    return false;
  }
  bool good() const {
    for (const auto& r : shifts) {
      if (r.state != release_state::active || r.cut > 0) return false;
    }
    return load.failed() == 0 && load.answered > 0 && !fooled() && !interrupted;
  }
};

class demonstration {
 public:
  // `node`: null for the HTTP server, which knows nothing of ledgers. `empty`: an empty folder.
  demonstration(const context& ctx, http_service& service, const interrupts& signals, const demo_node* node,
                std::string empty)
      : ctx_(ctx), service_(service), signals_(signals), node_(node), empty_(std::move(empty)) {}

  result<outcome> run(const numbers& n) {
    OSVM_CHECK(replace("v1"));
    service_.start_load(load(n.rate));
    say("load: " + show_number(n.rate) + " requests/s to " + to_string(service_.front().local_endpoint()));
    for (unsigned i = 0; i < n.shifts && !stopped(); ++i) {
      std::this_thread::sleep_for(100ms);  // every release gets traffic for a while
      OSVM_CHECK(replace(i % 2 == 0 ? "v2" : "v1"));
    }
    OSVM_CHECK(offer({"v3-crash", "crashes at start", {"--crash-at-start"}}));
    OSVM_CHECK(offer({"v4-sick", "never gets healthy", {"--never-healthy"}}));
    OSVM_CHECK(offer({"v5-errors", "answers 500", {"--errors"}}));
    if (node_ != nullptr) {
      auto spec = node_->broken_spec(service_.spec("v6-empty"), http_service::guest_port, empty_);
      OSVM_CHECK(offer({"v6-empty", "finds no ledger", {}}, std::move(spec)));
    }
    std::this_thread::sleep_for(200ms);
    OSVM_TRY(out_.load, service_.finish_load());
    OSVM_CHECK(service_.stop());
    out_.records = service_.source().records();
    out_.interrupted = stopped();
    return std::move(out_);
  }

 private:
  bool stopped() const { return signals_.received() != 0; }
  void say(const std::string& text) const {
    if (!ctx_.json()) ctx_.print(text + "\n");
  }

  hotswap::load_options load(double rate) const {
    hotswap::load_options o{.rate = rate, .duration = 55s};
    if (node_ != nullptr) {
      o.requests = node_->requests();
      o.nonce_header = "";  // their answers carry it as the id
    }
    return o;
  }

  hotswap::release_spec good_release(const std::string& version) const {
    auto spec = service_.spec(version);
    return node_ != nullptr ? node_->spec(std::move(spec), http_service::guest_port) : spec;
  }

  result<void> replace(const std::string& version) {
    OSVM_TRY(auto done, service_.deploy(good_release(version)));
    say((done.state == release_state::active ? ctx_.good("shifted ") : ctx_.bad("failed ")) +
        done.describe());
    const bool first = out_.shifts.empty();
    out_.shifts.push_back(std::move(done));
    if (first && out_.shifts[0].state != release_state::active) {
      return error(errc::closed, "the first release did not start: " + out_.shifts[0].describe());
    }
    return {};
  }

  // A broken build of the HTTP server.
  result<void> offer(broken_release release) {
    auto spec = service_.spec(release.version, release.flags);
    return offer(std::move(release), std::move(spec));
  }

  result<void> offer(broken_release release, hotswap::release_spec spec) {
    if (stopped()) return {};
    spec.probe.deadline = 1s;
    OSVM_TRY(auto done, service_.deploy(std::move(spec)));
    say(std::string(release.what) + ": " + done.describe());
    out_.refused.emplace_back(std::move(release), std::move(done));
    return {};
  }

  const context& ctx_;
  http_service& service_;
  const interrupts& signals_;
  const demo_node* const node_;
  const std::string empty_;
  outcome out_;
};

// The middle of one figure over all shifts or records.
template <class T, class F>
double median(const std::vector<T>& items, F figure) {
  std::vector<double> values;
  for (const auto& item : items) values.push_back(figure(item));
  return values.empty() ? 0 : bench::summarize(std::move(values)).p50;
}

struct figures {
  explicit figures(const outcome& o)
      : boot_ms(median(o.records, [](const auto& r) { return to_ms(r.stats.boot.total); })),
        start_ms(median(o.shifts, [](const auto& r) { return to_ms(r.start); })),
        shift_ms(median(o.shifts, [](const auto& r) { return to_ms(r.shift); })),
        replace_ms(median(o.shifts, [](const auto& r) { return to_ms(r.total); })),
        memory(
            median(o.records, [](const auto& r) { return static_cast<double>(r.stats.memory_peak_bytes); })) {
    for (const auto& r : o.records) {
      syscalls += total_syscalls(r.stats);
      exits += r.stats.exits;
    }
    if (!o.records.empty()) isolation = o.records.front().isolation;
  }
  double boot_ms, start_ms, shift_ms, replace_ms, memory;
  std::uint64_t syscalls = 0, exits = 0;
  std::string isolation;
};

text_table summary_table(const context& ctx, const outcome& o, const std::string& serves,
                         const kvm::host_facts& facts) {
  const figures f(o);
  const auto ms = [](double v) { return show_number(v) + " ms"; };
  const auto failed = std::to_string(o.load.failed());
  text_table out{
      {"serves", serves},
      {"boot", ms(f.boot_ms) + " to the first instruction, " + ms(f.start_ms) + " until it listens (p50)"},
      {"shift",
       ms(f.shift_ms) + " for the change of route, " + ms(f.replace_ms) + " from start to retired (p50)"},
      {"replaced", std::to_string(o.shifts.size() - 1) + " times under load"},
      {"requests", std::to_string(o.load.scheduled) + " at " + show_number(o.load.sent_rate) + "/s"},
      {"failed", o.load.failed() == 0 ? ctx.good(failed) : ctx.bad(failed)},
      {"latency", "p50 " + ms(to_ms(o.load.latency.p50)) + ", p99 " + ms(to_ms(o.load.latency.p99))},
      {"memory per VM", show_size(static_cast<std::uint64_t>(f.memory)) + " handed out at most (p50)"},
      {"VMs", std::to_string(o.records.size()) + ", " + std::to_string(f.syscalls) + " system calls in " +
                  std::to_string(f.exits) + " exits"},
      {"isolation", f.isolation},
      {"host", facts_line(facts)},
  };
  for (const auto& [release, r] : o.refused) {
    out.push_back({release.version, std::string(release.what) + ": " + to_string(r.state) + " while " +
                                        to_string(r.failed_at) + ", " + r.reason});
  }
  return out;
}

boost::json::object summary_json(const outcome& o, const std::string& serves, const kvm::host_facts& facts) {
  const figures f(o);
  boost::json::array refused;
  for (const auto& [release, r] : o.refused) {
    refused.push_back({{"version", release.version},
                       {"what", release.what},
                       {"state", to_string(r.state)},
                       {"failed_at", to_string(r.failed_at)},
                       {"reason", r.reason}});
  }
  return {{"ok", o.good()},
          {"version", OSVM_VERSION},
          {"serves", serves},
          {"host", facts_json(facts)},
          {"isolation", f.isolation},
          {"boot_ms", f.boot_ms},
          {"start_ms", f.start_ms},
          {"shift_ms", f.shift_ms},
          {"replace_ms", f.replace_ms},
          {"replaced", o.shifts.size() - 1},
          {"requests", o.load.scheduled},
          {"failed", o.load.failed()},
          {"truncated", o.load.truncated},
          {"misversioned", o.load.misversioned},
          {"wrong_content", o.load.wrong_content},
          {"rate", o.load.sent_rate},
          {"latency_ms", {{"p50", to_ms(o.load.latency.p50)}, {"p99", to_ms(o.load.latency.p99)}}},
          {"memory_per_vm", f.memory},
          {"vms", o.records.size()},
          {"syscalls", f.syscalls},
          {"exits", f.exits},
          {"refused", std::move(refused)}};
}

class demo final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("program", "rpc|http", program_,
            "what is served: JSON-RPC over a small ledger, each answer compared, or a minimal HTTP server");
    o.value("shifts", "N", shifts_, "replacements under load");
    o.value("rate", "N", rate_, "requests per second");
  }
  int run(context& ctx) override {
    auto status = execute(ctx);
    return status ? *status : ctx.fail(status.error());
  }

 private:
  result<int> execute(const context& ctx) const {
    OSVM_TRY(const auto shifts, named("--shifts", parse_count(shifts_, 1, 200)));
    OSVM_TRY(const auto rate, named("--rate", parse_count(rate_, 1, 100'000)));
    if (program_ != "rpc" && program_ != "http")
      return error(errc::invalid_argument, "--program is rpc or http, not " + printable(program_));
    OSVM_TRY(const auto facts, kvm::probe_host());
    OSVM_TRY(const auto program, find_guest("http_server"));
    OSVM_TRY(const auto sockets, private_dir::make("demo"));
    runtime loop({.threads = 2});
    const interrupts signals(loop.get_executor(), [](int) {});
    OSVM_TRY(auto service, http_service::make(loop.get_executor(), {program, sockets.path(), facts}));
    std::optional<demo_node> node;
    if (program_ == "rpc") {
      OSVM_TRY(node, demo_node::make());
    }
    const auto empty = sockets.path() + "/empty";
    std::error_code ec;
    if (!std::filesystem::create_directory(empty, ec)) return error(ec, "create " + empty);
    demonstration run(ctx, *service, signals, node ? &*node : nullptr, empty);
    OSVM_TRY(const auto o, run.run({static_cast<unsigned>(shifts), static_cast<double>(rate)}));
    const auto serves = node ? "JSON-RPC over a ledger: " + node->contents() + "; " +
                                   std::to_string(node->requests().size()) +
                                   " requests in turn, each answer compared byte for byte"
                             : std::string("a minimal HTTP server");
    if (ctx.json()) {
      ctx.print_json(summary_json(o, serves, facts));
    } else {
      ctx.print("\n" + render(summary_table(ctx, o, serves, facts)));
      for (const auto& text : o.load.samples) ctx.print(ctx.bad("failed request") + ": " + text + "\n");
    }
    if (signals.received() != 0) return 128 + signals.received();
    return static_cast<int>(o.good() ? exit_code::done : exit_code::failed);
  }

  std::string program_ = "rpc", shifts_ = "20", rate_ = "1000";
};

}  // namespace

extern const command cmd_demo_entry;
const command cmd_demo_entry{
    .path = "demo",
    .summary = "replace an RPC node in its VM under load, 20 times and with broken releases",
    .examples =
        "  osvm demo\n"
        "  osvm demo --shifts 50 --rate 2000 --json\n"
        "  osvm demo --program http --rate 5000\n"
        "Exit status 1 when any request failed or a broken release got through.",
    .make = make_invocation<demo>,
};

}  // namespace osvm::cli
