#include "unikernel/instance_state.hpp"

#include "unikernel/events/channel.hpp"
#include "unikernel/files/quota.hpp"
#include "unikernel/policy/recorder.hpp"

#include <unistd.h>

#include <cerrno>
#include <new>

namespace osvm::unikernel {
namespace {

constexpr std::size_t max_denials = 256;      // distinct ones; the rest is counted under one name
constexpr std::size_t max_denial_text = 256;  // bytes of guest text that are kept

// Guest text as printable ASCII, so that a log or a terminal shows it and obeys nothing in it.
std::string escaped(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : text.substr(0, max_denial_text)) {
    const auto u = static_cast<unsigned char>(c);
    if (u >= 0x20 && u < 0x7f && c != '\\') {
      out += c;
    } else {
      out += {'\\', 'x', digits[u >> 4], digits[u & 15]};
    }
  }
  if (text.size() > max_denial_text) out += "...";
  return out;
}

}  // namespace

std::string capture_buffer::take() {
  std::lock_guard guard(lock);
  std::string taken = std::move(data);
  data.clear();
  const std::uint64_t one = 1;
  // Fails only when the counter is at its maximum, and then it is readable anyway.
  if (room) (void)!::write(room.get(), &one, sizeof one);
  return taken;
}

std::size_t capture_buffer::space() noexcept {
  if (data.size() < limit) return limit - data.size();
  std::uint64_t drained = 0;
  if (room) (void)!::read(room.get(), &drained, sizeof drained);
  return 0;
}

std::int64_t instance_state::deny(std::string_view what, std::string_view rule, int error) noexcept {
  try {
    if (recorder) recorder->denied(what, rule);
    std::string name = escaped(what);
    if (events && events->wants_denials()) events->denial(name, escaped(rule));
    std::lock_guard guard(denial_lock_);
    if (denials_.size() >= max_denials && !denials_.contains(name)) name = "(others)";
    denial& d = denials_[name];
    if (d.count++ == 0) {
      d.what = name;
      d.rule = name == "(others)" ? std::string() : escaped(rule);
    }
  } catch (const std::bad_alloc&) {
    // The call is denied all the same; only its record is lost.
  }
  return -error;
}

bool instance_state::may_jit() noexcept {
  if (recorder && policy.allow.jit) recorder->uses_jit();
  return policy.allow.jit;
}

std::vector<denial> instance_state::denials() const {
  std::lock_guard guard(denial_lock_);
  std::vector<denial> all;
  all.reserve(denials_.size());
  for (const auto& [name, d] : denials_) all.push_back(d);
  return all;
}

bool instance_state::charge_written(std::uint64_t bytes, quota_account* quota) noexcept {
  if (!charge_written(bytes)) return false;
  if (!quota || !rules.mount_quota || quota->take(bytes)) return true;
  (void)deny("a write beyond the quota of a mount", "a larger quota of the mount", ENOSPC);
  refund_written(bytes);
  return false;
}

void instance_state::refund_written(std::uint64_t bytes, quota_account* quota) noexcept {
  refund_written(bytes);
  if (quota && rules.mount_quota) quota->give_back(bytes);
}

bool instance_state::charge_written(std::uint64_t bytes) noexcept {
  std::uint64_t now = written_bytes.load(std::memory_order_relaxed);
  do {
    std::uint64_t sum = 0;
    const bool fits = !__builtin_add_overflow(now, bytes, &sum) && sum <= budgets.written_bytes;
    if (rules.write_budget && !fits) {
      (void)deny("a write beyond the budget", "--max-written SIZE", ENOSPC);
      return false;
    }
  } while (!written_bytes.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed));
  return true;
}

}  // namespace osvm::unikernel
