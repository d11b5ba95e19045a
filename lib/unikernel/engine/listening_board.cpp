#include "unikernel/engine/listening_board.hpp"

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include <algorithm>

namespace osvm::unikernel {
namespace {

std::pair<int, std::uint32_t> key_of(const listener& l) {
  return {static_cast<int>(l.kind), l.port};
}

error not_granted(const listener& which) {
  return {osvm::errc::denied, fmt::format("guest port {} is not granted", which.port)};
}

}  // namespace

void listening_board::grant(std::span<const listener> all) {
  const std::scoped_lock lock(lock_);
  for (const listener& l : all) listeners_[key_of(l)];
}

void listening_board::ready(const listener& which, endpoint where) {
  std::vector<engine::listening_handler> handlers;
  {
    const std::scoped_lock lock(lock_);
    if (over_) return;
    state& s = listeners_[key_of(which)];
    s.where = where;
    handlers.swap(s.handlers);
  }
  changed_.notify_all();
  for (auto& h : handlers) complete(std::move(h), where);
}

std::vector<endpoint> listening_board::close() {
  std::vector<engine::listening_handler> abandoned;
  std::vector<endpoint> were_ready;
  {
    const std::scoped_lock lock(lock_);
    over_ = true;
    for (auto& [key, s] : listeners_) {
      if (s.where) were_ready.push_back(std::move(*s.where));
      s.where.reset();
      for (auto& h : s.handlers) abandoned.push_back(std::move(h));
      s.handlers.clear();
    }
  }
  changed_.notify_all();
  for (auto& h : abandoned)
    complete(std::move(h), error(osvm::errc::closed, "the guest ended before it listened"));
  return were_ready;
}

void listening_board::complete(engine::listening_handler handler, result<endpoint> with) {
  boost::asio::post(executor_,
                    [h = std::move(handler), r = std::move(with)]() mutable { std::move(h)(std::move(r)); });
}

void listening_board::listening_async(listener which, engine::listening_handler handler) {
  std::optional<result<endpoint>> now;
  {
    const std::scoped_lock lock(lock_);
    const auto it = listeners_.find(key_of(which));
    if (it == listeners_.end()) {
      now = not_granted(which);
    } else if (over_) {
      now = error(osvm::errc::closed, "the guest has ended");
    } else if (it->second.where) {
      now = *it->second.where;
    } else {
      it->second.handlers.push_back(std::move(handler));
      return;
    }
  }
  complete(std::move(handler), std::move(*now));
}

result<endpoint> listening_board::wait(listener which, std::chrono::nanoseconds timeout) {
  std::unique_lock lock(lock_);
  const auto it = listeners_.find(key_of(which));
  if (it == listeners_.end()) return not_granted(which);
  const auto until = std::chrono::steady_clock::now() +
                     std::min<std::chrono::nanoseconds>(timeout, std::chrono::hours(24 * 365));
  if (!changed_.wait_until(lock, until, [&] { return it->second.where || over_; })) {
    return error(osvm::errc::timed_out, fmt::format("the guest does not listen on port {} yet", which.port));
  }
  if (!it->second.where) return error(osvm::errc::closed, "the guest ended before it listened");
  return *it->second.where;
}

}  // namespace osvm::unikernel
