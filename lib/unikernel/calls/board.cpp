#include "unikernel/calls/board.hpp"

#include <osvm/guest.h>

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace osvm::unikernel {
namespace {

constexpr auto far = std::chrono::hours(24 * 365);
constexpr auto cpu_look = std::chrono::milliseconds(1);

std::string encode(std::uint64_t id, std::string_view function, std::string_view data) {
  const osvm_request_header head{id, static_cast<std::uint32_t>(function.size()),
                                 static_cast<std::uint32_t>(data.size())};
  std::string out;
  out.reserve(sizeof head + function.size() + data.size());
  out.append(reinterpret_cast<const char*>(&head), sizeof head);
  out.append(function);
  out.append(data);
  return out;
}

}  // namespace

result<std::uint64_t> call_board::post(std::string_view function, std::string_view data) {
  if (function.empty() || function.size() > max_call_name)
    return error(osvm::errc::invalid_argument, "a function's name has 1..255 bytes");
  if (data.size() > max_call_bytes) return error(osvm::errc::limit_exceeded, "a request of more than 16 MiB");
  const std::scoped_lock lock(lock_);
  if (closed_) return error(osvm::errc::closed, "the guest has ended");
  if (requests_.size() >= max_waiting || request_bytes_ + data.size() > max_waiting_bytes)
    return error(osvm::errc::limit_exceeded, "too many calls wait for the guest");
  const std::uint64_t id = next_id_++;
  requests_.push_back({id, encode(id, function, data)});
  request_bytes_ += data.size();
  calls_.emplace(id, waiting{});
  if (event_) (void)::eventfd_write(event_.get(), 1);
  return id;
}

// The lock is held.
void call_board::forget(std::uint64_t id) {
  calls_.erase(id);
  const auto it =
      std::find_if(requests_.begin(), requests_.end(), [&](const request& r) { return r.id == id; });
  if (it == requests_.end()) return;
  osvm_request_header head{};
  std::memcpy(&head, it->bytes.data(), sizeof head);
  request_bytes_ -= head.size;
  requests_.erase(it);
}

result<call_answer> call_board::call(std::string_view function, std::string_view request,
                                     const call_options& options,
                                     const std::function<std::chrono::nanoseconds()>& used) {
  const auto until = clock::now() + std::min<std::chrono::nanoseconds>(options.timeout, far);
  const bool limited = options.cpu_time.count() > 0;
  const auto begin = limited ? used() : std::chrono::nanoseconds(0);
  OSVM_TRY(const std::uint64_t id, post(function, request));
  std::unique_lock lock(lock_);
  waiting& mine = calls_.at(id);
  for (;;) {
    const auto look = limited ? std::min(until, clock::now() + cpu_look) : until;
    answered_.wait_until(lock, look, [&] { return mine.answer || mine.lost || closed_; });
    if (mine.answer) {
      call_answer answer = std::move(*mine.answer);
      calls_.erase(id);
      return answer;
    }
    if (mine.lost) {
      forget(id);
      return error(osvm::errc::closed, "the guest was reset");
    }
    if (closed_) {
      forget(id);
      return error(osvm::errc::closed, "the guest has ended");
    }
    if (clock::now() >= until) {
      forget(id);
      return error(osvm::errc::timed_out, "the guest did not answer in time");
    }
    if (!limited) continue;
    lock.unlock();
    const auto now = used();
    lock.lock();
    if (mine.answer || now - begin <= options.cpu_time) continue;
    forget(id);
    return error(osvm::errc::limit_exceeded, "the CPU time of the call is used up");
  }
}

void call_board::forget_taken() {
  const std::scoped_lock lock(lock_);
  for (auto& [id, w] : calls_) w.lost = w.lost || (w.taken && !w.answer);
  answered_.notify_all();
}

void call_board::close() {
  const std::scoped_lock lock(lock_);
  closed_ = true;
  answered_.notify_all();
}

unique_fd call_board::event() {
  const std::scoped_lock lock(lock_);
  if (!event_) event_ = unique_fd(::eventfd(requests_.empty() ? 0 : 1, EFD_CLOEXEC | EFD_NONBLOCK));
  return event_ ? event_.duplicate() : unique_fd();
}

std::int64_t call_board::take(std::size_t room, std::string& out) {
  const std::scoped_lock lock(lock_);
  if (requests_.empty()) {
    eventfd_t ignored = 0;
    if (event_) (void)::eventfd_read(event_.get(), &ignored);
    return -EAGAIN;
  }
  request& next = requests_.front();
  if (next.bytes.size() > room) return -EMSGSIZE;
  out = std::move(next.bytes);
  osvm_request_header head{};
  std::memcpy(&head, out.data(), sizeof head);
  request_bytes_ -= head.size;
  if (const auto it = calls_.find(head.id); it != calls_.end()) it->second.taken = true;
  requests_.pop_front();
  if (requests_.empty() && event_) {
    eventfd_t ignored = 0;
    (void)::eventfd_read(event_.get(), &ignored);
  }
  return static_cast<std::int64_t>(out.size());
}

std::int64_t call_board::answer(std::string_view bytes) {
  osvm_answer_header head{};
  if (bytes.size() < sizeof head) return -EINVAL;
  std::memcpy(&head, bytes.data(), sizeof head);
  if (bytes.size() != sizeof head + head.size) return -EINVAL;
  const std::scoped_lock lock(lock_);
  const auto it = calls_.find(head.id);
  if (it != calls_.end() && !it->second.answer) {
    it->second.answer = call_answer{head.status, std::string(bytes.substr(sizeof head))};
    answered_.notify_all();
  }
  return static_cast<std::int64_t>(bytes.size());
}

void readiness::mark() noexcept {
  const std::scoped_lock lock(lock_);
  ready_ = true;
  changed_.notify_all();
}

void readiness::close() noexcept {
  const std::scoped_lock lock(lock_);
  closed_ = true;
  changed_.notify_all();
}

result<void> readiness::wait(std::chrono::nanoseconds timeout) {
  std::unique_lock lock(lock_);
  const auto until = std::chrono::steady_clock::now() + std::min<std::chrono::nanoseconds>(timeout, far);
  if (!changed_.wait_until(lock, until, [&] { return ready_ || closed_; }))
    return error(osvm::errc::timed_out, "the guest does not wait for work yet");
  if (!ready_) return error(osvm::errc::closed, "the guest has ended");
  return {};
}

}  // namespace osvm::unikernel
