#include "unikernel/sockets/names.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace osvm::unikernel {
namespace {

constexpr std::size_t path_begins = offsetof(sockaddr_un, sun_path);
constexpr std::size_t most_names = 4096;  // of AF_UNIX in one instance, dead paths included
constexpr std::uint16_t first_port = 32768, last_port = 60999;

// "/proc/self/fd/<fd>/<name>": short, whatever the folder's own path is.
bool host_address(int folder, const std::string& name, sockaddr_un& out, socklen_t& size) {
  const std::string path = fmt::format("/proc/self/fd/{}/{}", folder, name);
  if (path.size() >= sizeof out.sun_path) return false;
  out.sun_family = AF_UNIX;
  std::memcpy(out.sun_path, path.c_str(), path.size() + 1);
  size = static_cast<socklen_t>(path_begins + path.size() + 1);
  return true;
}

std::string hex(const ip_bytes& ip, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += fmt::format("{:02x}", ip[i]);
  return text;
}

template <class T>
bool take_number(std::string_view& text, T& out, int base) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  if (failed != std::errc() || end == text.data()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.starts_with('.')) text.remove_prefix(1);
  return true;
}

bool take_ip(std::string_view& text, std::size_t count, ip_bytes& out) {
  if (text.size() < count * 2) return false;
  for (std::size_t i = 0; i < count; ++i) {
    const char* at = text.data() + i * 2;
    if (std::from_chars(at, at + 2, out[i], 16).ptr != at + 2) return false;
  }
  text.remove_prefix(count * 2);
  if (text.starts_with('.')) text.remove_prefix(1);
  return true;
}

// Whether two sockets of one port would both get what arrives for some address.
bool overlap(const bound_socket& a, const bound_socket& b) {
  const guest_address x = plain(a.address), y = plain(b.address);
  if (x.family == y.family) return x.ip == y.ip || is_any(x) || is_any(y);
  const auto& six = x.family == AF_INET6 ? a : b;
  return is_any(six.address) && !six.v6_only;
}

// How well a socket fits a destination: 0 not at all, higher is better.
int fit(const bound_socket& s, const guest_address& to) {
  const guest_address own = plain(s.address);
  if (own.family == to.family) return own.ip == to.ip ? 3 : is_any(own) ? 2 : 0;
  return own.family == AF_INET6 && is_any(own) && !s.v6_only ? 1 : 0;
}

}  // namespace

place_address::place_address(const bound_socket& to) {
  address.sun_family = AF_UNIX;
  const auto end =
      fmt::format_to_n(address.sun_path, sizeof address.sun_path - 1, "/proc/self/fd/{}", to.place.get());
  size = static_cast<socklen_t>(path_begins + end.size + 1);
}

socket_names::socket_names() {
  // Only keeps the names of instances apart that share a folder.
  if (::getrandom(&id_, sizeof id_, GRND_NONBLOCK) != sizeof id_) id_ = 0;
}

// Binds in the private folder and unlinks; with `opened`, keeps the inode reachable through its place.
std::int64_t socket_names::bind_hidden(int host, const std::string& name, bound_socket* opened) {
  std::string temporary;
  if (!folder_fd_) {
    if (folder_.empty()) {
      temporary = "/tmp/osvm-XXXXXX";
      if (!::mkdtemp(temporary.data())) return -ENOBUFS;
    }
    folder_fd_.reset(
        ::open((temporary.empty() ? folder_ : temporary).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  const auto attempt = [&]() -> std::int64_t {
    sockaddr_un address{};
    socklen_t size = 0;
    if (!folder_fd_) return errno == EMFILE ? -ENFILE : -ENOBUFS;
    if (!host_address(folder_fd_.get(), name, address, size)) return -ENAMETOOLONG;
    if (::fchmod(host, 0600) != 0) return -errno;
    if (::bind(host, reinterpret_cast<const sockaddr*>(&address), size) != 0) return -errno;
    std::int64_t r = 0;
    if (opened) {
      opened->place.reset(::openat(folder_fd_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      if (!opened->place) r = errno == EMFILE ? -ENFILE : -errno;
    }
    (void)::unlinkat(folder_fd_.get(), name.c_str(), 0);
    return r;
  };
  const std::int64_t r = attempt();
  if (!temporary.empty()) {
    folder_fd_.reset();
    (void)::rmdir(temporary.c_str());
  }
  return r;
}

std::string socket_names::name_for(const guest_address& address) {
  const std::string start = fmt::format(".{:08x}.{:x}.", id_, ++next_);
  if (!is_inet(address.family)) return start + "u";
  const std::size_t count = address.family == AF_INET ? 4 : 16;
  return start + fmt::format("{}.{}.{}", count, hex(address.ip, count), address.port);
}

guest_address socket_names::whose(const sockaddr_un& host, socklen_t size, int family) {
  const guest_address unnamed = is_inet(family) ? loopback(family, 0) : guest_address{.family = family};
  if (size <= path_begins || size > sizeof host) return unnamed;
  std::string_view text(host.sun_path, ::strnlen(host.sun_path, size - path_begins));
  const std::size_t slash = text.rfind('/');
  if (slash == std::string_view::npos || !text.substr(slash + 1).starts_with('.')) return unnamed;
  text.remove_prefix(slash + 2);
  std::uint32_t id = 0;
  std::uint64_t number = 0;
  if (!take_number(text, id, 16) || id != id_ || !take_number(text, number, 16)) return unnamed;
  if (!is_inet(family)) {
    const std::lock_guard guard(lock_);
    const auto it = numbers_.find(number);
    const auto found = it == numbers_.end() ? nullptr : it->second.lock();
    return found ? found->address : unnamed;
  }
  unsigned count = 0;
  guest_address out;
  if (!take_number(text, count, 10) || (count != 4 && count != 16)) return unnamed;
  out.family = count == 4 ? AF_INET : AF_INET6;
  if (!take_ip(text, count, out.ip) || !take_number(text, out.port, 10) || out.port > 65535) return unnamed;
  return as_seen_by(family, out);
}

bool socket_names::taken(const bound_socket& as) const {
  const auto [begin, end] = ports_.equal_range({as.type, as.address.port});
  return std::any_of(begin, end, [&](const auto& entry) {
    const auto other = entry.second.lock();
    return other && overlap(*other, as);
  });
}

bool socket_names::choose_port(bound_socket& as) {
  for (unsigned tries = 0; tries <= unsigned{last_port} - first_port; ++tries) {
    as.address.port = next_port_;
    next_port_ = next_port_ == last_port ? first_port : static_cast<std::uint16_t>(next_port_ + 1);
    if (!taken(as)) return true;
  }
  return false;
}

// bind() with nothing but the family: an abstract name of five digits, as Linux picks it.
std::int64_t socket_names::choose_name(bound_socket& as) {
  for (unsigned tries = 0; tries < most_names; ++tries) {
    as.address.name = std::string(1, '\0') + fmt::format("{:05x}", next_abstract_++ & 0xfffff);
    const auto it = unix_.find(as.address.name);
    if (it == unix_.end() || it->second.expired()) return 0;
  }
  return -ENOSPC;
}

// Sockets that were closed leave expired entries; only paths keep meaning something then.
void socket_names::forget_dead() {
  std::erase_if(ports_, [](const auto& e) { return e.second.expired(); });
  std::erase_if(numbers_, [](const auto& e) { return e.second.expired(); });
  std::erase_if(inodes_, [](const auto& e) { return e.second.expired(); });
  std::erase_if(unix_, [](const auto& e) { return e.second.expired() && e.first.starts_with('\0'); });
}

std::int64_t socket_names::insert(bound_socket as, std::shared_ptr<bound_socket>& out) {
  forget_dead();
  out = std::make_shared<bound_socket>(std::move(as));
  struct stat st {};
  if (::fstat(out->place.get(), &st) == 0) {
    out->device = st.st_dev;
    out->inode = st.st_ino;
    inodes_[{out->device, out->inode}] = out;
  }
  if (is_inet(out->address.family)) {
    ports_.emplace(port_key{out->type, out->address.port}, out);
  } else {
    numbers_[next_] = out;
    if (!out->address.name.empty() && !out->below_mount) unix_[out->address.name] = out;
  }
  return 0;
}

std::int64_t socket_names::bind(int host, bound_socket as, std::shared_ptr<bound_socket>& out) {
  const std::lock_guard guard(lock_);
  if (is_inet(as.address.family)) {
    if (as.address.port == 0 ? !choose_port(as) : taken(as)) return -EADDRINUSE;
  } else {
    if (unix_.size() >= most_names) return -ENOSPC;
    if (as.address.name.empty()) {
      if (const auto r = choose_name(as); r < 0) return r;
    }
    const auto it = unix_.find(as.address.name);
    const bool path = !as.address.name.starts_with('\0');
    if (it != unix_.end() && (path || !it->second.expired())) return -EADDRINUSE;
  }
  const std::string name = name_for(as.address);
  if (const std::int64_t r = bind_hidden(host, name, &as); r < 0) return r;
  return insert(std::move(as), out);
}

std::int64_t socket_names::enter(const std::string& host_path, bound_socket as,
                                 std::shared_ptr<bound_socket>& out) {
  const std::lock_guard guard(lock_);
  if (is_inet(as.address.family) && taken(as)) return -EADDRINUSE;
  as.place.reset(::open(host_path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!as.place) return errno == EMFILE ? -ENFILE : -EADDRNOTAVAIL;
  as.outside = true;
  ++next_;
  return insert(std::move(as), out);
}

std::int64_t socket_names::name_client(int host, guest_address& local) {
  const std::lock_guard guard(lock_);
  bound_socket as;
  as.type = SOCK_STREAM;
  as.address = local;
  if (local.port == 0 && !choose_port(as)) return -EADDRNOTAVAIL;
  local = as.address;
  return bind_hidden(host, name_for(local), nullptr);
}

std::shared_ptr<bound_socket> socket_names::find(int type, const guest_address& to, bool* known) {
  const std::lock_guard guard(lock_);
  if (!is_inet(to.family)) {
    const auto it = unix_.find(to.name);
    if (known) *known = it != unix_.end() && !to.name.starts_with('\0');
    return it == unix_.end() ? nullptr : it->second.lock();
  }
  guest_address at = plain(to);
  if (is_any(at)) at = loopback(at.family, at.port);
  std::shared_ptr<bound_socket> best;
  int best_fit = 0;
  const auto [begin, end] = ports_.equal_range({type, at.port});
  for (auto it = begin; it != end; ++it) {
    auto candidate = it->second.lock();
    if (!candidate) continue;
    if (const int f = fit(*candidate, at); f > best_fit) {
      best_fit = f;
      best = std::move(candidate);
    }
  }
  return best;
}

bool socket_names::published(std::uint32_t port) {
  const std::lock_guard guard(lock_);
  const auto [begin, end] = ports_.equal_range({SOCK_STREAM, port});
  return std::any_of(begin, end, [](const auto& entry) {
    const auto socket = entry.second.lock();
    return socket && socket->outside;
  });
}

std::shared_ptr<bound_socket> socket_names::find_inode(std::uint64_t device, std::uint64_t inode) {
  const std::lock_guard guard(lock_);
  const auto it = inodes_.find({device, inode});
  return it == inodes_.end() ? nullptr : it->second.lock();
}

bool socket_names::has_path(std::string_view path) {
  const std::lock_guard guard(lock_);
  return unix_.contains(path);
}

bool socket_names::remove_path(std::string_view path) {
  const std::lock_guard guard(lock_);
  const auto it = unix_.find(path);
  if (it == unix_.end()) return false;
  unix_.erase(it);
  return true;
}

}  // namespace osvm::unikernel
