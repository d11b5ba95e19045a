// GDB remote serial protocol, framing (gdb manual, appendix "Remote Protocol"): $body#checksum, acknowledged
// by + or -, with } escaping in bodies, and a bare 0x03 that interrupts. Sans I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace osvm::unikernel {

inline constexpr std::size_t max_debug_packet = 32768;  // a body, as told to the debugger

struct debug_packet {
  enum class kind : std::uint8_t { body, interrupt };
  kind what = kind::body;
  std::string body;  // without escapes
};

// Feeds on what the debugger sends.
class packet_reader final {
 public:
  void feed(std::string_view bytes);
  // The next packet, or nothing yet. What is to be sent back at once (acknowledgements) is in answer().
  std::optional<debug_packet> next();
  std::string take_answer() { return std::exchange(answer_, {}); }
  // A body grew beyond its bound: the connection cannot go on.
  bool broken() const noexcept { return broken_; }
  void stop_acknowledging() noexcept { acknowledges_ = false; }

 private:
  std::string input_, answer_;
  bool acknowledges_ = true, broken_ = false;
};

// With frame, checksum and escapes.
std::string framed(std::string_view body);

// Hexadecimal text, as bodies have it. Numbers: nothing for other text, and for more than 64 bits.
std::string to_hex(std::string_view bytes);
std::string to_hex(std::uint64_t number);
std::optional<std::string> bytes_of_hex(std::string_view text);
std::optional<std::uint64_t> number_of_hex(std::string_view text);

}  // namespace osvm::unikernel
