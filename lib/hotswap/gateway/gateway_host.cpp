#include <osvm/hotswap/gateway_host.hpp>

#include <deque>
#include <mutex>

namespace osvm::hotswap {
namespace {

constexpr std::size_t most_kept = 1024;

// The gateway calls from the executor's threads, also after its host has gone.
struct event_queue {
  std::mutex mutex;
  std::deque<service_event> events;
  std::uint64_t lost = 0;

  void push(const std::string& service, const release_event& e) {
    const std::lock_guard lock(mutex);
    if (events.size() == most_kept) {
      events.pop_front();
      ++lost;
    }
    events.push_back({service, e});
  }
};

template <class T>
auto completes(const std::shared_ptr<std::promise<result<T>>>& p) {
  return [p](result<T> r) { p->set_value(std::move(r)); };
}

template <class T>
std::future<result<T>> failed(error e) {
  std::promise<result<T>> p;
  p.set_value(std::move(e));
  return p.get_future();
}

}  // namespace

struct gateway_host::impl {
  std::shared_ptr<event_queue> events = std::make_shared<event_queue>();
  std::shared_ptr<line_file> log;
  std::string log_path;
  std::unique_ptr<gateway> inner;
};

gateway_host::gateway_host(std::unique_ptr<impl> i) noexcept : impl_(std::move(i)) {}
gateway_host::~gateway_host() = default;

gateway& gateway_host::inner() noexcept {
  return *impl_->inner;
}

result<std::unique_ptr<gateway_host>> gateway_host::open(std::vector<executor> executors,
                                                         gateway_config config) {
  if (!config.control.empty())
    return error(osvm::errc::unsupported, "`control` is served by `osvm proxy` only: leave it out");
  auto i = std::make_unique<impl>();
  gateway_options options;
  i->log_path = config.access_log;
  if (!config.access_log.empty()) {
    OSVM_TRY(i->log, line_file::open(config.access_log));
    options.access_log = [log = i->log](std::string_view lines) { log->write(lines); };
  }
  options.on_event = [events = i->events](const std::string& service, const release_event& e) {
    events->push(service, e);
  };
  OSVM_TRY(auto opened, gateway::open(std::move(executors), std::move(config), std::move(options)));
  i->inner = std::make_unique<gateway>(std::move(opened));
  return std::unique_ptr<gateway_host>(new gateway_host(std::move(i)));
}

std::future<result<void>> gateway_host::begin() {
  struct count {
    std::mutex mutex;
    std::size_t left = 0;
    std::string wrong;
    std::promise<result<void>> all;
    void finish() {
      wrong.empty() ? all.set_value(result<void>())
                    : all.set_value(error(osvm::errc::invalid_argument, wrong));
    }
  };
  auto c = std::make_shared<count>();
  auto future = c->all.get_future();
  c->left = impl_->inner->services().size();
  if (c->left == 0) c->finish();
  impl_->inner->begin([c](const std::string& service, const result<shift_report>& r) {
    const std::lock_guard lock(c->mutex);
    if (!r) c->wrong = "service " + service + ": " + r.error().to_string();
    if (r && r->state != release_state::active) c->wrong = "service " + service + ": " + r->describe();
    if (--c->left == 0) c->finish();
  });
  return future;
}

std::future<result<void>> gateway_host::reload(gateway_config config) {
  if (!config.control.empty())
    return failed<void>({osvm::errc::unsupported, "`control` is served by `osvm proxy` only: leave it out"});
  if (config.access_log != impl_->log_path)
    return failed<void>({osvm::errc::unsupported, "the access log cannot be another one after a reload"});
  if (impl_->log) {
    if (auto opened = impl_->log->reopen(); !opened) return failed<void>(opened.error());
  }
  auto done = std::make_shared<std::promise<result<void>>>();
  auto future = done->get_future();
  auto taken = impl_->inner->reload(std::move(config), [done] { done->set_value(result<void>()); });
  if (!taken) return failed<void>(taken.error());
  return future;
}

std::future<result<shift_report>> gateway_host::shift(const std::string& service, std::string version,
                                                      const std::vector<endpoint>& backends) {
  if (version.empty() || backends.empty())
    return failed<shift_report>({osvm::errc::invalid_argument, "a release has a name and a backend"});
  auto p = std::make_shared<std::promise<result<shift_report>>>();
  impl_->inner->shift(service, std::move(version), backends, completes(p));
  return p->get_future();
}

std::future<result<shift_report>> gateway_host::rollback(const std::string& service) {
  auto p = std::make_shared<std::promise<result<shift_report>>>();
  impl_->inner->rollback(service, completes(p));
  return p->get_future();
}

std::future<result<void>> gateway_host::command(const std::string& service, service_command what) {
  auto p = std::make_shared<std::promise<result<void>>>();
  impl_->inner->command(service, what, completes(p));
  return p->get_future();
}

result<bool> gateway_host::drain(const std::string& service, const std::string& backend,
                                 std::chrono::nanoseconds timeout) {
  auto p = std::make_shared<std::promise<result<std::uint64_t>>>();
  impl_->inner->drain(service, backend, timeout, completes(p));
  OSVM_TRY(const auto left, p->get_future().get());
  return left == 0;
}

std::vector<service_event> gateway_host::take_events(std::size_t most) {
  auto& q = *impl_->events;
  const std::lock_guard lock(q.mutex);
  std::vector<service_event> out;
  while (!q.events.empty() && out.size() < most) {
    out.push_back(std::move(q.events.front()));
    q.events.pop_front();
  }
  return out;
}

std::uint64_t gateway_host::lost_events() const {
  const std::lock_guard lock(impl_->events->mutex);
  return impl_->events->lost;
}

std::future<void> gateway_host::stop(std::chrono::nanoseconds deadline) {
  auto done = std::make_shared<std::promise<void>>();
  auto future = done->get_future();
  impl_->inner->stop(deadline, [done] { done->set_value(); });
  return future;
}

}  // namespace osvm::hotswap
