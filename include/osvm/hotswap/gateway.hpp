// A whole proxy from a configuration: several listeners, routes, services with their releases, reload, status
// and metrics. What `osvm proxy` runs. docs/guides/replace-without-downtime.md describes the file.
#pragma once

#include <osvm/core/runtime.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/hotswap/proxy.hpp>
#include <osvm/hotswap/release.hpp>
#include <osvm/hotswap/route.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::hotswap {

// Asks each backend again and again; one that fails gets nothing until it is well again.
struct health_options {
  probe_options probe{};  // one attempt: kind, path, host, status, body, timeout
  std::chrono::milliseconds interval{1'000};
  unsigned fall = 3, rise = 2;  // answers in a row until it counts as down, as up
};

// Asks each backend for a number by JSON-RPC; one that is more than `behind` below the best gets nothing
// until it has caught up.
struct height_options {
  std::string method = "getSlot";
  std::string path = "/";
  std::string host = "localhost";
  std::uint64_t behind = 50;
  std::chrono::milliseconds interval{1'000};
  std::chrono::milliseconds timeout{1'000};
};

struct service_config {
  std::string release = "config";  // version of what `backends` is
  std::vector<endpoint> backends;
  pool_options pool{};
  // How another release takes over (a shift, and other `backends` after a reload): probe, warm-up, canary,
  // bake and deadlines; version and artifact are not used.
  release_spec shift{};
  std::optional<health_options> health{};
  std::optional<height_options> height{};
};

struct listener_config {
  std::string name;
  proxy_options options{};
  std::vector<route_options> routes{};
};

struct gateway_config {
  unsigned threads = 0;      // 0: one per processor; for whoever makes the executors
  std::string state{};       // folder of the release journals; empty: no journal
  std::string control{};     // for whoever serves a control socket
  std::string access_log{};  // for whoever writes the log
  std::vector<listener_config> listeners;
  std::map<std::string, service_config> services;
};

// `name` is what errors call the text. Errors read "name:line:column: what is wrong": errc::malformed,
// errc::limit_exceeded.
result<gateway_config> parse_gateway_config(std::string_view text, std::string_view name = "config");
result<gateway_config> load_gateway_config(const std::string& path);

// Version and artifact of a release whose backends are these.
release_spec with_backends(release_spec base, std::string version, const std::vector<endpoint>& backends);

struct service_report {
  service_status release;
  std::vector<backend_status> backends;
};
struct listener_report {
  std::string name;
  endpoint where;
  proxy_stats stats;
};

// A listening socket that one process hands to another.
struct inherited_listener {
  endpoint where;
  unique_fd socket;
};

struct gateway_options {
  // As service_options::on_event, with the service's name.
  std::function<void(const std::string& service, const release_event&)> on_event{};
  std::function<void(std::string_view lines)> access_log{};
  // Used where the configuration has a listener of that endpoint, closed otherwise.
  std::vector<inherited_listener> inherited{};
  // Nothing is accepted before accept(): a successor begins when its releases are active.
  bool hold = false;
};

// Listens from open() until its end. Move-only. Member functions are thread-safe, except move and
// destruction.
class gateway final {
 public:
  using handler = boost::asio::any_completion_handler<void(result<shift_report>)>;

  // Errors: those of proxy::listen and open_file_store, with the name of what is wrong.
  static result<gateway> open(std::vector<executor> executors, gateway_config config,
                              gateway_options options);
  gateway(gateway&&) noexcept;
  gateway& operator=(gateway&&) noexcept;
  ~gateway();

  // Makes every service's release active: the one that its journal names, else the configured one. Completes
  // once for each service, with its name. Call it once.
  void begin(std::function<void(const std::string& service, result<shift_report>)> done);

  // Another configuration, as a whole or, when it has an error, not at all. No connection is lost: routes
  // change for the next request, services whose backends differ get them as a new release, services that are
  // gone are drained, listeners that are gone stop listening. Errors: as open(), and errc::unsupported when a
  // listener that stays has other options than its routes; errc::busy while another is under way. `done` is
  // called, when there was no error, once the new routes are in force.
  result<void> reload(gateway_config config, std::function<void()> done = {});

  // Errors (also as the handler's): errc::not_found for an unknown service; those of service::async_deploy,
  // async_rollback and async_command.
  void shift(const std::string& service, std::string version, const std::vector<endpoint>& backends,
             handler done);
  void rollback(const std::string& service, handler done);
  void command(const std::string& service, service_command what,
               boost::asio::any_completion_handler<void(result<void>)> done);
  // 0: nothing new goes there; what is in flight ends. 100 is what backends begin with.
  result<void> set_weight(const std::string& service, const std::string& backend, unsigned weight);
  // Weight 0, then waits until nothing is in flight there, or the deadline. `done` is told how much is left,
  // inline or on the first executor; errors are those of set_weight.
  void drain(const std::string& service, const std::string& backend, std::chrono::nanoseconds deadline,
             std::function<void(result<std::uint64_t> left)> done);

  std::map<std::string, service_report> services() const;
  std::vector<listener_report> listeners() const;
  // Prometheus text.
  std::string metrics() const;
  // Begins to accept, when it was opened with `hold`.
  void accept();
  // The process before has left: what was inherited is this one's own. Until then closing this gateway leaves
  // the listening sockets as they are.
  void settle();
  // For a successor process, while this one still accepts: the listening sockets. Journals are let go, so
  // that no release can be changed any more. Errors: errc::busy while a deployment or a reload is under way.
  result<std::vector<inherited_listener>> hand_over();
  // There is no successor after all. Errors: those of open_file_store.
  result<void> take_back();
  // The successor accepts. This one accepts no more and asks its clients to leave (`Connection: close`,
  // GOAWAY). `done` is told how many connections are left: none, or, at the deadline, those that the end of
  // this gateway cuts.
  void leave(std::chrono::nanoseconds deadline, std::function<void(std::uint64_t left)> done);
  // Stops listening, lets every service drain until `deadline`, then cuts what is left. Completes inline when
  // there is nothing to wait for.
  void stop(std::chrono::nanoseconds deadline, std::function<void()> done);

 private:
  struct impl;
  explicit gateway(std::shared_ptr<impl> impl) noexcept;
  std::shared_ptr<impl> impl_;
};

}  // namespace osvm::hotswap
