#include "hotswap/proxy/drain.hpp"

#include "hotswap/io/complete.hpp"
#include "hotswap/proxy/front.hpp"

#include <utility>

namespace osvm::hotswap::detail {
namespace {

using handler_type = boost::asio::any_completion_handler<void(result<drain_report>)>;

// One drain, on the first shard of the listeners that route there.
class drain_op final : public actor {
 public:
  drain_op(shard& s, executor ex, std::shared_ptr<target> what, handler_type handler)
      : actor(s), ex_(std::move(ex)), target_(std::move(what)), handler_(std::move(handler)), timer_(*this) {
    report_.inflight = target_->inflight.load();
  }
  ~drain_op() override {
    if (handler_)
      complete(ex_, std::move(handler_), result<drain_report>(error(osvm::errc::closed, "drain")));
  }

  void begin(const std::shared_ptr<pool>& of, std::chrono::nanoseconds deadline) {
    pool_ = of;
    begun_ = std::chrono::steady_clock::now();
    alive_ = std::make_shared<drain_op*>(this);
    shard_.arm(timer_, begun_ + deadline);
    wait();
  }
  void on_io(channel&) override {}

  // The deadline: every shard ends what it has left and says how much that was.
  void on_timer(timer&) override {
    const auto of = pool_.lock();
    if (!of) return finish();
    for (const auto& [on, part] : of->parts()) {
      const bool sent = on->post(
          [f = part, t = target_, home = shard_.weak_from_this(), me = std::weak_ptr(alive_)](shard&) {
            const auto n = f->cut(*t);
            const auto back = home.lock();
            if (!back) return;
            back->post([me, n](shard&) {
              if (const auto p = me.lock()) (*p)->cut_done(n);
            });
          });
      if (sent) ++cutting_;
    }
    cut_ = true;
    if (cutting_ == 0) finish();
  }

 private:
  void wait() {
    target_->inflight.when_idle(
        [home = std::weak_ptr(shard_.shared_from_this()), me = std::weak_ptr(alive_)] {
          const auto s = home.lock();
          if (!s) return;
          s->post([me](shard&) {
            if (const auto p = me.lock()) (*p)->look();
          });
        });
  }
  void look() {
    if (cut_) return;
    if (target_->inflight.load() == 0) return finish();
    wait();  // something has begun meanwhile, which may be while it is still routed to
  }
  void cut_done(std::uint64_t n) {
    report_.cut += n;
    if (--cutting_ == 0) finish();
  }
  void finish() {
    if (!handler_) return;
    report_.took = std::chrono::steady_clock::now() - begun_;
    complete(ex_, std::move(handler_), result<drain_report>(report_));
    alive_.reset();
    shard_.dismiss(*this);
  }

  executor ex_;
  std::shared_ptr<target> target_;
  handler_type handler_;
  timer timer_;
  std::weak_ptr<pool> pool_;
  std::shared_ptr<drain_op*> alive_;
  drain_report report_;
  time_point begun_;
  std::size_t cutting_ = 0;
  bool cut_ = false;
};

}  // namespace

void start_drain(const std::shared_ptr<pool>& of, const executor& ex, std::shared_ptr<target> what,
                 std::chrono::nanoseconds deadline, handler_type handler) {
  const auto parts = of->parts();
  if (parts.empty()) {
    return complete(ex, std::move(handler), result<drain_report>(error(osvm::errc::closed, "drain")));
  }
  auto& home = *parts.front().first;
  auto op = std::make_unique<drain_op>(home, ex, std::move(what), std::move(handler));
  // If the shard ends before it runs this, the operation's destructor completes the handler.
  home.post(
      [op = std::move(op), of, deadline](shard& s) mutable { s.adopt(std::move(op)).begin(of, deadline); });
}

}  // namespace osvm::hotswap::detail
