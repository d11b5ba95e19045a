// The writing side of a channel: what the socket does not take at once waits in a buffer. Its owner stops
// reading from the other side while something waits, which bounds the buffer by one read and its framing.
#pragma once

#include "hotswap/io/shard.hpp"

#include <initializer_list>
#include <string>
#include <string_view>

namespace osvm::hotswap::detail {

class outlet {
 public:
  // Sends the parts in order, keeping the rest. False: the connection is broken (errno).
  bool send(shard& s, channel& ch, std::initializer_list<std::string_view> parts);
  // Sends what waits. False as above.
  bool flush(shard& s, channel& ch) noexcept;
  bool empty() const noexcept { return at_ == waiting_.size(); }
  std::uint64_t sent() const noexcept { return sent_; }
  void clear() noexcept;

 private:
  std::string waiting_;
  std::size_t at_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace osvm::hotswap::detail
