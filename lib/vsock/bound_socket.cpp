#include "vsock/bound_socket.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <osvm/vsock/connect.hpp>

#include "vsock/unix_address.hpp"

namespace osvm::vsock {
namespace {

// Waiting clients beyond max_handshakes; the kernel caps it at net.core.somaxconn.
constexpr int listen_backlog = 1024;

// Whoever may write to the folder could replace the socket by another one and speak for the guest.
result<unique_fd> open_private_folder(const std::string& folder) {
  unique_fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error("open socket folder " + folder);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno_error("stat socket folder " + folder);
  if (info.st_uid != ::geteuid())
    return error(errc::denied, "socket folder " + folder + " belongs to another user");
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return error(errc::denied,
                 "others may write to socket folder " + folder + " (try: chmod 700 " + folder + ")");
  }
  return fd;
}

// Removes what stands at `path` when it is the socket of a process that is gone.
result<void> remove_dead_socket(int folder, const std::string& name, const std::string& path) {
  struct stat info {};
  if (::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? result<void>() : errno_error("stat " + path);
  }
  if (!S_ISSOCK(info.st_mode)) return error(errc::busy, path + " exists and is no socket");
  const auto alive = try_connect_unix(path);
  if (alive || alive.error().code != boost::system::errc::connection_refused) {
    return error(errc::busy, "another process listens at " + path);
  }
  if (::unlinkat(folder, name.c_str(), 0) != 0 && errno != ENOENT) return errno_error("unlink " + path);
  return {};
}

}  // namespace

result<bound_socket> bound_socket::open(const std::string& path) {
  bound_socket out;
  OSVM_TRY(auto parts, split_socket_path(path));
  OSVM_TRY(out.folder_, open_private_folder(parts.folder));
  OSVM_TRY(const auto address, make_unix_address(path));
  out.name_ = std::move(parts.name);
  out.fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!out.fd_) return errno_error("socket");
  // Linux gives the file the socket's own mode less umask: there is no moment at which others may connect.
  if (::fchmod(out.fd_.get(), S_IRUSR | S_IWUSR) != 0) return errno_error("fchmod of a socket");

  // A socket that is bound but does not listen yet looks dead; the lock keeps two starts from that confusion.
  if (::flock(out.folder_.get(), LOCK_EX) != 0) return errno_error("lock " + parts.folder);
  OSVM_CHECK(remove_dead_socket(out.folder_.get(), out.name_, path));
  if (::bind(out.fd_.get(), address.get(), address.size) != 0) return errno_error("bind " + path);
  struct stat info {};
  if (::fstatat(out.folder_.get(), out.name_.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno_error("stat " + path);
  }
  out.path_ = path;
  out.device_ = info.st_dev;
  out.inode_ = info.st_ino;
  if (::listen(out.fd_.get(), listen_backlog) != 0) return errno_error("listen at " + path);
  ::flock(out.folder_.get(), LOCK_UN);
  return out;
}

void bound_socket::unlink() noexcept {
  if (path_.empty() || !folder_) return;
  struct stat info {};
  if (::fstatat(folder_.get(), name_.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_dev == device_ &&
      info.st_ino == inode_) {
    ::unlinkat(folder_.get(), name_.c_str(), 0);
  }
  folder_.reset();
}

void bound_socket::stop() noexcept {
  ::shutdown(fd_.get(), SHUT_RDWR);
  unlink();
}

}  // namespace osvm::vsock
