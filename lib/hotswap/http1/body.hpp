// Message bodies, strictly: takes the bytes of one side of a connection, gives the body's data and says where
// the body ends. Chunk extensions and trailers are checked and dropped: whoever passes the data on frames it
// anew.
#pragma once

#include "hotswap/http1/head.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace osvm::hotswap::http1 {

enum class body_error : std::uint8_t {
  none,
  bad_chunk_size,  // no hexadecimal number, too large, or followed by something that is no extension
  bad_chunk_end,   // no CRLF after a chunk's data
  bad_trailer,     // not a valid field, or a line without CRLF
  line_too_long,   // chunk size with extensions, or a trailer line
  too_many_trailers,
  too_large,  // more than max_body
};
const char* to_string(body_error e) noexcept;

class body_reader {
 public:
  // `max_body`: 0 for no limit.
  void start(body_kind kind, std::uint64_t content_length, std::uint64_t max_body,
             unsigned max_trailers) noexcept;

  struct step {
    std::size_t consumed = 0;  // bytes taken from the front of `in`
    std::size_t data = 0;      // body bytes, moved to the front of `in`
  };
  // Takes as much as belongs to the body. When done() the rest of `in` belongs to the next message.
  step take(std::span<char> in) noexcept;

  bool done() const noexcept { return state_ == state::done; }
  body_error error() const noexcept { return error_; }
  // The connection's read side has ended. True: so has the body, in order.
  bool finish() noexcept;
  body_kind kind() const noexcept { return kind_; }

 private:
  enum class state : std::uint8_t {
    data,  // remaining_ bytes of a length body or chunk
    until_close,
    size_first,  // the first digit of a chunk size
    size,        // more digits
    extension,   // after ';'
    size_lf,     // LF after the size line's CR
    data_cr,     // CR after a chunk's data
    data_lf,
    trailer_start,  // first byte of a trailer line, or the CR of the last line
    trailer_name,
    trailer_value,
    trailer_lf,
    last_lf,  // LF of the empty line that ends everything
    done,
    failed,
  };
  std::size_t frame(std::span<const char> in) noexcept;
  void byte(char c) noexcept;
  void size_digit(char c) noexcept;
  void size_line_done() noexcept;
  void trailer_byte(char c) noexcept;
  void fail(body_error e) noexcept;
  bool account(std::uint64_t n) noexcept;

  body_kind kind_ = body_kind::none;
  state state_ = state::done;
  body_error error_ = body_error::none;
  std::uint64_t remaining_ = 0;
  std::uint64_t max_body_ = 0;
  std::uint64_t total_ = 0;
  unsigned line_ = 0;  // length of the current framing line
  unsigned trailers_ = 0;
  unsigned max_trailers_ = 0;
};

}  // namespace osvm::hotswap::http1
