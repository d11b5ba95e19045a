// One VM that runs osvm-rpc over a ledger folder: what the RPC node routes to.
#pragma once

#include <osvm/core/clock.hpp>
#include <osvm/hotswap/instance_source.hpp>
#include <osvm/kvm/host_facts.hpp>
#include <osvm/unikernel/instance.hpp>

#include <array>
#include <functional>
#include <mutex>

#include "guest_upstream.hpp"

namespace osvm::cli {

// The slot that a server knows at each commitment: processed, confirmed, finalized.
using known_slots = std::array<std::uint64_t, 3>;

struct rpc_vm_options {
  std::string name;
  std::string folder;                 // the ledger; mounted read-only
  std::string index;                  // a side index; mounted read-only. Empty: none
  std::vector<std::string> accounts;  // snapshots and dumped accounts; mounted read-only
  guest_upstream upstream;
  std::string socket_dir;
  std::uint64_t memory = std::uint64_t{512} << 20;
  bool exitless = false;
  const kvm::host_facts* facts = nullptr;       // borrowed during start()
  std::function<void(const std::string&)> say;  // lines of its standard error; on the executor
  std::function<void()> changed;                // it listens, or has ended; on the executor
};

// Thread-safe but for advance() and goodbye(), which one thread uses.
class rpc_vm final : public hotswap::lease, public std::enable_shared_from_this<rpc_vm> {
 public:
  // Gives a VM that has just begun to start.
  static result<std::shared_ptr<rpc_vm>> start(executor ex, const unikernel::image& program,
                                               rpc_vm_options options);
  ~rpc_vm() override;

  // hotswap::lease; where() only when ready().
  const endpoint& where() const noexcept override { return address_; }
  void async_lost(boost::asio::any_completion_handler<void(std::string)> handler) override;
  // From now on it counts as lost: nothing is routed back to it, though it may finish what it has begun.
  void supersede();

  const std::string& name() const noexcept { return options_.name; }
  bool ready() const;  // it has read its ledger and listens
  // Why it ended; empty while it runs.
  std::string ended() const;
  unikernel::instance& guest() noexcept { return *guest_; }
  const unikernel::instance& guest() const noexcept { return *guest_; }
  std::chrono::steady_clock::time_point started() const noexcept { return started_; }

  // Lets it take over what the ledger has more, and gives what it knows then. Between two calls its answers
  // come from one moment of the ledger.
  result<known_slots> advance(std::chrono::milliseconds patience);
  // Another one serves now: its WebSocket clients are told to go away, and requests answered on. To be
  // followed by no advance(): what it answers is not waited for.
  result<> goodbye(std::chrono::milliseconds patience);
  // What the last advance() gave.
  known_slots slots() const;

 private:
  explicit rpc_vm(rpc_vm_options options) : options_(std::move(options)) {}
  void listen_for_news();
  void tell_lost(std::string why);
  result<> connect_control(const deadline& until);
  result<unique_fd> order(std::string_view line, const deadline& until);

  const rpc_vm_options options_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::optional<unikernel::instance> guest_;
  unique_fd control_;
  endpoint address_;  // set before ready()

  mutable std::mutex mutex_;  // guards what follows
  std::optional<endpoint> control_address_;
  bool listening_ = false;
  std::string ended_;
  known_slots slots_{};
  // By pointer: this one's assignment recurses without end in Boost 1.81.
  std::unique_ptr<boost::asio::any_completion_handler<void(std::string)>> lost_;
};

}  // namespace osvm::cli
