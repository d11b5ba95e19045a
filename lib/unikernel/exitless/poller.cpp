#include "unikernel/exitless/poller.hpp"

#include <x86intrin.h>

#include <algorithm>
#include <ctime>

namespace osvm::unikernel {
namespace {

// How long the poller looks in vain before it sleeps, and how close two calls must follow each other to wake
// it. Both are of the order of a few exits.
constexpr auto idle_time = std::chrono::microseconds(200);
constexpr std::uint64_t close_ns = 300'000;
constexpr unsigned looks_per_clock = 64;
// How long it is not woken after it has looked in vain: doubled each time.
constexpr std::uint64_t first_pause_ns = 1'000'000, longest_pause_ns = 64'000'000;

std::uint64_t now_ns() noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

}  // namespace

void ring_member::hold() noexcept {
  while (!try_hold()) held_.wait(1, std::memory_order_relaxed);
}

void ring_member::release() noexcept {
  held_.store(0, std::memory_order_release);
  held_.notify_one();
}

kvm::ring_slot ring_member::take() const noexcept {
  kvm::ring_slot call;
  const volatile auto* from = reinterpret_cast<const volatile std::uint64_t*>(&slot_);
  auto* to = reinterpret_cast<std::uint64_t*>(&call);
  for (std::size_t i = 0; i < sizeof call / 8; ++i) to[i] = from[i];
  return call;
}

void ring_member::answer(std::int64_t value) noexcept {
  answered_ = value;
  __atomic_store_n(&slot_.result, static_cast<std::uint64_t>(value), __ATOMIC_RELAXED);
  set(slot_.refused, 0);
  set(slot_.pending, 0);
}

void ring_member::refuse() noexcept {
  set(slot_.refused, 1);
  set(slot_.pending, 0);
}

void ring_member::pause() noexcept {
  paused_ = true;
  enable(false);
  if (call_waits()) refuse();
}

void ring_member::resume(bool poller_awake) noexcept {
  paused_ = false;
  enable(poller_awake);
}

int call_poller::start() {
  const int e = ::pthread_create(&thread_, nullptr, &thread_main, this);
  started_ = e == 0;
  return e;
}

void call_poller::stop() noexcept {
  if (!started_) return;
  {
    const std::scoped_lock lock(lock_);
    ending_ = true;
    generation_.fetch_add(1, std::memory_order_release);
  }
  changed_.notify_one();
  ::pthread_join(thread_, nullptr);
  started_ = false;
}

void call_poller::add(std::shared_ptr<ring_member> member) {
  const std::scoped_lock lock(lock_);
  members_.push_back(std::move(member));
  generation_.fetch_add(1, std::memory_order_release);
}

void call_poller::remove(const ring_member& member) noexcept {
  const std::scoped_lock lock(lock_);
  std::erase_if(members_, [&](const auto& m) { return m.get() == &member; });
  generation_.fetch_add(1, std::memory_order_release);
}

void call_poller::call_came_out() noexcept {
  const std::uint64_t now = now_ns();
  if (now - last_call_.exchange(now, std::memory_order_relaxed) > close_ns) return;
  if (now < asleep_until_.load(std::memory_order_relaxed)) return;
  {
    const std::scoped_lock lock(lock_);
    wanted_ = true;
  }
  changed_.notify_one();
}

std::chrono::nanoseconds call_poller::cpu_time() const noexcept {
  clockid_t id{};
  timespec used{};
  if (!started_ || ::pthread_getcpuclockid(thread_, &id) != 0 || ::clock_gettime(id, &used) != 0) return {};
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

void* call_poller::thread_main(void* self) {
  static_cast<call_poller*>(self)->run();
  return nullptr;
}

// One look at all slots. True: a call was there.
bool call_poller::look(const members& all) {
  bool found = false;
  for (const auto& m : all) {
    if (!m->call_waits() || !m->try_hold()) continue;
    if (m->call_waits() && !m->paused()) {
      found = true;
      if (const auto value = serve_(*m, m->take())) {
        m->answer(*value);
        served_.fetch_add(1, std::memory_order_relaxed);
      } else {
        m->refuse();
      }
    }
    m->release();
  }
  return found;
}

void call_poller::refresh(members& all) {
  const std::scoped_lock lock(lock_);
  all = members_;
}

// False: the poller is to end. A call that is laid down while it falls asleep comes out by itself, a little
// later.
bool call_poller::sleep(members& all) {
  awake_.store(false, std::memory_order_release);
  for (const auto& m : all) m->enable(false);
  std::unique_lock lock(lock_);
  changed_.wait(lock, [this] { return wanted_ || ending_; });
  wanted_ = false;
  all = members_;
  if (ending_) return false;
  awake_.store(true, std::memory_order_release);
  // A paused thread resumes when its call has come out.
  for (const auto& m : all) {
    if (!m->try_hold()) continue;
    if (!m->paused()) m->enable(true);
    m->release();
  }
  return true;
}

void call_poller::back_off(bool was_of_use) noexcept {
  pause_ns_ = was_of_use ? 0 : std::clamp(2 * pause_ns_, first_pause_ns, longest_pause_ns);
  asleep_until_.store(now_ns() + pause_ns_, std::memory_order_relaxed);
}

void call_poller::run() {
  members all;
  std::uint64_t seen = 0, served_before = 0;
  if (!sleep(all)) return;
  auto last_found = std::chrono::steady_clock::now();
  for (unsigned looks = 1;; ++looks) {
    if (const std::uint64_t g = generation_.load(std::memory_order_acquire); g != seen) {
      seen = g;
      refresh(all);
      const std::scoped_lock lock(lock_);
      if (ending_) return;
    }
    if (look(all)) {
      last_found = std::chrono::steady_clock::now();
      continue;
    }
    _mm_pause();
    if (looks % looks_per_clock != 0) continue;
    if (std::chrono::steady_clock::now() - last_found < idle_time) continue;
    back_off(served() != served_before);
    if (!sleep(all)) return;
    served_before = served();
    last_found = std::chrono::steady_clock::now();
  }
}

}  // namespace osvm::unikernel
