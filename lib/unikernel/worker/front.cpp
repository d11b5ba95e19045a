#include "unikernel/worker/front.hpp"

#include "unikernel/engine/socket_names.hpp"

#include <osvm/core/text.hpp>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

namespace osvm::unikernel {
namespace {

using namespace std::chrono_literals;
using wire::kind;

constexpr auto answer_patience = 60s;    // a worker that says nothing for so long is broken
constexpr auto shut_down_patience = 5s;  // then it is killed
constexpr auto kill_patience = 2s;       // the same, of one that was told to end its guest
constexpr std::size_t max_event_text = 976;

wire::tree_files described(const memory_tree& t) {
  wire::tree_files out{.guest_path = t.guest_path,
                       .writable = t.writable,
                       .overlay_bytes = t.overlay_bytes,
                       .has_source = t.source != nullptr,
                       .entries = {}};
  if (t.source) out.entries.assign(t.source->entries().begin(), t.source->entries().end());
  return out;
}

// The value of an answer, behind its failure.
template <class T>
result<T> answered(const wire::message& m) {
  std::pair<std::optional<wire::failure>, std::optional<T>> body;
  OSVM_CHECK(wire::decode(m, body));
  if (body.first) return wire::to_error(std::move(*body.first));
  if (!body.second) return error(osvm::errc::malformed, "answer of the worker process");
  return std::move(*body.second);
}

}  // namespace

worker_engine::worker_engine(executor ex, const instance_options& options)
    : engine_base(std::move(ex)),
      socket_dir_(options.socket_dir),
      name_(options.name),
      granted_listeners_(options.policy.listen),
      owner_(::getpid()) {}

worker_engine::~worker_engine() {
  shut_down();
}

bool worker_engine::in_forked_child() const noexcept {
  return ::getpid() != owner_;
}

result<std::shared_ptr<engine>> worker_engine::create(executor ex, const image& program,
                                                      const instance_options& options) {
  auto e = std::make_shared<worker_engine>(std::move(ex), options);
  OSVM_CHECK(e->start(program, options));
  return std::shared_ptr<engine>(std::move(e));
}

result<void> worker_engine::start(const image& program, const instance_options& options) {
  if (::getrandom(&id_, sizeof id_, 0) != sizeof id_) return errno_error("getrandom");
  if (options.events.capacity == 0 || options.events.capacity > 65536)
    return error(osvm::errc::invalid_argument, "event capacity must be 1..65536");
  if (options.worker->jail && options.learn != learning::off) {
    return error(osvm::errc::invalid_argument,
                 "a policy is learned by looking at the host, and a jail sees none of it: learn without one");
  }
  if (options.core >= 0 || options.wait_for_debugger)
    return error(errc::debugger_unsupported,
                 "debuggers and core dumps need the guest in the caller's process");
  open_events(options);
  listeners_.grant(granted_listeners_);
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return errno_error("socket pair for the worker process");
  unique_fd theirs(ends[1]);
  link_.open(unique_fd(ends[0]), answer_patience);
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_) return errno_error("eventfd for the worker process");
  OSVM_TRY(group_, worker_cgroup::create(options.worker->limits, id_));
  limits_ = group_.description();
  OSVM_TRY(process_, worker_process::start(options.worker->program, theirs.get()));
  OSVM_CHECK(group_.admit(process_.id()));  // it waits for the first message
  OSVM_CHECK(prepare_ticket(options));
  theirs.reset();  // so that the end of the worker is the end of the socket
  receiver_ = std::thread([this] { receive(); });
  return ask_to_create(program, options);
}

result<void> worker_engine::ask_to_create(const image& program, const instance_options& options) {
  wire::create_request r;
  r.id = id_;
  r.jail = options.worker->jail;
  r.orphan_after = options.worker->orphan_after;
  r.ticket = ticket_;
  r.options = options;
  r.options.policy.trees.clear();
  for (const memory_tree& t : options.policy.trees) {
    r.trees.push_back(described(t));
    sources_.push_back(t.source);
  }
  if (options.facts) {
    r.facts = *options.facts;
  } else {
    OSVM_TRY(r.facts, kvm::probe_host());
  }
  if (r.facts.system) r.system = *r.facts.system;
  r.has_system = r.facts.system != nullptr;
  r.image.info = program.info();
  const detail::image_data& image = *program.data();
  r.image.base = image.base;
  r.image.file_bytes = image.file_bytes;
  r.image.alignment = image.alignment;
  r.image.ranges = image.ranges;
  r.image.zero_ranges = image.zero_ranges;
  r.image.end = image.end;
  r.image.headers = image.headers;
  r.image.header_count = image.header_count;
  r.image_memory = image.memory.get();
  wire::writer body;
  body(r);
  OSVM_TRY(const auto ok, ask_for<bool>(kind::create, body));
  (void)ok;
  return {};
}

result<wire::message> worker_engine::ask(kind what, wire::writer& body) const {
  if (in_forked_child()) return error(osvm::errc::closed, "this instance belongs to the parent process");
  std::uint32_t id = 0;
  {
    const std::lock_guard guard(questions_lock_);
    if (gone_) return error(osvm::errc::closed, "the worker process has ended");
    id = next_question_++;
    if (next_question_ == 0) next_question_ = 1;
    questions_[id];
  }
  auto sent = link_.send(what, id, body);
  std::unique_lock lock(questions_lock_);
  const auto at = questions_.find(id);
  if (sent) answered_.wait_for(lock, answer_patience, [&] { return at->second.answer.has_value(); });
  auto got = std::move(at->second.answer);
  questions_.erase(at);
  if (!sent) return sent.error();
  if (!got) return error(osvm::errc::timed_out, "the worker process does not answer");
  return std::move(*got);
}

template <class T>
result<T> worker_engine::ask_for(kind what, wire::writer& body) const {
  OSVM_TRY(const auto m, ask(what, body));
  return answered<T>(m);
}

void worker_engine::receive() {
  for (;;) {
    wait_for_message();
    auto m = link_.receive();
    if (!m) return worker_is_gone(m.error());
    if (auto taken = take(std::move(*m)); !taken) return worker_is_gone(taken.error());
  }
}

void worker_engine::wait_for_message() {
  for (;;) {
    int wait_ms = -1;
    if (kill_by_ && (!ended_ || finishing_)) {
      const auto left = *kill_by_ - std::chrono::steady_clock::now();
      wait_ms = std::max(0, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count()));
    }
    std::array<pollfd, 2> both{pollfd{.fd = link_.fd(), .events = POLLIN, .revents = 0},
                               pollfd{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
    const int ready = ::poll(both.data(), both.size(), wait_ms);
    if (ready == 0) {
      ending_.decide({.cause = exit_cause::killed, .signal = SIGKILL});
      process_.kill();
      kill_by_.reset();  // the end of the socket comes next
    }
    std::uint64_t asked = 0;
    if (::read(wake_.get(), &asked, sizeof asked) == sizeof asked) {
      const bool finishing = finishing_;
      if (!kill_by_ || finishing)
        kill_by_ = std::chrono::steady_clock::now() + (finishing ? shut_down_patience : kill_patience);
      link_.send_now(finishing ? kind::finish : kind::kill);
    }
    if (both[0].revents != 0) return;
  }
}

result<void> worker_engine::take(wire::message m) {
  switch (m.kind()) {
    case kind::answer: return take_answer(std::move(m));
    case kind::listening: return take_listening(m);
    case kind::events: return take_events_of(m);
    case kind::ended: return take_end(m);
    case kind::content: return give_content(m);
    default: return error(osvm::errc::malformed, "message of the worker process");
  }
}

result<void> worker_engine::take_answer(wire::message m) {
  const std::lock_guard guard(questions_lock_);
  const auto at = questions_.find(m.head.id);
  // An answer that comes too late has nobody who waits for it.
  if (at == questions_.end()) return {};
  at->second.answer = std::move(m);
  answered_.notify_all();
  return {};
}

result<void> worker_engine::take_listening(const wire::message& m) {
  listener which;
  OSVM_CHECK(wire::decode(m, which));
  if (std::find(granted_listeners_.begin(), granted_listeners_.end(), which) == granted_listeners_.end())
    return {};  // what policy does not grant is not published
  listeners_.ready(which, listening_endpoint(which, socket_dir_, name_, id_));
  return {};
}

result<void> worker_engine::take_events_of(const wire::message& m) {
  std::vector<event> all;
  OSVM_CHECK(wire::decode(m, all));
  if (!events_) return {};
  for (event& e : all) {
    e.text = printable(e.text, max_event_text);
    e.rule = printable(e.rule, max_event_text);
    events_->forward(e);
  }
  return {};
}

result<void> worker_engine::take_end(const wire::message& m) {
  exit_report report;
  OSVM_CHECK(wire::decode(m, report));
  if (std::exchange(ended_, true)) return error(osvm::errc::malformed, "a guest ended twice");
  (void)listeners_.close();  // the worker has removed the sockets
  ending_.decide(std::move(report));
  ending_.finish();
  return {};
}

result<void> worker_engine::give_content(const wire::message& m) {
  std::pair<std::uint32_t, std::uint32_t> which;
  OSVM_CHECK(wire::decode(m, which));
  const auto [tree, entry] = which;
  result<std::shared_ptr<const unique_fd>> file =
      error(osvm::errc::invalid_argument, "no such file of an image");
  if (tree < sources_.size() && sources_[tree] && entry < sources_[tree]->entries().size())
    file = sources_[tree]->open(entry);
  wire::writer body;
  std::optional<wire::failure> failed;
  if (!file) failed = wire::to_failure(file.error());
  body(failed);
  if (file) {
    int fd = (*file)->get();
    body.descriptor(fd);
  }
  return link_.send(kind::answer, m.head.id, body);
}

// Questions that nobody answers any more fail; a guest whose end was not told has failed.
void worker_engine::worker_is_gone(const error& why) noexcept {
  link_.shut_down();
  std::string how;
  {
    const std::lock_guard guard(questions_lock_);
    gone_ = true;
    for (auto& [id, q] : questions_)
      if (!q.answer) q.answer = error(osvm::errc::closed, "the worker process has ended");
    answered_.notify_all();
  }
  if (ended_) return;
  const bool broken = why.code == make_error_code(osvm::errc::malformed);
  how =
      process_.end(broken ? 0ms : std::chrono::duration_cast<std::chrono::milliseconds>(shut_down_patience));
  for (const endpoint& gone : listeners_.close()) remove_socket(gone);
  if (!broken && group_.out_of_memory()) {
    ending_.decide({.cause = exit_cause::memory_budget, .detail = "the memory limit of the worker process"});
  }
  ending_.decide({.cause = exit_cause::failed,
                  .detail = broken ? "the worker process broke its protocol" : "the worker process " + how});
  group_.remove();
  if (!ticket_.socket.empty()) (void)::unlink(ticket_.socket.c_str());
  ending_.finish();
}

void worker_engine::kill() noexcept {
  if (in_forked_child()) return;
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);  // fails only when it is readable anyway
}

result<void> worker_engine::signal(int number) {
  wire::writer body;
  std::int32_t n = number;
  body(n);
  OSVM_TRY(const auto ok, ask_for<bool>(kind::signal, body));
  (void)ok;
  return {};
}

std::string worker_engine::take_output(int descriptor) {
  wire::writer body;
  std::int32_t n = descriptor;
  body(n);
  auto text = ask_for<std::string>(kind::take_output, body);
  return text ? std::move(*text) : std::string();
}

result<learned_policy> worker_engine::learned() const {
  wire::writer nothing;
  return ask_for<learned_policy>(kind::learned, nothing);
}

instance_stats worker_engine::stats() const {
  wire::writer nothing;
  auto s = ask_for<instance_stats>(kind::stats, nothing);
  const std::lock_guard guard(last_lock_);
  if (s) last_stats_ = std::move(*s);
  instance_stats out = last_stats_;
  out.events_dropped += events_ ? events_->dropped() : 0;
  return out;
}

std::string worker_engine::isolation_report() const {
  wire::writer nothing;
  auto text = ask_for<std::string>(kind::report, nothing);
  if (!text) return "unknown: " + text.error().to_string();
  return printable(*text, 1000) + (limits_.empty() ? "" : ", " + limits_);
}

void worker_engine::shut_down() noexcept {
  if (in_forked_child()) {
    if (receiver_.joinable()) receiver_.detach();
    return;
  }
  ending_.decide({.cause = exit_cause::killed, .signal = SIGKILL});
  // The worker ends its guest and itself: because this end closes, or, if it would not for that, because it
  // is told to; then the receiving thread sees it through.
  finishing_ = true;
  if (ticket_.nonce.empty() || !receiver_.joinable()) link_.shut_down();
  kill();
  if (receiver_.joinable()) receiver_.join();
  (void)process_.end(std::chrono::duration_cast<std::chrono::milliseconds>(shut_down_patience));
  group_.remove();
  (void)keeper_.end(std::chrono::duration_cast<std::chrono::milliseconds>(shut_down_patience));
  if (events_) events_->close();
}

}  // namespace osvm::unikernel
