// What stands behind an instance handle. One implementation runs the VM in the caller's process; a second,
// the worker process, comes with the jail. All arguments are values or descriptors, so that they can cross a
// process boundary.
#pragma once

#include <osvm/unikernel/instance.hpp>

#include <chrono>
#include <string>

namespace osvm::unikernel {

struct saved_instance;

// Thread-safe.
class engine {
 public:
  using wait_handler = boost::asio::any_completion_handler<void(result<exit_report>)>;
  using listening_handler = boost::asio::any_completion_handler<void(result<endpoint>)>;

  virtual ~engine() = default;
  virtual executor get_executor() const noexcept = 0;
  virtual void wait_async(wait_handler handler) = 0;
  virtual result<exit_report> wait(std::chrono::nanoseconds timeout) = 0;
  virtual void listening_async(listener which, listening_handler handler) = 0;
  virtual result<endpoint> wait_listening(listener which, std::chrono::nanoseconds timeout) = 0;
  virtual void kill() noexcept = 0;
  virtual result<void> signal(int number) = 0;
  virtual std::string take_output(int descriptor) = 0;
  virtual std::vector<event> take_events(std::size_t most) = 0;
  virtual result<learned_policy> learned() const = 0;
  virtual instance_stats stats() const = 0;
  virtual std::string isolation_report() const = 0;
  virtual result<adoption_ticket> ticket() const {
    return error(osvm::errc::invalid_argument,
                 "the instance ends with its owner (set: worker_options::orphan_after)");
  }
  virtual result<std::shared_ptr<const saved_instance>> snapshot(std::chrono::nanoseconds timeout);
  virtual result<void> dump_core(int file, std::chrono::nanoseconds timeout);
  virtual result<void> debug(int connection);
  virtual result<void> reset(std::chrono::nanoseconds timeout);
  virtual result<call_answer> call(std::string_view function, std::string_view request,
                                   const call_options& options);
  virtual result<void> wait_ready(std::chrono::nanoseconds timeout);
  // Kills, joins the guest's threads and frees everything. Called once, by the owner of the handle.
  virtual void shut_down() noexcept = 0;
};

}  // namespace osvm::unikernel
