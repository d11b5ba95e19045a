#include "debug_socket.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace osvm::cli {

result<std::unique_ptr<debug_socket>> debug_socket::open(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return error(errc::invalid_argument, "--gdb: the socket's path is empty or too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  unique_fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return errno_error("socket");
  // The mode of the socket's file is this descriptor's: nobody can connect in between.
  if (::fchmod(listener.get(), 0600) != 0 ||
      ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return errno_error("--gdb " + path);
  auto made = std::make_unique<debug_socket>(std::move(listener), path);
  if (::chmod(path.c_str(), 0600) != 0 || ::listen(made->listener_.get(), 1) != 0)
    return errno_error("--gdb " + path);
  return made;
}

debug_socket::debug_socket(unique_fd listener, std::string path)
    : listener_(std::move(listener)), stop_(::eventfd(0, EFD_CLOEXEC)), path_(std::move(path)) {}

debug_socket::~debug_socket() {
  stop();
  (void)::unlink(path_.c_str());
}

void debug_socket::serve(unikernel::instance& guest, std::function<void(const error&)> report) {
  thread_ = std::thread([this, &guest, report = std::move(report)] { accept_all(guest, report); });
}

void debug_socket::stop() noexcept {
  {
    const std::scoped_lock lock(lock_);
    stopping_ = true;
    if (connection_ >= 0) (void)::shutdown(connection_, SHUT_RD);
  }
  (void)::eventfd_write(stop_.get(), 1);
  if (thread_.joinable()) thread_.join();
}

void debug_socket::accept_all(unikernel::instance& guest, const std::function<void(const error&)>& report) {
  for (;;) {
    std::array<pollfd, 2> waits{{{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return;
    if (waits[1].revents != 0) return;
    const unique_fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) continue;
    {
      const std::scoped_lock lock(lock_);
      if (stopping_) return;
      connection_ = connection.get();
    }
    if (const auto served = guest.debug(connection.get()); !served) report(served.error());
    const std::scoped_lock lock(lock_);
    connection_ = -1;
  }
}

result<std::unique_ptr<core_output>> core_output::open(const std::string& path) {
  unique_fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return errno_error("--core " + path);
  return std::make_unique<core_output>(std::move(file), path);
}

bool core_output::written() const noexcept {
  struct stat st {};
  return ::fstat(file_.get(), &st) == 0 && st.st_size > 0;
}

core_output::~core_output() {
  if (!written()) (void)::unlink(path_.c_str());
}

}  // namespace osvm::cli
