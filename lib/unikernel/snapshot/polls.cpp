// epoll sets of a template. The host's kernel is asked what a set watches: it alone knows.
#include "unikernel/files/descriptor.hpp"
#include "unikernel/files/epoll_set.hpp"
#include "unikernel/process/process_state.hpp"
#include "unikernel/snapshot/descriptors.hpp"

#include <cstdio>

namespace osvm::unikernel {
namespace {

std::map<int, int> numbers_by_host(process_state& process) {
  std::map<int, int> all;
  for (const int number : process.descriptors.numbers()) {
    const auto d = process.descriptors.get(number);
    if (d && d->host) all.emplace(d->host.get(), number);
  }
  return all;
}

}  // namespace

result<saved_epoll> save_epoll(process_state& process, const descriptor& d) {
  saved_epoll out;
  OSVM_TRY(const auto all, descriptor_facts(d.host.get()));
  const auto numbers = numbers_by_host(process);
  const auto [begin, end] = all.equal_range("tfd");
  for (auto it = begin; it != end; ++it) {
    int host = 0;
    unsigned events = 0;
    unsigned long long data = 0;
    if (std::sscanf(it->second.c_str(), "%d events: %x data: %llx", &host, &events, &data) != 3)
      return cannot_snapshot("the host does not say what an epoll set watches");
    const auto number = numbers.find(host);
    // Closed, while a duplicate keeps it in the set.
    if (number == numbers.end()) return cannot_snapshot("an epoll set that watches a closed descriptor");
    out.watches.push_back({number->second, {.events = events, .data = {.u64 = data}}});
  }
  return out;
}

result<std::shared_ptr<descriptor>> restore_epoll() {
  auto d = std::make_shared<descriptor>();
  d->host.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!d->host) return errno_error("epoll");
  d->what = std::make_shared<description>();
  d->what->kind = file_kind::epoll;
  d->what->extra = std::make_shared<epoll_set>();
  return d;
}

result<void> restore_watches(call_context& ctx, const std::shared_ptr<descriptor>& set,
                             const saved_epoll& saved) {
  for (const auto& w : saved.watches) {
    const auto d = ctx.process.descriptors.get(w.number);
    epoll_event event = w.event;
    if (!d || ::epoll_ctl(set->host.get(), EPOLL_CTL_ADD, d->host.get(), &event) != 0)
      return errno_error("epoll");
    note_watch(*set, d, EPOLL_CTL_ADD, event);
  }
  return {};
}

}  // namespace osvm::unikernel
