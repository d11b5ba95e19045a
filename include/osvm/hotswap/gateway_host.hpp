// A gateway with what an embedder needs that has no event loop of its own: calls that can be waited for, the
// release events in a queue, the access log in its file.
#pragma once

#include <osvm/hotswap/gateway.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::hotswap {

// A transition of one of the services' releases.
struct service_event {
  std::string service;
  release_event what;
};

// JSON, each one object: what `osvm proxy status --json` prints; an event with its time in Unix milliseconds.
std::string status_json(const gateway& of);
std::string event_json(const service_event& event);

// A file that lines are appended to, opened anew by its name on request. Thread-safe.
class line_file final {
 public:
  // Errors: those of opening it.
  static result<std::unique_ptr<line_file>> open(const std::string& path);
  ~line_file();
  line_file(const line_file&) = delete;
  line_file& operator=(const line_file&) = delete;
  result<void> reopen();
  // A log that cannot be written stops nobody.
  void write(std::string_view lines) noexcept;

 private:
  struct impl;
  explicit line_file(std::unique_ptr<impl> i) noexcept;
  std::unique_ptr<impl> impl_;
};

// Thread-safe, except destruction, which cuts every connection. The executors' threads must go on until then.
class gateway_host final {
 public:
  // Listens, and makes every service's release active: completes when the last one is, or is not.
  // Errors: those of gateway::open and of the access log; errc::unsupported for `control`, which is for
  // `osvm proxy`; errc::invalid_argument (begin) with the service whose release was rejected.
  static result<std::unique_ptr<gateway_host>> open(std::vector<executor> executors, gateway_config config);
  ~gateway_host();
  gateway_host(const gateway_host&) = delete;
  gateway_host& operator=(const gateway_host&) = delete;

  std::future<result<void>> begin();
  // In force when it completes; the access log is opened anew. Errors: as gateway::reload.
  std::future<result<void>> reload(gateway_config config);
  // Errors: those of the gateway's calls of the same name; errc::invalid_argument (no version, no backends).
  std::future<result<shift_report>> shift(const std::string& service, std::string version,
                                          const std::vector<endpoint>& backends);
  std::future<result<shift_report>> rollback(const std::string& service);
  std::future<result<void>> command(const std::string& service, service_command what);
  // Nothing new goes to the backend. Waits until nothing is in flight there or the time is up, and says
  // which.
  result<bool> drain(const std::string& service, const std::string& backend,
                     std::chrono::nanoseconds timeout);
  // The oldest ones; the last 1024 are kept.
  std::vector<service_event> take_events(std::size_t most);
  std::uint64_t lost_events() const;
  // Stops listening, drains until `deadline`, cuts what is left.
  std::future<void> stop(std::chrono::nanoseconds deadline);

  gateway& inner() noexcept;

 private:
  struct impl;
  explicit gateway_host(std::unique_ptr<impl> i) noexcept;
  std::unique_ptr<impl> impl_;
};

}  // namespace osvm::hotswap
