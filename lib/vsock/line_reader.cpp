#include "vsock/line_reader.hpp"

#include <sys/socket.h>

#include <algorithm>

namespace osvm::vsock {

result<std::optional<handshake_line>> line_reader::read(int fd) {
  // parse_ decides before the line is full, so there is always room here.
  char* const begin = line_.data() + size_;
  const auto peeked = ::recv(fd, begin, line_.size() - size_, MSG_PEEK | MSG_DONTWAIT);
  if (peeked < 0 && (errno == EAGAIN || errno == EINTR)) return std::optional<handshake_line>();
  if (peeked < 0) return errno_error("read vsock handshake");
  if (peeked == 0) return error(errc::closed, "connection closed during the vsock handshake");
  char* const end = begin + peeked;
  char* const newline = std::find(begin, end, '\n');
  const auto mine = static_cast<std::size_t>((newline == end ? end : newline + 1) - begin);
  if (::recv(fd, begin, mine, MSG_DONTWAIT) != static_cast<ssize_t>(mine)) {
    return error(errc::closed, "connection changed during the vsock handshake");
  }
  size_ += mine;
  auto line = parse_({line_.data(), size_});
  if (line && !*line && size_ == line_.size())
    return error(errc::malformed, "vsock handshake: line too long");
  return line;
}

}  // namespace osvm::vsock
