#include "unikernel/signals/signal_fd.hpp"

#include "unikernel/syscalls/arguments.hpp"

#include <sys/signalfd.h>

#include <cstring>

namespace osvm::unikernel {
namespace {

signalfd_siginfo record_of(const siginfo_t& i) noexcept {
  signalfd_siginfo r{};
  r.ssi_signo = static_cast<std::uint32_t>(i.si_signo);
  r.ssi_errno = i.si_errno;
  r.ssi_code = i.si_code;
  if (i.si_code == SI_TIMER) {
    r.ssi_tid = static_cast<std::uint32_t>(i.si_timerid);
    r.ssi_overrun = static_cast<std::uint32_t>(i.si_overrun);
  } else if (i.si_code <= 0) {
    r.ssi_pid = static_cast<std::uint32_t>(i.si_pid);
    r.ssi_uid = i.si_uid;
  }
  r.ssi_ptr = reinterpret_cast<std::uint64_t>(i.si_value.sival_ptr);
  r.ssi_int = i.si_value.sival_int;
  return r;
}

bool scatter(call_context& ctx, std::span<const guest_range> to,
             const std::vector<signalfd_siginfo>& records) {
  memory_access memory(ctx.memory);
  const auto* bytes = reinterpret_cast<const std::byte*>(records.data());
  std::size_t left = records.size() * sizeof records[0];
  for (const guest_range& r : to) {
    const std::size_t n = std::min<std::uint64_t>(r.size, left);
    if (n && !memory.write(r.address, bytes, n)) return false;
    bytes += n;
    left -= n;
  }
  return true;
}

}  // namespace

std::int64_t read_signals(call_context& ctx, descriptor& d, std::span<const guest_range> to) {
  constexpr std::size_t most = 64;
  std::uint64_t size = 0;
  for (const guest_range& r : to) size += r.size;
  const std::size_t count = std::min<std::uint64_t>(size / sizeof(signalfd_siginfo), most);
  if (count == 0) return -EINVAL;
  const auto watch = std::static_pointer_cast<signal_watch>(d.what->extra);
  return until_done(ctx, d.host.get(), POLLIN, !d.what->nonblocking, std::nullopt, [&]() -> std::int64_t {
    std::vector<signalfd_siginfo> records;
    siginfo_t info{};
    while (records.size() < count && ctx.process.signals.take_one_of(ctx.thread, watch->mask.load(), info)) {
      records.push_back(record_of(info));
    }
    if (records.empty()) return -EAGAIN;
    if (!scatter(ctx, to, records)) return -EFAULT;
    return static_cast<std::int64_t>(records.size() * sizeof records[0]);
  });
}

}  // namespace osvm::unikernel
