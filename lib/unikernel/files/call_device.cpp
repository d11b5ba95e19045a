#include "unikernel/files/call_device.hpp"

#include "unikernel/instance_state.hpp"

#include <osvm/guest.h>

#include <poll.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

namespace osvm::unikernel {
namespace {

constexpr std::size_t max_answer = max_call_bytes + sizeof(osvm_answer_header);

std::uint64_t total_of(std::span<const guest_range> ranges) {
  std::uint64_t sum = 0;
  for (const auto& r : ranges) sum += r.size;
  return sum;
}

bool scatter(memory_access& memory, std::span<const guest_range> to, std::string_view bytes) {
  for (const auto& r : to) {
    const std::size_t n = std::min<std::uint64_t>(r.size, bytes.size());
    if (n != 0 && !memory.write(r.address, bytes.data(), n)) return false;
    bytes.remove_prefix(n);
  }
  return true;
}

}  // namespace

std::int64_t read_call(call_context& ctx, descriptor& d, std::span<const guest_range> to) {
  std::string bytes;
  for (;;) {
    const std::int64_t r = ctx.instance.calls.take(total_of(to), bytes);
    if (r >= 0) {
      memory_access memory(ctx.memory);
      return scatter(memory, to, bytes) ? r : -EFAULT;
    }
    if (r == -EAGAIN) ctx.instance.readiness.reached();
    if (r != -EAGAIN || d.what->nonblocking) return r;
    const wait_result w = ctx.thread.wait.wait_fd(d.host.get(), POLLIN, std::nullopt);
    if (w == wait_result::interrupted) return code(interrupted_call::restart);
    if (w == wait_result::timed_out) return -EINTR;  // the instance's time is over
  }
}

std::int64_t write_answer(call_context& ctx, std::span<const guest_range> from) {
  const std::uint64_t size = total_of(from);
  if (size > max_answer) return -EMSGSIZE;
  std::string bytes(size, '\0');
  std::size_t done = 0;
  memory_access memory(ctx.memory);
  for (const auto& r : from) {
    if (r.size != 0 && !memory.read(r.address, bytes.data() + done, r.size)) return -EFAULT;
    done += r.size;
  }
  return ctx.instance.calls.answer(bytes);
}

}  // namespace osvm::unikernel
