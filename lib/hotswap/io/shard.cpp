#include "hotswap/io/shard.hpp"

#include <boost/asio/post.hpp>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace osvm::hotswap::detail {
namespace {

constexpr int max_events = 128;
// Rounds in a row before the executor's other work gets its turn.
constexpr int rounds_per_turn = 16;
// The first slots, which are no channel's.
constexpr std::uint64_t wake_tag = 0;
constexpr std::uint64_t clock_tag = 1;

}  // namespace

result<std::shared_ptr<shard>> shard::create(executor ex) {
  auto s = std::make_shared<shard>(std::move(ex));
  unique_fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  s->wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  s->clock_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!epoll || !s->wake_ || !s->clock_) return errno_error("descriptors of the proxy's event queue");
  s->slots_.resize(2);
  for (const auto tag : {wake_tag, clock_tag}) {
    // Edge-triggered: an expired timer that is not set again must not be reported for ever.
    epoll_event e{.events = EPOLLIN | EPOLLET, .data = {.u64 = tag}};
    const int fd = tag == wake_tag ? s->wake_.get() : s->clock_.get();
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &e) != 0) return errno_error("epoll_ctl");
  }
  boost::system::error_code ec;
  s->descriptor_.assign(epoll.get(), ec);
  if (ec) return error(ec, "hand the event queue to the executor");
  s->epoll_ = epoll.release();
  s->wait();
  return s;
}

shard::~shard() {
  shut();
}

bool shard::enqueue(std::unique_ptr<task> t) {
  std::lock_guard lock(mutex_);
  if (ended_) return false;
  mailbox_.push_back(std::move(t));
  if (!std::exchange(woken_, true)) {
    const std::uint64_t one = 1;
    [[maybe_unused]] auto n = ::write(wake_.get(), &one, sizeof one);
  }
  return true;
}

void shard::close() {
  post([](shard& s) { s.closing_ = true; });
}

void shard::wait() {
  descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [self = shared_from_this()](const boost::system::error_code& ec) {
                           if (!ec) self->drive();
                         });
}

void shard::repost() {
  boost::asio::post(executor_, [self = shared_from_this()] { self->drive(); });
}

void shard::drive() {
  for (int i = 0; i < rounds_per_turn; ++i) {
    const int n = round();
    if (closing_) return shut();
    // One event at a time means that there is little to do: then waiting costs less than asking once more.
    if (n <= 1 && deferred_.empty()) return wait();
  }
  repost();
}

int shard::round() {
  std::array<epoll_event, max_events> events;
  const int n = ::epoll_wait(epoll_, events.data(), max_events, 0);
  now_ = std::chrono::steady_clock::now();
  bool tasks = false;
  for (int i = 0; i < n; ++i) {
    const auto tag = events[i].data.u64;
    if (tag == wake_tag) {
      tasks = true;
    } else if (tag == clock_tag) {
      armed_ = time_point::max();
    } else {
      dispatch(tag, events[i].events);
    }
  }
  if (tasks) run_tasks();
  run_timers();
  run_deferred();
  update_timerfd();
  bury();
  return n;
}

void shard::dispatch(std::uint64_t tag, std::uint32_t bits) {
  const auto& entry = slots_[static_cast<std::uint32_t>(tag)];
  if (!entry.who || entry.uses != tag >> 32 || entry.who->owner->dismissed_) return;
  auto& ch = *entry.who;
  if (bits & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ch.readable = true;
  if (bits & (EPOLLOUT | EPOLLHUP | EPOLLERR)) ch.writable = true;
  if (bits & (EPOLLRDHUP | EPOLLHUP)) ch.peer_done = true;
  if (bits & EPOLLERR) ch.broken = true;
  ch.owner->on_io(ch);
}

void shard::run_tasks() {
  std::vector<std::unique_ptr<task>> tasks;
  {
    std::lock_guard lock(mutex_);
    std::uint64_t count = 0;
    [[maybe_unused]] auto n = ::read(wake_.get(), &count, sizeof count);
    woken_ = false;
    tasks.swap(mailbox_);
  }
  for (auto& t : tasks) t->run(*this);
}

void shard::run_deferred() {
  if (deferred_.empty()) return;
  std::vector<actor*> now;
  now.swap(deferred_);
  for (auto* a : now) a->deferred_ = false;
  for (auto* a : now) {
    if (!a->dismissed_) a->on_deferred();
  }
}

void shard::run_timers() {
  while (timer* t = timers_.empty() ? nullptr : timers_.pop_due(now_)) {
    if (!t->owner().dismissed_) t->owner().on_timer(*t);
  }
}

void shard::update_timerfd() noexcept {
  if (timers_.empty() || timers_.earliest() >= armed_) return;
  armed_ = timers_.earliest();
  const auto since = std::max<std::int64_t>(
      1, std::chrono::duration_cast<std::chrono::nanoseconds>(armed_.time_since_epoch()).count());
  const itimerspec at{.it_interval = {},
                      .it_value = {.tv_sec = since / 1'000'000'000, .tv_nsec = since % 1'000'000'000}};
  ::timerfd_settime(clock_.get(), TFD_TIMER_ABSTIME, &at, nullptr);
}

void shard::dismiss(actor& a) noexcept {
  if (std::exchange(a.dismissed_, true)) return;
  actors_.erase(actor_list::s_iterator_to(a));
  graveyard_.push_back(a);
}

void shard::defer(actor& a) {
  if (a.dismissed_ || std::exchange(a.deferred_, true)) return;
  deferred_.push_back(&a);
}

void shard::bury() noexcept {
  if (graveyard_.empty()) return;
  std::erase_if(deferred_, [](actor* a) { return a->dismissed_; });
  graveyard_.clear_and_dispose([](actor* a) { delete a; });
}

void shard::shut() noexcept {
  std::vector<std::unique_ptr<task>> tasks;
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(ended_, true)) return;
    tasks.swap(mailbox_);
  }
  deferred_.clear();
  actors_.clear_and_dispose([](actor* a) { delete a; });
  graveyard_.clear_and_dispose([](actor* a) { delete a; });
  tasks.clear();
  attached_.clear();
  boost::system::error_code ignored;
  descriptor_.close(ignored);
}

std::uint64_t shard::tag_of(const channel& ch) const noexcept {
  return std::uint64_t{slots_[ch.slot].uses} << 32 | ch.slot;
}

bool shard::watch(channel& ch, bool connecting, bool level) noexcept {
  if (!ch.watcher) {
    if (free_slots_.empty()) {
      free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
      free_slots_.reserve(slots_.capacity());  // so that forget() cannot fail
    }
    ch.slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[ch.slot].who = &ch;
    ch.watcher = this;
  }
  ch.wants_out = connecting;
  std::uint32_t bits = EPOLLIN;
  if (!level) bits |= EPOLLRDHUP | EPOLLET;
  if (connecting) bits |= EPOLLOUT;
  epoll_event e{.events = bits, .data = {.u64 = tag_of(ch)}};
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, ch.fd.get(), &e) == 0) return true;
  const int reason = errno;
  forget(ch);
  errno = reason;
  return false;
}

void shard::unwatch(channel& ch) noexcept {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, ch.fd.get(), nullptr);
  forget(ch);
}

void shard::forget(channel& ch) noexcept {
  if (!ch.watcher) return;
  ch.watcher = nullptr;
  slots_[ch.slot].who = nullptr;
  ++slots_[ch.slot].uses;
  free_slots_.push_back(ch.slot);
}

void shard::want_out(channel& ch) noexcept {
  if (std::exchange(ch.wants_out, true)) return;
  epoll_event e{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = tag_of(ch)}};
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, ch.fd.get(), &e);
}

void shard::close(channel& ch) noexcept {
  ch.over.reset();  // may have a last word to say
  forget(ch);
  ch.fd.reset();
  ch.readable = ch.writable = false;
}

void shard::reset(channel& ch) noexcept {
  if (ch.over) ch.over->reset();
  if (!ch.fd) {
    ch.over.reset();
    return;
  }
  const linger hard{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(ch.fd.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close(ch);
}

void shard::finish(channel& ch) noexcept {
  if (ch.over) ch.over->finish(*this, ch);
  if (ch.fd) ::shutdown(ch.fd.get(), SHUT_WR);
}

void shard::hand_over(channel& from, channel& to) noexcept {
  to.fd = std::move(from.fd);
  to.over = std::move(from.over);
  if (to.over) to.over->attach(to);
  to.readable = std::exchange(from.readable, false);
  to.writable = std::exchange(from.writable, false);
  to.wants_out = from.wants_out;
  to.peer_done = from.peer_done;
  to.broken = from.broken;
  to.watcher = std::exchange(from.watcher, nullptr);
  to.slot = from.slot;
  if (to.watcher) slots_[to.slot].who = &to;
}

std::span<char> shard::gather() {
  if (!gather_) gather_.reset(new char[gather_size]);
  return {gather_.get(), gather_size};
}

io_outcome shard::read_socket(channel& ch, std::span<char> into) noexcept {
  if (!ch.readable) return {io_status::again, 0};
  for (;;) {
    const ssize_t n = ::recv(ch.fd.get(), into.data(), into.size(), 0);
    if (n > 0) {
      // A short read means that the socket is empty, unless an end of stream waits behind the bytes.
      if (static_cast<std::size_t>(n) < into.size() && !ch.peer_done && !ch.broken) ch.readable = false;
      return {io_status::ok, static_cast<std::size_t>(n)};
    }
    if (n == 0) return {io_status::eof, 0};
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return {io_status::error, 0};
    ch.readable = false;
    return {io_status::again, 0};
  }
}

io_outcome shard::write_socket(channel& ch, std::span<iovec> from) noexcept {
  if (!ch.writable) return {io_status::again, 0};
  msghdr message{};
  message.msg_iov = from.data();
  message.msg_iovlen = from.size();
  std::size_t total = 0;
  for (const auto& v : from) total += v.iov_len;
  for (;;) {
    // send() is measurably cheaper than sendmsg() where there is one part.
    const ssize_t n = from.size() == 1 ? ::send(ch.fd.get(), from[0].iov_base, from[0].iov_len, MSG_NOSIGNAL)
                                       : ::sendmsg(ch.fd.get(), &message, MSG_NOSIGNAL);
    if (n >= 0) {
      if (static_cast<std::size_t>(n) < total) {
        ch.writable = false;
        want_out(ch);
      }
      return {io_status::ok, static_cast<std::size_t>(n)};
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return {io_status::error, 0};
    ch.writable = false;
    want_out(ch);
    return {io_status::again, 0};
  }
}

}  // namespace osvm::hotswap::detail
