// A shard: many sockets that the embedder's loop sees as one descriptor.
//
// A shard has an epoll instance of its own. Only that one descriptor is waited for through Asio; when it
// becomes ready, the shard fetches a batch of events and drives its actors directly. So there is no thread
// and no loop of our own, but also no lock, no allocation and no queue per event. At most one Asio operation
// of a shard is outstanding, hence everything in a shard runs on one thread at a time even on an executor
// with many.
#pragma once

#include "hotswap/io/timer.hpp"

#include <osvm/core/error.hpp>
#include <osvm/core/runtime.hpp>
#include <osvm/core/unique_fd.hpp>

#include <sys/uio.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

namespace osvm::hotswap::detail {

class shard;
struct channel;

enum class io_status : std::uint8_t {
  ok,     // something was moved
  again,  // not now
  eof,    // the peer has finished sending
  error,  // errno says why
};

struct io_outcome {
  io_status status = io_status::ok;
  std::size_t bytes = 0;
};

// What a channel's bytes pass through where they are not its socket's own: TLS, or a stream of an HTTP/2
// connection.
class layer {
 public:
  virtual ~layer() = default;
  virtual io_outcome read(shard& s, channel& ch, std::span<char> into) noexcept = 0;
  virtual io_outcome write(shard& s, channel& ch, std::span<iovec> from) noexcept = 0;
  // Nothing more will be written.
  virtual void finish(shard& s, channel& ch) noexcept = 0;
  // The channel ends without order: nothing more is to be said.
  virtual void reset() noexcept = 0;
  // It is `ch`'s from now on, which outlives it.
  virtual void attach(channel& ch) noexcept = 0;
};

// One socket of an actor, watched edge-triggered: `readable` and `writable` stay set until a call says
// otherwise.
struct channel {
  explicit channel(actor& who) noexcept : owner(&who) {}
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;
  ~channel();
  unique_fd fd;
  actor* owner;
  bool readable = false;
  bool writable = true;  // assumed until a write comes up short
  // EPOLLOUT is registered: only after a short write, since a unix socket reports it after each read of its
  // peer.
  bool wants_out = false;
  bool peer_done = false;  // FIN was seen: there is an end of stream to read
  bool broken = false;     // reset or error was seen

  // Where events find this channel while it is watched. Not by its address: when a descriptor is closed while
  // a duplicate lives, in another shard or in a child that has yet to exec, the kernel goes on reporting it.
  shard* watcher = nullptr;
  std::uint32_t slot = 0;

  std::unique_ptr<layer> over;  // null: the socket's bytes are what is read and written
};

// Something that lives on a shard: a session, a kept-alive connection, a probe. Owned by its shard.
class actor : public boost::intrusive::list_base_hook<> {
 public:
  explicit actor(shard& home) noexcept : shard_(home) {}
  virtual ~actor() = default;
  actor(const actor&) = delete;
  actor& operator=(const actor&) = delete;
  virtual void on_io(channel& which) = 0;
  virtual void on_timer(timer&) {}
  virtual void on_deferred() {}  // after shard::defer()
  shard& home() const noexcept { return shard_; }

 protected:
  shard& shard_;

 private:
  friend class shard;
  bool dismissed_ = false;
  bool deferred_ = false;
};

class shard : public std::enable_shared_from_this<shard> {
  struct task {
    virtual ~task() = default;
    virtual void run(shard&) = 0;
  };
  template <class F>
  struct task_of final : task {
    explicit task_of(F f) : f_(std::move(f)) {}
    void run(shard& s) override { f_(s); }
    F f_;
  };

 public:
  static result<std::shared_ptr<shard>> create(executor ex);
  explicit shard(executor ex) : descriptor_(ex), executor_(std::move(ex)) {}
  ~shard();

  const executor& get_executor() const noexcept { return executor_; }

  // Thread-safe. Runs f(shard&) on the shard soon; false when the shard has ended (f is destroyed then, or,
  // when it ends first, later without being run).
  template <class F>
  bool post(F f) {
    return enqueue(std::make_unique<task_of<F>>(std::move(f)));
  }
  // Thread-safe: ends the shard from within; its actors and what is attached are destroyed on the shard.
  void close();

  // The rest: only on the shard.

  // Kept until the shard ends, destroyed after the actors.
  void attach(std::shared_ptr<void> what) { attached_.push_back(std::move(what)); }
  template <class T>
  T& adopt(std::unique_ptr<T> a) {
    actors_.push_back(*a);
    return *a.release();
  }
  // The actor gets no more calls, and is destroyed at the end of this round.
  void dismiss(actor& a) noexcept;
  // Calls a.on_deferred() later in this round: for work that has to stop for fairness' sake.
  void defer(actor& a);
  template <class F>
  void for_each(F f) {
    for (auto& a : actors_) f(a);
  }

  // Begins to watch ch.fd. Level-triggered for listeners, which share a descriptor among shards.
  bool watch(channel& ch, bool connecting = false, bool level = false) noexcept;
  void unwatch(channel& ch) noexcept;
  // Events for it lead nowhere from now on. Part of close().
  void forget(channel& ch) noexcept;
  void want_out(channel& ch) noexcept;
  void close(channel& ch) noexcept;
  // Closes so that the peer sees a reset: a cut must not look like an orderly end.
  void reset(channel& ch) noexcept;

  io_outcome read(channel& ch, std::span<char> into) noexcept {
    return ch.over ? ch.over->read(*this, ch, into) : read_socket(ch, into);
  }
  io_outcome write(channel& ch, std::span<iovec> from) noexcept {
    return ch.over ? ch.over->write(*this, ch, from) : write_socket(ch, from);
  }
  // Nothing more will be written: the peer sees an end of stream behind what was.
  void finish(channel& ch) noexcept;
  // The same below what lies over the socket.
  io_outcome read_socket(channel& ch, std::span<char> into) noexcept;
  io_outcome write_socket(channel& ch, std::span<iovec> from) noexcept;
  // `to` goes on where `from` is: with its socket, its layer, and as the one that is watched.
  void hand_over(channel& from, channel& to) noexcept;

  void arm(timer& t, time_point when) { timers_.arm(t, when); }
  void arm_in(timer& t, std::chrono::nanoseconds delay) { timers_.arm(t, now_ + delay); }
  time_point now() const noexcept { return now_; }

  // Memory for one read at a time, shared by all actors of the shard: what is not passed on is copied out.
  static constexpr std::size_t scratch_size = 64 * 1024;
  std::span<char> scratch() noexcept { return {scratch_.get(), scratch_size}; }
  // For bringing the parts of one write together.
  static constexpr std::size_t gather_size = 16 * 1024;
  std::span<char> gather();

 private:
  bool enqueue(std::unique_ptr<task> t);
  void wait();
  void drive();
  void repost();
  int round();
  void run_tasks();
  void run_deferred();
  void run_timers();
  void update_timerfd() noexcept;
  void bury() noexcept;
  void shut() noexcept;

  using actor_list = boost::intrusive::list<actor, boost::intrusive::constant_time_size<false>>;

  boost::asio::posix::stream_descriptor descriptor_;  // owns the epoll descriptor
  executor executor_;
  int epoll_ = -1;  // same
  unique_fd wake_, clock_;
  timer_queue timers_;
  time_point now_ = std::chrono::steady_clock::now();
  time_point armed_ = time_point::max();
  actor_list actors_, graveyard_;
  std::vector<actor*> deferred_;
  std::vector<std::shared_ptr<void>> attached_;
  std::unique_ptr<char[]> scratch_{new char[scratch_size]};
  std::unique_ptr<char[]> gather_;  // made when it is needed
  bool closing_ = false;

  struct slot_entry {
    channel* who = nullptr;
    std::uint32_t uses = 0;  // tells late events of an earlier user
  };
  std::uint64_t tag_of(const channel& ch) const noexcept;
  void dispatch(std::uint64_t tag, std::uint32_t bits);
  std::vector<slot_entry> slots_;
  std::vector<std::uint32_t> free_slots_;

  std::mutex mutex_;  // the rest
  std::vector<std::unique_ptr<task>> mailbox_;
  bool woken_ = false;
  bool ended_ = false;
};

inline channel::~channel() {
  over.reset();  // while there still is a socket
  if (watcher) watcher->forget(*this);
}

}  // namespace osvm::hotswap::detail
