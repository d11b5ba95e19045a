#include "unikernel/snapshot/descriptors.hpp"

#include "unikernel/files/descriptor.hpp"
#include "unikernel/process/process_state.hpp"

#include <osvm/unikernel/error.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace osvm::unikernel {
namespace {

constexpr std::size_t max_facts = std::size_t{4} << 20;  // an epoll set has a line for each descriptor

template <class T>
result<void> put_what(saved_description& out, result<T> made) {
  if (!made) return made.error();
  out.what = std::move(*made);
  return {};
}

result<void> save_what(process_state& process, const descriptor& d, saved_description& out) {
  const description& what = *d.what;
  if (what.standard >= 0) {
    out.what = saved_standard{what.standard};
    return {};
  }
  switch (what.kind) {
    case file_kind::null: out.what = saved_null{}; return {};
    case file_kind::regular:
    case file_kind::directory:
    case file_kind::calls:
    case file_kind::device: return put_what(out, save_file(d));
    case file_kind::pipe: return put_what(out, save_pipe(d));
    case file_kind::socket: return put_what(out, save_socket(d));
    case file_kind::epoll: return put_what(out, save_epoll(process, d));
    case file_kind::eventfd: return put_what(out, save_event(d));
    case file_kind::timerfd: return put_what(out, save_timer(d));
    case file_kind::signals: out.what = save_signal_fd(d); return {};
    case file_kind::memory: return cannot_snapshot("a memory file (memfd_create)");
    case file_kind::watch: return cannot_snapshot("a watch of files (inotify)");
    case file_kind::process: return cannot_snapshot("a descriptor of a process (pidfd)");
    case file_kind::stream:
    case file_kind::capture:
    case file_kind::log: break;
  }
  return cannot_snapshot("a descriptor that came from outside");
}

struct restorer {
  call_context& ctx;
  saved_ends& ends;
  using made = result<std::shared_ptr<descriptor>>;

  made operator()(const saved_null&) const {
    auto d = std::make_shared<descriptor>();
    d->what = std::make_shared<description>();
    return d;
  }
  made operator()(const saved_standard& s) const {
    auto d = ctx.process.descriptors.get(s.which);
    return d ? made(std::move(d)) : made(cannot_snapshot("a standard descriptor that is not there"));
  }
  made operator()(const saved_file& s) const { return restore_file(ctx, s); }
  made operator()(const saved_pipe& s) const { return restore_pipe(ctx, s, ends); }
  made operator()(const saved_event& s) const { return restore_event(s); }
  made operator()(const saved_timer& s) const { return restore_timer(s); }
  made operator()(const saved_signal_fd& s) const { return restore_signal_fd(ctx, s); }
  made operator()(const saved_epoll&) const { return restore_epoll(); }
  made operator()(const saved_socket& s) const { return restore_socket(ctx, s, ends); }
};

void set_common(description& what, const saved_description& saved) {
  what.nonblocking = saved.nonblocking;
  what.readable = saved.readable;
  what.writable = saved.writable;
  what.append = saved.append;
  what.receive_timeout_ns = saved.receive_timeout_ns;
  what.send_timeout_ns = saved.send_timeout_ns;
}

struct opened {
  const saved_description* saved = nullptr;
  std::shared_ptr<descriptor> first;
};

// Each number has a descriptor of its own, as dup(2) makes them.
result<void> put_numbers(call_context& ctx, const opened& o) {
  bool used = false;
  for (const saved_number& n : o.saved->numbers) {
    auto d = o.first;
    if (used) {
      d = std::make_shared<descriptor>();
      d->what = o.first->what;
      if (o.first->host) d->host = unique_fd(::fcntl(o.first->host.get(), F_DUPFD_CLOEXEC, 0));
      if (o.first->host && !d->host) return errno_error("descriptors of a clone");
    }
    used = true;
    if (const int r = ctx.process.descriptors.put(n.number, std::move(d), n.close_on_exec); r < 0)
      return errno_error("descriptors of a clone", -r);
  }
  return {};
}

}  // namespace

error cannot_snapshot(std::string what) {
  return {errc::cannot_snapshot, std::move(what)};
}

result<std::multimap<std::string, std::string>> descriptor_facts(int host) {
  const std::string path = "/proc/self/fdinfo/" + std::to_string(host);
  const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return errno_error(path);
  std::string text;
  char piece[4096];
  for (ssize_t n = 0; (n = ::read(file.get(), piece, sizeof piece)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(path);
    text.append(piece, static_cast<std::size_t>(n));
    if (text.size() > max_facts) return error(osvm::errc::limit_exceeded, path);
  }
  std::multimap<std::string, std::string> facts;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t value = line.find_first_not_of(" \t", colon + 1);
    facts.emplace(line.substr(0, colon), value == std::string::npos ? std::string() : line.substr(value));
  }
  return facts;
}

result<saved_descriptors> save_descriptors(process_state& process) {
  saved_descriptors all;
  std::map<const description*, std::size_t> known;
  for (const int number : process.descriptors.numbers()) {
    const auto d = process.descriptors.get(number);
    if (!d) continue;
    const saved_number as{number, process.descriptors.close_on_exec(number) == 1};
    if (const auto it = known.find(d->what.get()); it != known.end()) {
      all[it->second].numbers.push_back(as);
      continue;
    }
    saved_description s;
    s.numbers.push_back(as);
    s.nonblocking = d->what->nonblocking;
    s.readable = d->what->readable;
    s.writable = d->what->writable;
    s.append = d->what->append;
    s.receive_timeout_ns = d->what->receive_timeout_ns;
    s.send_timeout_ns = d->what->send_timeout_ns;
    OSVM_CHECK(save_what(process, *d, s));
    known.emplace(d->what.get(), all.size());
    all.push_back(std::move(s));
  }
  return all;
}

// All are opened before the first gets its number: the clone's standard descriptors keep theirs until then.
result<void> restore_descriptors(call_context& ctx, const saved_descriptors& saved) {
  saved_ends ends;
  std::vector<opened> all;
  for (const saved_description& s : saved) {
    OSVM_TRY(auto d, std::visit(restorer{ctx, ends}, s.what));
    if (!std::holds_alternative<saved_standard>(s.what)) set_common(*d->what, s);
    all.push_back({&s, std::move(d)});
  }
  ctx.process.descriptors.clear();
  for (const opened& o : all) OSVM_CHECK(put_numbers(ctx, o));
  for (const opened& o : all) {
    if (const auto* set = std::get_if<saved_epoll>(&o.saved->what))
      OSVM_CHECK(restore_watches(ctx, o.first, *set));
  }
  return {};
}

}  // namespace osvm::unikernel
