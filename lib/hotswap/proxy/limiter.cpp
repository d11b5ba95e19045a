#include "hotswap/proxy/limiter.hpp"

#include <algorithm>
#include <cstring>

namespace osvm::hotswap::detail {
namespace {

double burst_of(const rate_limit& l) noexcept {
  return l.burst > 0 ? l.burst : std::max(1.0, l.per_second);
}

}  // namespace

bool token_bucket::take(const rate_limit& limit, std::chrono::steady_clock::time_point now) noexcept {
  if (limit.per_second <= 0) return true;
  const double most = burst_of(limit);
  if (tokens_ < 0) {
    tokens_ = most;
  } else if (now > then_) {
    tokens_ = std::min(most, tokens_ + std::chrono::duration<double>(now - then_).count() * limit.per_second);
  }
  then_ = std::max(then_, now);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

bool token_bucket::full(const rate_limit& limit, std::chrono::steady_clock::time_point now) const noexcept {
  if (tokens_ < 0 || limit.per_second <= 0) return true;
  return tokens_ + std::chrono::duration<double>(now - then_).count() * limit.per_second >= burst_of(limit);
}

admission& admission::operator=(admission&& o) noexcept {
  if (this == &o) return *this;
  reset();
  of_ = std::move(o.of_);
  who_ = o.who_;
  held_ = std::exchange(o.held_, false);
  return *this;
}

void admission::reset() noexcept {
  if (std::exchange(held_, false) && of_) of_->leave(who_);
  of_.reset();
}

std::size_t limiter::hash::operator()(const std::array<std::uint8_t, 16>& ip) const noexcept {
  std::uint64_t a = 0, b = 0;
  std::memcpy(&a, ip.data(), 8);
  std::memcpy(&b, ip.data() + 8, 8);
  const std::uint64_t h = (a ^ b * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd;
  return h ^ h >> 32;
}

// Nothing is taken unless everything is there: a client over its own limit uses up nobody else's.
admission limiter::enter(const client_address& who, std::chrono::steady_clock::time_point now) {
  const auto refuse = [this] {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return admission();
  };
  if (inflight_.fetch_add(1) >= limits_.concurrency && limits_.concurrency != 0) {
    inflight_.fetch_sub(1);
    return refuse();
  }
  if (per_client() && !enter_client(who, now)) {
    inflight_.fetch_sub(1);
    return refuse();
  }
  admission let_in(shared_from_this(), who);
  if (limits_.rate.per_second > 0) {
    std::lock_guard lock(mutex_);
    if (!all_.take(limits_.rate, now)) return refuse();
  }
  return let_in;
}

bool limiter::enter_client(const client_address& who, std::chrono::steady_clock::time_point now) {
  auto& p = part_of(who);
  std::lock_guard lock(p.mutex);
  if (p.clients.size() >= max_clients / parts && !p.clients.contains(who.ip)) make_room(p);
  auto& c = p.clients[who.ip];
  if (limits_.per_client_concurrency != 0 && c.inflight >= limits_.per_client_concurrency) return false;
  if (!c.bucket.take(limits_.per_client, now)) return false;
  ++c.inflight;
  c.last = now;
  return true;
}

void limiter::leave(const client_address& who) noexcept {
  inflight_.fetch_sub(1);
  if (!per_client()) return;
  auto& p = part_of(who);
  std::lock_guard lock(p.mutex);
  const auto it = p.clients.find(who.ip);
  if (it != p.clients.end() && it->second.inflight != 0) --it->second.inflight;
}

std::size_t limiter::clients() {
  std::size_t n = 0;
  for (auto& p : parts_) {
    std::lock_guard lock(p.mutex);
    n += p.clients.size();
  }
  return n;
}

// Looks at a few only: a table that is full must not cost a walk through all of it.
void limiter::make_room(part& p) {
  auto oldest = p.clients.end();
  std::size_t seen = 0;
  for (auto it = p.clients.begin(); it != p.clients.end() && seen < 32; ++it, ++seen) {
    if (it->second.inflight != 0) continue;
    if (oldest == p.clients.end() || it->second.last < oldest->second.last) oldest = it;
  }
  if (oldest == p.clients.end()) oldest = p.clients.begin();
  p.clients.erase(oldest);
}

}  // namespace osvm::hotswap::detail
