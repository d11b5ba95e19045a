#include "unikernel/files/memory_charge.hpp"

#include "unikernel/instance_state.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace osvm::unikernel {

std::shared_ptr<memory_charge> memory_charge::take(call_context& ctx, std::uint64_t bytes) {
  auto charge = std::make_shared<memory_charge>(ctx.instance.object_bytes);
  return charge->resize(ctx, bytes) ? charge : nullptr;
}

bool memory_charge::resize(call_context& ctx, std::uint64_t bytes) {
  const std::lock_guard guard(lock_);
  if (bytes > bytes_) {
    const std::uint64_t more = bytes - bytes_;
    const std::uint64_t after = counter_->fetch_add(more) + more;
    if (after + ctx.instance.memory->bytes() > ctx.instance.budgets.memory_bytes &&
        ctx.instance.rules.memory_budget) {
      counter_->fetch_sub(more);
      return false;
    }
  } else {
    counter_->fetch_sub(bytes_ - bytes);
  }
  bytes_ = bytes;
  return true;
}

void memory_charge::settle(std::uint64_t bytes) noexcept {
  const std::lock_guard guard(lock_);
  counter_->fetch_add(bytes - bytes_);  // modulo 2^64: may shrink
  bytes_ = bytes;
}

std::shared_ptr<descriptor> make_memory_file(call_context& ctx, std::uint64_t size, std::string path) {
  auto d = std::make_shared<descriptor>();
  d->host.reset(::memfd_create("osvm-guest", MFD_CLOEXEC));
  if (!d->host || ::ftruncate(d->host.get(), static_cast<off_t>(page_ceil(size))) != 0) return nullptr;
  d->what = std::make_shared<description>();
  d->what->kind = file_kind::memory;
  d->what->extra = memory_charge::take(ctx, 0);
  d->what->guest_path = std::move(path);
  errno = ENOSPC;
  return d->what->extra ? d : nullptr;
}

void settle_memory_file(const descriptor& d) noexcept {
  struct stat st {};
  constexpr std::uint64_t block = 512;
  if (::fstat(d.host.get(), &st) != 0) return;
  static_cast<memory_charge*>(d.what->extra.get())->settle(static_cast<std::uint64_t>(st.st_blocks) * block);
}

bool reserve_memory_file(call_context& ctx, const descriptor& d, std::uint64_t more) {
  struct stat st {};
  if (::fstat(d.host.get(), &st) != 0) return false;
  constexpr std::uint64_t block = 512;
  const std::uint64_t held = static_cast<std::uint64_t>(st.st_blocks) * block;
  return static_cast<memory_charge*>(d.what->extra.get())->resize(ctx, held + more);
}

bool charge_memory_file(call_context& ctx, const descriptor& d) {
  return reserve_memory_file(ctx, d, 0);
}

}  // namespace osvm::unikernel
