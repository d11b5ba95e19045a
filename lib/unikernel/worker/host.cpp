#include "unikernel/worker/host.hpp"

#include "unikernel/engine/in_process.hpp"
#include "unikernel/jail/jail.hpp"
#include "unikernel/worker/ownership.hpp"
#include "unikernel/worker/remote_source.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <thread>

namespace osvm::unikernel {
namespace {

using wire::answer_body;
using wire::kind;
using wire::message;

// Threads: the main one receives; one more runs what is asynchronous, started when the guest may run.
class worker final {
 public:
  explicit worker(unique_fd socket) : contents_(link_), owner_(link_) { link_.open(std::move(socket)); }
  ~worker() {
    contents_.close();
    if (engine_) engine_->shut_down();
    work_.reset();
    loop_.stop();
    if (thread_.joinable()) thread_.join();
  }

  result<void> serve() {
    auto first = link_.receive();
    if (!first) return quiet_end(first.error());
    if (first->kind() != kind::create) return error(osvm::errc::malformed, "question before an instance");
    const std::uint32_t id = first->head.id;
    auto made = make(std::move(*first));
    wire::writer body = answer_body<bool>(made ? result<bool>(true) : result<bool>(made.error()));
    OSVM_CHECK(link_.send(kind::answer, id, body));
    if (!made) return {};
    observe();
    for (;;) {
      auto m = owner_.receive();
      if (!m) return quiet_end(m.error());
      if (m->kind() == kind::finish) return {};
      // An owner that is gone before it has its answer is noticed by the next receive().
      if (auto done = take(std::move(*m)); !done && !owner_.may_be_lost(done.error())) return done;
    }
  }

 private:
  static result<void> quiet_end(const error& e) {
    if (e.code == make_error_code(osvm::errc::closed)) return {};
    return e;
  }

  result<void> make(message m);
  void observe();

  result<void> take(message m) {
    switch (m.kind()) {
      case kind::answer: return contents_.answered(std::move(m));
      case kind::kill: engine_->kill(); return {};
      case kind::signal:
        return with_number<bool>(m, [&](int n) -> result<bool> {
          OSVM_CHECK(engine_->signal(n));
          return true;
        });
      case kind::take_output:
        return with_number<std::string>(
            m, [&](int n) -> result<std::string> { return engine_->take_output(n); });
      case kind::stats: {
        instance_stats s = engine_->stats();
        s.events_dropped += owner_.dropped();
        return answer<instance_stats>(m, std::move(s));
      }
      case kind::learned: return answer<learned_policy>(m, engine_->learned());
      case kind::report: return answer<std::string>(m, isolation_);
      default: return error(osvm::errc::malformed, "question to the worker process");
    }
  }

  template <class T>
  result<void> answer(const message& m, result<T> with) {
    wire::writer body = answer_body<T>(std::move(with));
    return link_.send(kind::answer, m.head.id, body);
  }
  template <class T>
  result<void> with_number(const message& m, auto&& ask) {
    std::int32_t number = 0;
    OSVM_CHECK(wire::decode(m, number));
    return answer<T>(m, ask(number));
  }

  wire::link link_;
  content_requests contents_;
  ownership owner_;
  boost::asio::io_context loop_{1};
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
  std::thread thread_;
  std::shared_ptr<engine> engine_;
  std::vector<listener> listeners_;
  std::string isolation_ = "hardware (KVM), system calls served in a worker process";
};

std::shared_ptr<detail::image_data> image_of(wire::create_request& r, std::vector<unique_fd>& fds) {
  auto data = std::make_shared<detail::image_data>(std::move(r.image));
  data->memory = std::move(fds.front());
  return data;
}

result<void> worker::make(message m) {
  wire::create_request r;
  OSVM_CHECK(wire::decode(m, r));
  const image program = image::of(image_of(r, m.fds));
  if (r.has_system) r.facts.system = std::make_shared<const kvm::system_info>(std::move(r.system));
  instance_options& o = r.options;
  o.facts = &r.facts;
  for (std::uint32_t n = 0; n < r.trees.size(); ++n) {
    wire::tree_files& t = r.trees[n];
    o.policy.trees.push_back({.source = nullptr,
                              .guest_path = std::move(t.guest_path),
                              .writable = std::move(t.writable),
                              .overlay_bytes = t.overlay_bytes});
    if (t.has_source)
      o.policy.trees.back().source = std::make_shared<remote_source>(contents_, n, std::move(t.entries));
  }
  o.events.handler = [this](std::span<const event> all) { owner_.tell_events(all); };
  if (r.orphan_after > r.orphan_after.zero()) OSVM_CHECK(owner_.outlive(r.orphan_after, r.ticket, o));
  listeners_ = o.policy.listen;
  engine_setup setup;
  setup.id = r.id;
  if (r.jail) {
    setup.before_threads = [this, &o](const host_access& needs) -> result<void> {
      OSVM_TRY(const auto done, enter_jail(needs, o.budgets));
      isolation_ += ", in a jail: " + done;
      return {};
    };
  }
  OSVM_TRY(engine_, in_process_engine::create(loop_.get_executor(), program, o, setup));
  return {};
}

void worker::observe() {
  for (const listener& l : listeners_) {
    engine_->listening_async(l, [this, l](result<endpoint> where) {
      if (where) owner_.tell_listening(l);
    });
  }
  engine_->wait_async([this](result<exit_report> report) {
    if (report) owner_.tell_end(std::move(*report));
  });
  if (contents_.killed()) engine_->kill();
  work_.emplace(loop_.get_executor());
  thread_ = std::thread([this] { loop_.run(); });
}

}  // namespace

result<void> serve_instance(unique_fd socket) {
  worker w(std::move(socket));
  return w.serve();
}

}  // namespace osvm::unikernel
