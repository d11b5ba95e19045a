// eventfd, timerfd and signalfd of a template.
#include "unikernel/files/descriptor.hpp"
#include "unikernel/process/process_state.hpp"
#include "unikernel/snapshot/descriptors.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <charconv>

namespace osvm::unikernel {
namespace {

using facts = std::multimap<std::string, std::string>;

result<std::uint64_t> number_in(const facts& all, const std::string& name, int base) {
  const auto it = all.find(name);
  std::uint64_t value = 0;
  if (it == all.end()) return cannot_snapshot("the host does not say " + name);
  const std::string& text = it->second;
  if (std::from_chars(text.data(), text.data() + text.size(), value, base).ec != std::errc())
    return cannot_snapshot("the host does not say " + name);
  return value;
}

std::shared_ptr<descriptor> describe(file_kind kind, unique_fd host) {
  auto d = std::make_shared<descriptor>();
  d->host = std::move(host);
  d->what = std::make_shared<description>();
  d->what->kind = kind;
  return d;
}

}  // namespace

result<saved_event> save_event(const descriptor& d) {
  saved_event out;
  OSVM_TRY(const auto all, descriptor_facts(d.host.get()));
  OSVM_TRY(out.count, number_in(all, "eventfd-count", 16));
  const auto semaphore = number_in(all, "eventfd-semaphore", 10);  // kernels before 6.5 do not say
  out.semaphore = semaphore && *semaphore != 0;
  return out;
}

result<std::shared_ptr<descriptor>> restore_event(const saved_event& saved) {
  unique_fd host(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | (saved.semaphore ? EFD_SEMAPHORE : 0)));
  if (!host) return errno_error("eventfd");
  if (saved.count != 0 && ::write(host.get(), &saved.count, sizeof saved.count) < 0)
    return errno_error("eventfd");
  return describe(file_kind::eventfd, std::move(host));
}

result<saved_timer> save_timer(const descriptor& d) {
  saved_timer out;
  OSVM_TRY(const auto all, descriptor_facts(d.host.get()));
  OSVM_TRY(const auto clock, number_in(all, "clockid", 10));
  OSVM_TRY(const auto ticks, number_in(all, "ticks", 10));
  out.clock = static_cast<int>(clock);
  if (::timerfd_gettime(d.host.get(), &out.left) != 0) return errno_error("timerfd");
  // It has expired and was not read yet: it does so again at once.
  if (ticks != 0) out.left.it_value = {0, 1};
  return out;
}

result<std::shared_ptr<descriptor>> restore_timer(const saved_timer& saved) {
  unique_fd host(::timerfd_create(saved.clock, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!host) return errno_error("timerfd");
  const bool armed = saved.left.it_value.tv_sec != 0 || saved.left.it_value.tv_nsec != 0;
  if (armed && ::timerfd_settime(host.get(), 0, &saved.left, nullptr) != 0) return errno_error("timerfd");
  return describe(file_kind::timerfd, std::move(host));
}

saved_signal_fd save_signal_fd(const descriptor& d) {
  return {std::static_pointer_cast<signal_watch>(d.what->extra)->mask.load()};
}

result<std::shared_ptr<descriptor>> restore_signal_fd(call_context& ctx, const saved_signal_fd& saved) {
  unique_fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return errno_error("signalfd");
  unique_fd host(::fcntl(event.get(), F_DUPFD_CLOEXEC, 0));
  if (!host) return errno_error("signalfd");
  const auto watch = std::make_shared<signal_watch>(std::move(event));
  watch->mask.store(saved.mask);
  auto d = describe(file_kind::signals, std::move(host));
  d->what->extra = watch;
  ctx.process.signals.watch(watch);
  return d;
}

}  // namespace osvm::unikernel
