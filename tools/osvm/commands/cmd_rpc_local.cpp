#include <osvm/ledger/rpc_server.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include "../interrupts.hpp"
#include "../ledger_command.hpp"

namespace osvm::cli {
namespace {

class rpc_local final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("ledger", "DIR", folder_, "the ledger folder");
    o.values("accounts", "PATH", accounts_,
             "a snapshot archive, dumped accounts (.json) or a folder of these");
    o.value("listen", "ADDRESS", listen_, "literal address and port");
    o.flag("no-vm", no_vm_, "serve from this process: the only way in this version");
  }
  int run(context& ctx) override {
    if (folder_.empty())
      return ctx.fail(error(errc::invalid_argument, "--ledger DIR is needed"), exit_code::usage);
    if (!no_vm_)
      return ctx.fail(error(errc::unsupported,
                            "serving from inside a VM is not in this version; --no-vm serves from this "
                            "process, without isolation"),
                      exit_code::environment);
    const auto done = serve(ctx);
    return done ? static_cast<int>(exit_code::done) : ctx.fail(done.error());
  }

 private:
  result<> serve(const context& ctx) {
    OSVM_TRY(auto opened, open_ledger(folder_));
    note_lost(ctx, opened.store);
    ledger::rpc_options options;
    if (!accounts_.empty()) {
      OSVM_TRY(auto accounts, ledger::account_store::load(accounts_));
      ctx.note(std::to_string(accounts.size()) + " accounts of slot " + std::to_string(accounts.slot()));
      options.accounts = std::make_shared<const ledger::account_store>(std::move(accounts));
    }
    OSVM_TRY(auto listener, ledger::listen_tcp(listen_));
    OSVM_TRY(const auto address, ledger::local_address(listener.get()));
    const unique_fd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!stop) return errno_error("eventfd");
    runtime signals;
    interrupts on_signal(signals.get_executor(), [&stop](int) {
      const std::uint64_t one = 1;
      (void)!::write(stop.get(), &one, sizeof one);
    });
    ledger::rpc_service service(std::move(opened.store), std::move(opened.genesis), std::move(options));
    ledger::rpc_server server(service, std::move(listener));
    ctx.note("serving " + folder_ + " at http://" + address + " (isolation: none)");
    const auto done = server.run(stop.get());
    on_signal.disarm();
    return done;
  }
  std::vector<std::string> accounts_;
  std::string folder_, listen_ = "127.0.0.1:8899";
  bool no_vm_ = false;
};

}  // namespace

extern const command cmd_rpc_local_entry;
const command cmd_rpc_local_entry{
    .path = "rpc local",
    .summary = "Solana JSON-RPC over a ledger folder, beside a running validator or without one",
    .examples =
        "  osvm rpc local --ledger ./ledger --no-vm\n  osvm rpc local --ledger ./ledger --accounts ./ledger "
        "--listen 127.0.0.1:0 --no-vm",
    .make = make_invocation<rpc_local>,
};

}  // namespace osvm::cli
