// The JSON-RPC server in VMs behind an L7 proxy: what `rpc local` keeps running. One VM serves, further ones
// stand by. A VM that ends, hangs or no longer advances leaves, and the next takes over.
//
// No client sees a slot go back: a VM takes over what the ledger has more only when it is told to, so the one
// that leaves stops first, its successor looks at the ledger once more, and only then the route changes.
#pragma once

#include <osvm/hotswap/proxy.hpp>
#include <osvm/hotswap/release.hpp>

#include <boost/json/fwd.hpp>

#include <condition_variable>
#include <future>
#include <stop_token>
#include <thread>

#include "rpc_vm.hpp"

namespace osvm::cli {

struct rpc_node_options {
  std::string program;                // path of the guest's osvm-rpc
  std::vector<std::string> folders;   // the ledger folder of each VM in turn; of further ones the last
  std::string index;                  // a side index, or empty
  std::vector<std::string> accounts;  // snapshots and dumped accounts
  guest_upstream upstream;            // who answers what the ledger cannot
  unsigned vms = 1;                   // one that serves, and those that stand by
  endpoint listen = tcp_endpoint{"127.0.0.1", 8899};
  std::string socket_dir;
  kvm::host_facts facts;
  std::uint64_t memory = std::uint64_t{512} << 20;  // of each VM, at most
  bool exitless = false;
  unsigned shards = 2;  // of the proxy: as many as the executor has threads
  std::chrono::milliseconds advance_every{100};
  std::chrono::milliseconds patience{250};            // for a VM's answer to that
  std::chrono::milliseconds behind_for{400};          // a VM that lacks a slot so long leaves
  std::chrono::milliseconds start_deadline{120'000};  // reading a large snapshot takes its time
  std::function<void(const std::string&)> say;        // one line for people; from any thread
};

// Used by one thread at a time; start(), reset() and stop() block, so none of the executor's. Must end before
// the executor.
class rpc_node final {
 public:
  // Gives a node that serves. Fails when the address is taken, the first VM does not come up, or `give_up` is
  // asked for meanwhile.
  static result<std::unique_ptr<rpc_node>> start(executor ex, rpc_node_options options,
                                                 std::stop_token give_up = {});
  ~rpc_node();  // kills what is left
  rpc_node(const rpc_node&) = delete;
  rpc_node& operator=(const rpc_node&) = delete;

  const endpoint& local_endpoint() const noexcept { return front_.local_endpoint(); }
  std::string address() const;  // the same as people write it: "127.0.0.1:8899"
  std::string isolation() const;
  // Replaces every VM by a fresh one that opens the ledger anew. Requests in flight are answered by the old
  // ones. A failure leaves the old ones as they are. Thread-safe; errc::busy while another is under way,
  // errc::cancelled when the node is asked to stop meanwhile.
  result<hotswap::shift_report> reset();
  // Lets start() and reset() end soon; stop() does the rest. Thread-safe, does not block.
  void ask_to_stop();
  // Drains and ends. Idempotent.
  void stop();
  // Thread-safe.
  // Ends one VM as if it had crashed, or has its program take a signal (SIGSTOP: as if it hung), for drills.
  // False: no such VM.
  bool kill(const std::string& name);
  bool signal(const std::string& name, int number);
  boost::json::object status() const;
  std::vector<std::pair<std::string, known_slots>> vms() const;  // that serve or stand by, the serving first

 private:
  enum class role { starting, standby, serving, leaving };
  struct member {
    std::shared_ptr<rpc_vm> vm;
    role part = role::starting;
    bool fresh = false;       // started by a reset that waits for it
    unsigned unanswered = 0;  // orders to advance in a row
  };
  class ready_source;
  struct handover;
  using clock = std::chrono::steady_clock;

  rpc_node(executor ex, rpc_node_options options, unikernel::image program, hotswap::proxy front);
  void keep();  // the keeper's thread
  void tick();
  result<> start_vm(bool fresh);
  void settle_starting();
  void advance_all();
  void remove_dead();
  bool behind(const member& m) const;
  bool hung(const member& m) const;
  void say_goodbye();
  void finish_shift();
  void begin_shift(member& to, bool forced);
  void choose();
  void refill();
  void drop(member& m, const std::string& why);
  void fulfil(result<hotswap::shift_report> done);
  member* find(role part);
  void say(const std::string& text) const;

  const executor ex_;
  const rpc_node_options options_;
  const unikernel::image program_;
  hotswap::proxy front_;
  const std::shared_ptr<handover> handover_;
  std::shared_ptr<ready_source> source_;
  hotswap::service service_;
  const clock::time_point since_ = clock::now();

  // Wakes the keeper. Shared with the VMs' handlers, which may run when the node has gone.
  struct alarm {
    std::mutex mutex;
    std::condition_variable bell;
    bool rung = false;
    void ring();
    void wait(std::chrono::nanoseconds at_most);
  };
  const std::shared_ptr<alarm> alarm_ = std::make_shared<alarm>();

  mutable std::mutex mutex_;  // guards what follows; only the keeper changes `members_`
  bool stopping_ = false, reset_wanted_ = false;
  std::vector<member> members_;
  std::optional<std::promise<result<hotswap::shift_report>>> resetting_;
  std::optional<std::promise<result<>>> first_;  // start() waits for it
  std::uint64_t shifts_ = 0, left_ = 0;

  // The keeper's own.
  std::future<result<hotswap::shift_report>> shift_;
  std::shared_ptr<rpc_vm> shifting_from_, shifting_to_;
  bool shift_forced_ = false;
  std::vector<std::pair<clock::time_point, known_slots>> seen_;  // the highest known, oldest first
  clock::time_point retry_at_{};
  unsigned started_ = 0;
  std::thread keeper_;
};

}  // namespace osvm::cli
