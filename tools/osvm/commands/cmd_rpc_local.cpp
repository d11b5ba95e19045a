#include <osvm/core/clock.hpp>
#include <osvm/ledger/rpc_server.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <filesystem>

#include "../cluster.hpp"
#include "../guest_programs.hpp"
#include "../interrupts.hpp"
#include "../ledger_command.hpp"
#include "../private_dir.hpp"
#include "../rpc_control.hpp"
#include "../rpc_node.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr const char* default_address = "127.0.0.1:8899";
constexpr std::uint64_t memory_of_a_ledger = std::uint64_t{512} << 20;
constexpr std::uint64_t memory_with_accounts = memory_of_a_ledger + (std::uint64_t{8} << 30);

// What signals and the control socket ask the main thread for.
class wishes {
 public:
  enum class wish { none, reset, stop };
  void say(wish w) {
    {
      const std::lock_guard lock(mutex_);
      wanted_ = std::max(wanted_, w);
    }
    bell_.notify_all();
  }
  wish wait() {
    std::unique_lock lock(mutex_);
    bell_.wait(lock, [this] { return wanted_ != wish::none; });
    return wanted_ == wish::stop ? wish::stop : std::exchange(wanted_, wish::none);
  }

 private:
  std::mutex mutex_;
  std::condition_variable bell_;
  wish wanted_ = wish::none;
};

json::object describe(const hotswap::shift_report& r) {
  return {{"version", r.version},
          {"state", to_string(r.state)},
          {"replaced", r.replaced},
          {"reason", r.reason},
          {"drained", r.drained},
          {"cut", r.cut},
          {"milliseconds", std::chrono::duration<double, std::milli>(r.total).count()}};
}

class rpc_local final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("ledger", "DIR", folder_, "the ledger folder");
    o.value("index", "DIR", index_,
            "a side index of `osvm ledger index` (default: the one it made for this ledger, if any)");
    o.values("accounts", "PATH", accounts_,
             "a snapshot archive, dumped accounts (.json) or a folder of these");
    o.value("listen", "ADDRESS", listen_, "literal address and port (127.0.0.1:8899)");
    upstream_.declare(o);
    o.value("vms", "N", vms_, "VMs: one serves, the others stand by and take over");
    o.value("memory", "SIZE", memory_, "memory of a VM at most (512MiB, with --accounts 8704MiB)");
    o.flag("exitless", exitless_,
           "answer system calls in shared memory: faster, but takes a core while busy");
    o.flag("on-host", on_host_, "serve from this process instead of a VM: no isolation");
    o.flag("status", status_, "tell how the running nodes are");
    o.flag("reset", reset_, "let a running node start fresh VMs, without losing a request");
    o.flag("stop", stop_, "stop a running node");
  }
  int run(context& ctx) override {
    if (status_ + reset_ + stop_ > 1)
      return ctx.fail(error(errc::invalid_argument, "--status, --reset and --stop: one of them"),
                      exit_code::usage);
    if (status_ || reset_ || stop_) return ask(ctx);
    if (folder_.empty())
      return ctx.fail(error(errc::invalid_argument, "--ledger DIR is needed"), exit_code::usage);
    const auto done = serve(ctx);
    return done ? static_cast<int>(exit_code::done) : ctx.fail(done.error());
  }

 private:
  // of a node that runs

  // One that does not answer may be meant.
  bool is_meant(const rpc_node_at& n) const {
    if (n.busy) return true;
    const auto& status = n.status;
    const auto text = [&](const char* name) {
      const auto* v = status.if_contains(name);
      return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
    };
    std::error_code failed;
    return (listen_.empty() || text("listen") == listen_) &&
           (folder_.empty() || text("ledger") == std::filesystem::canonical(folder_, failed).string());
  }
  int ask(const context& ctx) const {
    auto found = find_rpc_nodes();
    if (!found) return ctx.fail(found.error());
    auto& nodes = *found;
    std::erase_if(nodes, [&](const rpc_node_at& n) { return !is_meant(n); });
    if (status_) return show(ctx, nodes);
    // Of those that answer it is known which is meant by its address or folder.
    const bool named = !listen_.empty() || !folder_.empty();
    if (named && !std::ranges::all_of(nodes, &rpc_node_at::busy)) std::erase_if(nodes, &rpc_node_at::busy);
    if (nodes.empty()) return ctx.fail(error(errc::not_found, "no such node runs"), exit_code::failed);
    if (nodes.size() > 1)
      return ctx.fail(error(errc::invalid_argument,
                            "several nodes run (--status shows them): name one by --listen or --ledger"),
                      exit_code::usage);
    if (nodes[0].busy) return ctx.fail(error(errc::busy, "a node runs, but does not answer: try again"));
    const auto done = ask_rpc_node(nodes[0].socket, reset_ ? "reset" : "stop", reset_ ? 180s : 30s, stop_);
    if (!done) return ctx.fail(done.error());
    if (ctx.json())
      ctx.print_json(*done);
    else if (reset_)
      ctx.print("a fresh VM serves: " + std::string(done->at("version").as_string()) + " for " +
                std::string(done->at("replaced").as_string()) + "\n");
    else
      ctx.print("stopped\n");
    return static_cast<int>(exit_code::done);
  }
  static int show(const context& ctx, const std::vector<rpc_node_at>& nodes) {
    if (ctx.json()) {
      json::array all;
      for (const auto& n : nodes)
        all.push_back(n.busy ? json::object{{"busy", true}, {"socket", n.socket}} : n.status);
      ctx.print_json({{"nodes", std::move(all)}});
    } else if (!nodes.empty()) {
      text_table table{{"address", "pid", "ledger", "VM", "role", "finalized", "memory", "isolation"}};
      for (const auto& n : nodes)
        add_rows(n.busy ? json::object{{"listen", "busy: it does not answer"}} : n.status, table);
      ctx.print_table(table);
    } else {
      ctx.print("no node runs\n");
    }
    return static_cast<int>(nodes.empty() ? exit_code::failed : exit_code::done);
  }
  static void add_rows(const json::object& s, text_table& table) {
    const auto text = [](const json::object& from, const char* name) {
      const auto* v = from.if_contains(name);
      return v == nullptr ? "-" : v->is_string() ? std::string(v->get_string()) : json::serialize(*v);
    };
    std::vector<std::string> head{text(s, "listen"), text(s, "pid"), text(s, "ledger")};
    const auto* vms = s.if_contains("vms");
    if (vms == nullptr || !vms->is_array() || vms->get_array().empty()) {
      head.insert(head.end(), {"-", "-", text(s, "finalized"), "-", text(s, "isolation")});
      return table.push_back(std::move(head));
    }
    for (const auto& one : vms->get_array()) {
      const auto* vm = one.if_object();
      if (vm == nullptr) continue;
      auto row = head;
      const auto* used = vm->if_contains("memory_bytes");
      row.insert(row.end(),
                 {text(*vm, "name"), text(*vm, "role"), text(*vm, "finalized"),
                  used != nullptr && used->is_number() ? show_size(used->to_number<std::uint64_t>()) : "-",
                  text(*vm, "isolation")});
      table.push_back(std::move(row));
    }
  }

  // serving

  result<> serve(const context& ctx) {
    if (listen_.empty()) listen_ = default_address;
    std::error_code failed;
    folder_ = std::filesystem::canonical(folder_, failed).string();
    if (failed) return error(failed, "--ledger");
    for (auto& path : accounts_) {
      path = std::filesystem::canonical(path, failed).string();
      if (failed) return error(failed, "--accounts");
    }
    OSVM_TRY(index_, named("--index", find_index(folder_, index_)));
    return on_host_ ? serve_here(ctx) : serve_in_vms(ctx);
  }
  void announce(const context& ctx, const std::string& address, const std::string& isolation) const {
    ctx.note("serving " + folder_ + " at http://" + address + " (isolation: " + isolation + ")");
    if (ctx.json())
      ctx.print_json(
          {{"listen", address}, {"ledger", folder_}, {"isolation", isolation}, {"pid", ::getpid()}});
  }

  result<> serve_in_vms(const context& ctx) const {
    OSVM_TRY(const auto vms, named("--vms", parse_count(vms_, 1, 16)));
    std::uint64_t memory = accounts_.empty() ? memory_of_a_ledger : memory_with_accounts;
    if (!memory_.empty()) {
      OSVM_TRY(memory, named("--memory", parse_size(memory_)));
    }
    OSVM_TRY(auto listen, named("--listen", parse_endpoint(listen_)));
    guest_upstream upstream;
    if (upstream_.wanted()) {
      OSVM_TRY(upstream, named("--upstream", upstream_for_guest(upstream_)));
    }
    auto facts = kvm::probe_host();
    if (!facts)
      return error(
          facts.error().code,
          facts.error().context + " (without a VM: --on-host serves from this process, not isolated)");
    OSVM_TRY(auto program, find_guest("osvm-rpc"));
    OSVM_TRY(const auto sockets, private_dir::make("rpc"));
    wishes wanted;
    std::stop_source stopping;
    runtime loop({.threads = 2});
    // A terminal that goes away says SIGHUP too: only without one does it mean "start anew". Looked at now,
    // as it is none any more then.
    const bool terminal = ::isatty(STDIN_FILENO) != 0 || ::isatty(STDERR_FILENO) != 0;
    interrupts on_signal(loop.get_executor(), [&, terminal](int number) {
      const bool again = number == SIGHUP && !terminal;
      if (!again) stopping.request_stop();
      wanted.say(again ? wishes::wish::reset : wishes::wish::stop);
    });
    rpc_node_options options{.program = std::move(program),
                             .folders = {folder_},
                             .index = index_,
                             .accounts = accounts_,
                             .upstream = std::move(upstream),
                             .vms = static_cast<unsigned>(vms),
                             .listen = std::move(listen),
                             .socket_dir = sockets.path(),
                             .facts = *facts,
                             .memory = memory,
                             .exitless = exitless_,
                             .say = [&ctx](const std::string& line) { ctx.note(line); }};
    OSVM_TRY(auto node, rpc_node::start(loop.get_executor(), std::move(options), stopping.get_token()));
    OSVM_TRY(const auto control,
             rpc_control::listen(sockets.path(), {.status = [&] { return node->status(); },
                                                  .reset = [&]() -> result<json::object> {
                                                    OSVM_TRY(const auto done, node->reset());
                                                    if (done.state != hotswap::release_state::active)
                                                      return error(errc::closed, done.describe());
                                                    return describe(done);
                                                  },
                                                  .stop =
                                                      [&] {
                                                        stopping.request_stop();
                                                        wanted.say(wishes::wish::stop);
                                                      }}));
    // Whoever asks to stop does not wait for a reset.
    const std::stop_callback on_stop(stopping.get_token(), [&] { node->ask_to_stop(); });
    announce(ctx, node->address(), node->isolation());
    while (wanted.wait() == wishes::wish::reset)
      if (const auto done = node->reset(); !done) ctx.note("not replaced: " + done.error().to_string());
    on_signal.disarm();
    node->stop();
    return {};
  }

  result<> serve_here(const context& ctx) const {
    OSVM_TRY(auto opened, open_ledger(folder_, index_));
    note_lost(ctx, opened.store);
    ledger::rpc_options options;
    if (!accounts_.empty()) {
      OSVM_TRY(auto accounts, ledger::account_store::load(accounts_));
      ctx.note(std::to_string(accounts.size()) + " accounts of slot " + std::to_string(accounts.slot()));
      options.accounts = std::make_shared<const ledger::account_store>(std::move(accounts));
    }
    runtime loop;
    if (upstream_.wanted()) {
      OSVM_TRY(options.upstream, named("--upstream", open_upstream(loop.get_executor(), upstream_)));
    }
    OSVM_TRY(auto listener, ledger::listen_tcp(listen_));
    OSVM_TRY(const auto address, ledger::local_address(listener.get()));
    const unique_fd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!stop) return errno_error("eventfd");
    const auto end = [&stop] {
      const std::uint64_t one = 1;
      (void)!::write(stop.get(), &one, sizeof one);
    };
    OSVM_TRY(const auto sockets, private_dir::make("rpc"));
    interrupts on_signal(loop.get_executor(), [end](int) { end(); });
    ledger::rpc_service service(std::move(opened.store), std::move(opened.genesis), std::move(options));
    ledger::rpc_server server(service, std::move(listener));
    const auto status = [&]() -> json::object {
      return {{"listen", address},
              {"pid", ::getpid()},
              {"ledger", folder_},
              {"isolation", "none"},
              {"finalized", service.store().bounds()->last_root.value_or(0)},
              {"vms", json::array()}};
    };
    OSVM_TRY(const auto control,
             rpc_control::listen(sockets.path(),
                                 {.status = status,
                                  .reset = []() -> result<json::object> {
                                    return error(errc::unsupported,
                                                 "a server on the host is not replaced: stop it, start it");
                                  },
                                  .stop = end}));
    announce(ctx, address, "none");
    const auto done = server.run(stop.get());
    on_signal.disarm();
    return done;
  }

  std::vector<std::string> accounts_;
  upstream_options upstream_;
  std::string folder_, index_, listen_, vms_ = "1", memory_;
  bool exitless_ = false, on_host_ = false, status_ = false, reset_ = false, stop_ = false;
};

}  // namespace

extern const command cmd_rpc_local_entry;
const command cmd_rpc_local_entry{
    .path = "rpc local",
    .summary =
        "Solana JSON-RPC over a ledger folder, from inside a VM, beside a running validator or without",
    .examples =
        "  osvm rpc local --ledger ./ledger\n"
        "  osvm rpc local --ledger ./ledger --accounts ./ledger --vms 2 --listen 127.0.0.1:0\n"
        "  osvm rpc local --ledger ./ledger --upstream https://api.mainnet-beta.solana.com\n"
        "  osvm rpc local --status\n"
        "  osvm rpc local --reset --ledger ./ledger\n"
        "  osvm rpc local --stop\n"
        "SIGHUP without a terminal is --reset; SIGINT and SIGTERM end it. `osvm rpc-manager` is the same.",
    .make = make_invocation<rpc_local>,
};

}  // namespace osvm::cli
