#include "unikernel/trace/call_text.hpp"

#include "unikernel/sockets/socket_state.hpp"
#include "unikernel/trace/words.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

namespace osvm::unikernel {
namespace {

using k = argument_kind;

constexpr std::size_t max_items = 4;  // of an array that are shown
constexpr std::size_t max_path_shown = 256;

// Quoted, as C writes it. `more`: the guest's buffer goes on.
std::string quoted(std::string_view bytes, bool more) {
  std::string out = "\"";
  for (const char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (u >= 0x20 && u < 0x7f) {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", u);
    }
  }
  return out + (more ? "\"..." : "\"");
}

std::string pointer(std::uint64_t va) {
  return va == 0 ? "NULL" : fmt::format("{:#x}", va);
}

template <class T>
bool load(call_context& ctx, std::uint64_t va, T& out) {
  return va != 0 && memory_access(ctx.memory).read(va, out);
}

std::string data(call_context& ctx, std::uint64_t va, std::uint64_t size) {
  std::string bytes(std::min<std::uint64_t>(size, trace_string_bytes), '\0');
  if (va == 0 || !memory_access(ctx.memory).read(va, bytes.data(), bytes.size())) return pointer(va);
  return quoted(bytes, size > bytes.size());
}

std::string path(call_context& ctx, std::uint64_t va) {
  std::string text;
  if (va == 0) return "NULL";
  const int r = memory_access(ctx.memory).read_string(va, 4095, text);
  if (r == -EFAULT) return pointer(va);
  return quoted(std::string_view(text).substr(0, max_path_shown), r < 0 || text.size() > max_path_shown);
}

std::string seconds(std::int64_t whole, std::int64_t part, const char* unit) {
  return fmt::format("{{tv_sec={}, {}={}}}", whole, unit, part);
}
std::string time_spec(call_context& ctx, std::uint64_t va) {
  timespec t{};
  return load(ctx, va, t) ? seconds(t.tv_sec, t.tv_nsec, "tv_nsec") : pointer(va);
}
std::string time_val(call_context& ctx, std::uint64_t va) {
  timeval t{};
  return load(ctx, va, t) ? seconds(t.tv_sec, t.tv_usec, "tv_usec") : pointer(va);
}
std::string timer_spec(call_context& ctx, std::uint64_t va) {
  itimerspec t{};
  if (!load(ctx, va, t)) return pointer(va);
  return "{it_interval=" + seconds(t.it_interval.tv_sec, t.it_interval.tv_nsec, "tv_nsec") +
         ", it_value=" + seconds(t.it_value.tv_sec, t.it_value.tv_nsec, "tv_nsec") + "}";
}

std::string limits(call_context& ctx, std::uint64_t va) {
  rlimit l{};
  if (!load(ctx, va, l)) return pointer(va);
  const auto one = [](rlim_t v) {
    return v == RLIM_INFINITY ? std::string("RLIM64_INFINITY") : std::to_string(v);
  };
  return "{rlim_cur=" + one(l.rlim_cur) + ", rlim_max=" + one(l.rlim_max) + "}";
}

std::string signals(call_context& ctx, std::uint64_t va) {
  std::uint64_t set = 0;
  if (!load(ctx, va, set)) return pointer(va);
  if (set == ~std::uint64_t{0}) return "~[]";
  std::string out = "[";
  for (int s = 1; s <= 64; ++s) {
    if ((set >> (s - 1) & 1) == 0) continue;
    if (out.size() > 1) out += ' ';
    const char* name = signal_name(s);
    out += name ? name + 3 : fmt::format("RT_{}", s - 32);
  }
  return out + "]";
}

std::string action(call_context& ctx, std::uint64_t va) {
  struct kernel_sigaction {
    std::uint64_t handler, flags, restorer, mask;
  } a{};
  if (!load(ctx, va, a)) return pointer(va);
  const std::string handler = a.handler == 0   ? "SIG_DFL"
                              : a.handler == 1 ? "SIG_IGN"
                                               : fmt::format("{:#x}", a.handler);
  return fmt::format("{{sa_handler={}, sa_mask={:#x}, sa_flags={:#x}}}", handler, a.mask, a.flags);
}

std::string status(call_context& ctx, std::uint64_t va) {
  struct stat st {};
  if (!load(ctx, va, st)) return pointer(va);
  const char* type = file_type_name(st.st_mode);
  return fmt::format("{{st_mode={}|{:#o}, st_size={}, ...}}", type ? type : "0", st.st_mode & 07777U,
                     st.st_size);
}

std::string address_of(call_context& ctx, std::uint64_t va, std::uint64_t size) {
  std::array<std::byte, sizeof(sockaddr_storage)> raw{};
  const std::size_t length = std::min<std::uint64_t>(size, raw.size());
  if (va == 0 || length < 2 || !memory_access(ctx.memory).read(va, raw.data(), length)) return pointer(va);
  sa_family_t family = 0;
  std::memcpy(&family, raw.data(), sizeof family);
  if (family == AF_UNIX) {
    const std::string_view name(reinterpret_cast<const char*>(raw.data()) + 2, length - 2);
    if (!name.empty() && name.front() == '\0')
      return "{sa_family=AF_UNIX, sun_path=@" + quoted(name.substr(1), false) + "}";
    return "{sa_family=AF_UNIX, sun_path=" + quoted(name.substr(0, name.find('\0')), false) + "}";
  }
  guest_address a;
  if (!parse_address(std::span(raw).first(length), family, a))
    return fmt::format("{{sa_family={}, ...}}", family);
  if (family == AF_VSOCK)
    return fmt::format("{{sa_family=AF_VSOCK, svm_cid={:#x}, svm_port={}}}", a.cid, a.port);
  char text[INET6_ADDRSTRLEN] = "?";
  ::inet_ntop(family, a.ip.data(), text, sizeof text);
  return family == AF_INET
             ? fmt::format("{{sa_family=AF_INET, sin_port={}, sin_addr=\"{}\"}}", a.port, text)
             : fmt::format("{{sa_family=AF_INET6, sin6_port={}, sin6_addr=\"{}\"}}", a.port, text);
}

std::string written_address(call_context& ctx, std::uint64_t va, std::uint64_t size_va) {
  std::uint32_t size = 0;
  return load(ctx, size_va, size) ? address_of(ctx, va, size) : pointer(va);
}

// [{iov_base="…", iov_len=n}, …]: `bytes` of them hold something.
std::string ranges(call_context& ctx, std::uint64_t va, std::uint64_t count, std::uint64_t bytes) {
  struct range {
    std::uint64_t address, size;
  };
  std::string out = "[";
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, max_items); ++i) {
    range r{};
    if (!load(ctx, va + i * sizeof r, r)) return pointer(va);
    const std::uint64_t shown = std::min(bytes, r.size);
    bytes -= shown;
    out +=
        fmt::format("{}{{iov_base={}, iov_len={}}}", i == 0 ? "" : ", ", data(ctx, r.address, shown), r.size);
  }
  return out + (count > max_items ? ", ...]" : "]");
}

std::string message(call_context& ctx, std::uint64_t va, std::uint64_t bytes) {
  struct kernel_msghdr {
    std::uint64_t name;
    std::uint32_t name_size, unused;
    std::uint64_t iov, iov_count, control, control_size;
    std::uint32_t flags;
  } m{};
  if (!load(ctx, va, m)) return pointer(va);
  return fmt::format("{{msg_name={}, msg_iov={}, msg_iovlen={}, msg_controllen={}}}",
                     m.name ? address_of(ctx, m.name, m.name_size) : "NULL",
                     ranges(ctx, m.iov, m.iov_count, bytes), m.iov_count, m.control_size);
}

std::string events_of(unsigned events) {
  static constexpr std::pair<unsigned, const char*> names[] = {
      {EPOLLIN, "IN"},           {EPOLLOUT, "OUT"},
      {EPOLLPRI, "PRI"},         {EPOLLERR, "ERR"},
      {EPOLLHUP, "HUP"},         {EPOLLET, "ET"},
      {EPOLLRDHUP, "RDHUP"},     {POLLNVAL, "NVAL"},
      {EPOLLONESHOT, "ONESHOT"}, {EPOLLEXCLUSIVE, "EXCLUSIVE"}};
  std::string out;
  for (const auto& [bit, name] : names) {
    if ((events & bit) == 0) continue;
    out += (out.empty() ? "" : "|") + std::string(name);
    events &= ~bit;
  }
  if (events != 0) out += fmt::format("{}{:#x}", out.empty() ? "" : "|", events);
  return out.empty() ? "0" : out;
}

std::string epoll_events(call_context& ctx, std::uint64_t va, std::int64_t count) {
  std::string out = "[";
  for (std::int64_t i = 0; i < std::min<std::int64_t>(count, max_items); ++i) {
    epoll_event e{};
    if (!load(ctx, va + static_cast<std::uint64_t>(i) * sizeof e, e)) return pointer(va);
    out += fmt::format("{}{{events={}, data={:#x}}}", i == 0 ? "" : ", ", events_of(e.events),
                       std::uint64_t{e.data.u64});
  }
  return out + (count > static_cast<std::int64_t>(max_items) ? ", ...]" : "]");
}

std::string poll_descriptors(call_context& ctx, std::uint64_t va, std::uint64_t count) {
  std::string out = "[";
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, max_items); ++i) {
    pollfd p{};
    if (!load(ctx, va + i * sizeof p, p)) return pointer(va);
    out += fmt::format("{}{{fd={}, events={}}}", i == 0 ? "" : ", ", p.fd,
                       events_of(static_cast<std::uint16_t>(p.events)));
  }
  return out + (count > max_items ? ", ...]" : "]");
}

std::string descriptor_pair(call_context& ctx, std::uint64_t va) {
  std::array<int, 2> pair{};
  return load(ctx, va, pair) ? fmt::format("[{}, {}]", pair[0], pair[1]) : pointer(va);
}

bool shown_after(argument_kind kind) {
  switch (kind) {
    case k::path_out:
    case k::data_out:
    case k::iovec_out:
    case k::fd_pair_out:
    case k::stat_out:
    case k::dirents_out:
    case k::epoll_events_out:
    case k::sigaction_out:
    case k::sigset_out:
    case k::sockaddr_out:
    case k::msghdr:
    case k::timespec_out:
    case k::timeval_out:
    case k::itimerspec_out:
    case k::rlimit_out: return true;
    default: return false;
  }
}

bool never_returns(std::uint64_t number) {
  return number == 15 || number == 60 || number == 231;
}
bool returns_address(std::uint64_t number) {
  return number == 9 || number == 12 || number == 25 || number == 30;
}

}  // namespace

std::string result_text(std::uint64_t number, std::int64_t result) {
  if (never_returns(number)) return "?";
  if (returns_address(number) && (result >= 0 || result < -4095))
    return fmt::format("{:#x}", static_cast<std::uint64_t>(result));
  if (result >= 0 || result < -4095) return std::to_string(result);
  const int e = static_cast<int>(-result);
  const char* name = errno_name(e);
  return fmt::format("-1 {} ({})", name ? name : fmt::format("errno {}", e),
                     e < 512 ? ::strerrordesc_np(e) : "to be restarted");
}

call_text::call_text(call_context& ctx, std::uint64_t number)
    : ctx_(ctx), number_(number), info_(find_call(number)) {
  std::copy_n(ctx.args, 6, given_);
  if (!info_) return;
  for (unsigned i = 0; i < 6; ++i) {
    if (info_->arguments[i] != k::end && !shown_after(info_->arguments[i])) before(i);
  }
}

void call_text::before(unsigned i) {
  const std::uint64_t v = given_[i];
  const std::uint64_t next = i < 5 ? given_[i + 1] : 0;
  std::string& out = arguments_[i];
  switch (info_->arguments[i]) {
    case k::end:
    case k::nothing: return;
    case k::number:
    case k::milliseconds:
    case k::fd: out = std::to_string(static_cast<std::int32_t>(v)); return;
    case k::count:
    case k::size: out = std::to_string(v); return;
    case k::offset: out = std::to_string(static_cast<std::int64_t>(v)); return;
    case k::hex: out = fmt::format("{:#x}", v); return;
    case k::mode: out = fmt::format("{:#o}", v & 0xffffU); return;
    case k::directory:
      out = static_cast<std::int32_t>(v) == AT_FDCWD ? "AT_FDCWD"
                                                     : std::to_string(static_cast<std::int32_t>(v));
      return;
    case k::signal_number: {
      const char* name = signal_name(static_cast<int>(v));
      out = name ? name : std::to_string(static_cast<std::int32_t>(v));
      return;
    }
    case k::path: out = path(ctx_, v); return;
    case k::data_in: out = data(ctx_, v, next); return;
    case k::iovec_in: out = ranges(ctx_, v, next, ~std::uint64_t{0}); return;
    case k::pollfds: out = poll_descriptors(ctx_, v, next); return;
    case k::epoll_event_in: out = v == 0 ? "NULL" : epoll_events(ctx_, v, 1); return;
    case k::sigaction_in: out = action(ctx_, v); return;
    case k::sigset_in: out = signals(ctx_, v); return;
    case k::sockaddr_in: out = address_of(ctx_, v, next); return;
    case k::timespec_in: out = time_spec(ctx_, v); return;
    case k::timeval_in: out = time_val(ctx_, v); return;
    case k::itimerspec_in: out = timer_spec(ctx_, v); return;
    case k::rlimit_in: out = limits(ctx_, v); return;
    default: break;
  }
  if (!append_words(out, info_->arguments[i], v)) out = pointer(v);
}

void call_text::after(unsigned i, std::int64_t result) {
  const std::uint64_t v = given_[i];
  const std::uint64_t next = i < 5 ? given_[i + 1] : 0;
  std::string& out = arguments_[i];
  if (result < 0 && result >= -4095 && info_->arguments[i] != k::msghdr) {  // nothing was written
    out = pointer(v);
    return;
  }
  const auto bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(result, 0));
  switch (info_->arguments[i]) {
    case k::path_out: out = path(ctx_, v); return;
    case k::data_out: out = data(ctx_, v, bytes); return;
    case k::iovec_out: out = ranges(ctx_, v, next, bytes); return;
    case k::fd_pair_out: out = descriptor_pair(ctx_, v); return;
    case k::stat_out: out = status(ctx_, v); return;
    case k::dirents_out: out = fmt::format("{} /* {} bytes of entries */", pointer(v), bytes); return;
    case k::epoll_events_out: out = epoll_events(ctx_, v, result); return;
    case k::sigaction_out: out = action(ctx_, v); return;
    case k::sigset_out: out = signals(ctx_, v); return;
    case k::sockaddr_out: out = written_address(ctx_, v, next); return;
    case k::msghdr: out = message(ctx_, v, bytes); return;
    case k::timespec_out: out = time_spec(ctx_, v); return;
    case k::timeval_out: out = time_val(ctx_, v); return;
    case k::itimerspec_out: out = timer_spec(ctx_, v); return;
    case k::rlimit_out: out = limits(ctx_, v); return;
    default: return;
  }
}

std::string call_text::finish(std::int64_t result) {
  std::string line = info_ ? info_->name : fmt::format("syscall_{:#x}", number_);
  line += '(';
  if (info_ && info_->arguments[0] != k::end) {
    for (unsigned i = 0; i < 6 && info_->arguments[i] != k::end; ++i) {
      if (shown_after(info_->arguments[i])) after(i, result);
      if (i != 0) line += ", ";
      line += arguments_[i];
    }
  } else {
    for (unsigned i = 0; i < 6; ++i) line += fmt::format("{}{:#x}", i == 0 ? "" : ", ", given_[i]);
  }
  return line + ") = " + result_text(number_, result);
}

}  // namespace osvm::unikernel
