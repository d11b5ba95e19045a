// Reads one handshake line from a stream socket and leaves everything behind its newline unread.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/vsock/handshake.hpp>

#include <array>
#include <optional>
#include <string_view>

namespace osvm::vsock {

// Bytes are looked at with MSG_PEEK and taken only as far as they belong to the line, so the descriptor can
// be handed to somebody who knows nothing of the handshake. Not thread-safe.
class line_reader final {
 public:
  using parser = result<std::optional<handshake_line>> (*)(std::string_view);

  explicit line_reader(parser parse) noexcept : parse_(parse) {}
  // Reads what is there, without blocking. Empty: wait until the socket is readable and call again. Errors:
  // errc::malformed, errc::closed at the end of the stream, errno.
  result<std::optional<handshake_line>> read(int fd);

 private:
  parser parse_;
  std::array<char, max_handshake_line> line_{};
  std::size_t size_ = 0;
};

}  // namespace osvm::vsock
