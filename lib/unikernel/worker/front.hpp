// The engine whose VM and system calls live in a process of their own. Here is the embedder's side: it asks,
// and keeps what the worker tells.
//
// Threads: one that receives; answers wake the thread that asked. No user code runs on it. What the worker
// says is not trusted: it is bounded, and socket paths are made here.
#pragma once

#include "unikernel/engine/engine_base.hpp"
#include "unikernel/worker/cgroup.hpp"
#include "unikernel/worker/link.hpp"
#include "unikernel/worker/process.hpp"

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

namespace osvm::unikernel {

class worker_engine final : public engine_base {
 public:
  static result<std::shared_ptr<engine>> create(executor ex, const image& program,
                                                const instance_options& options);
  // An instance whose owner is gone.
  static result<std::shared_ptr<engine>> adopt(executor ex, const adoption_ticket& ticket,
                                               const adopt_options& options);
  explicit worker_engine(executor ex, const instance_options& options);
  ~worker_engine() override;

  void kill() noexcept override;
  result<void> signal(int number) override;
  std::string take_output(int descriptor) override;
  result<learned_policy> learned() const override;
  instance_stats stats() const override;
  std::string isolation_report() const override;
  result<adoption_ticket> ticket() const override;
  void shut_down() noexcept override;

 private:
  using sources = std::vector<std::shared_ptr<const file_source>>;
  // A question that waits for its answer.
  struct question {
    std::optional<result<wire::message>> answer;
  };

  result<void> start(const image& program, const instance_options& options);
  // So that it may outlive this process (adopting.cpp).
  result<void> prepare_ticket(const instance_options& options);
  result<void> start_keeper(const std::string& program);
  result<void> take_over(const adoption_ticket& ticket, const adopt_options& options);
  result<wire::adopted_instance> introduce(const adoption_ticket& ticket);
  std::vector<std::string> sockets() const;  // all that the instance may have
  result<void> ask_to_create(const image& program, const instance_options& options);
  // Sends and waits. Fails when the worker ends first.
  result<wire::message> ask(wire::kind what, wire::writer& body) const;
  template <class T>
  result<T> ask_for(wire::kind what, wire::writer& body) const;

  void receive();  // the thread
  // Waits for a message. Meanwhile a kill that was asked for is passed on, and a worker that does not heed it
  // is killed itself.
  void wait_for_message();
  result<void> take(wire::message m);
  result<void> take_answer(wire::message m);
  result<void> take_listening(const wire::message& m);
  result<void> take_events_of(const wire::message& m);
  result<void> take_end(const wire::message& m);
  result<void> give_content(const wire::message& m);
  void worker_is_gone(const error& why) noexcept;
  // A forked child of the embedder has this object, but not its thread: there it must not touch the socket.
  bool in_forked_child() const noexcept;

  const std::string socket_dir_, name_;
  std::string limits_;  // for the isolation report
  std::vector<listener> granted_listeners_;
  sources sources_;  // by tree
  std::uint32_t id_ = 0;
  adoption_ticket ticket_;  // empty: the worker ends with this process

  mutable wire::link link_;
  worker_cgroup group_;  // before the process, which must have ended when it goes
  worker_process process_, keeper_;
  const pid_t owner_;
  std::thread receiver_;
  unique_fd wake_;                      // eventfd: kill() was called, or
  std::atomic<bool> finishing_{false};  // the handle goes
  // Of the receiving thread.
  bool ended_ = false;  // a report came
  std::optional<std::chrono::steady_clock::time_point> kill_by_;
  mutable std::mutex questions_lock_;
  mutable std::condition_variable answered_;
  mutable std::map<std::uint32_t, question> questions_;
  mutable std::uint32_t next_question_ = 1;
  bool gone_ = false;  // guarded by questions_lock_

  // What was true when the worker ended, for those who ask afterwards.
  mutable std::mutex last_lock_;
  mutable instance_stats last_stats_;
};

}  // namespace osvm::unikernel
