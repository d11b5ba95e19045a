#include "hotswap/http1/body.hpp"

#include "hotswap/http1/chars.hpp"

#include <algorithm>
#include <cstring>

namespace osvm::hotswap::http1 {
namespace {

constexpr unsigned max_size_line = 256;
constexpr unsigned max_trailer_line = 4096;

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void body_reader::start(body_kind kind, std::uint64_t content_length, std::uint64_t max_body,
                        unsigned max_trailers) noexcept {
  kind_ = kind;
  error_ = body_error::none;
  max_body_ = max_body;
  max_trailers_ = max_trailers;
  remaining_ = total_ = 0;
  line_ = trailers_ = 0;
  switch (kind) {
    case body_kind::none: state_ = state::done; break;
    case body_kind::until_close: state_ = state::until_close; break;
    case body_kind::chunked: state_ = state::size_first; break;
    case body_kind::length:
      state_ = content_length == 0 ? state::done : state::data;
      remaining_ = content_length;
      if (!account(content_length)) fail(body_error::too_large);
      break;
  }
}

void body_reader::fail(body_error e) noexcept {
  error_ = e;
  state_ = state::failed;
}

bool body_reader::account(std::uint64_t n) noexcept {
  if (__builtin_add_overflow(total_, n, &total_)) return false;
  return max_body_ == 0 || total_ <= max_body_;
}

body_reader::step body_reader::take(std::span<char> in) noexcept {
  step s;
  while (s.consumed < in.size() && state_ != state::done && state_ != state::failed) {
    if (state_ != state::data && state_ != state::until_close) {
      s.consumed += frame(in.subspan(s.consumed));
      continue;
    }
    std::size_t n = in.size() - s.consumed;
    if (state_ == state::data) n = static_cast<std::size_t>(std::min<std::uint64_t>(n, remaining_));
    if (state_ == state::until_close && !account(n)) {
      fail(body_error::too_large);
      break;
    }
    if (s.data != s.consumed) std::memmove(in.data() + s.data, in.data() + s.consumed, n);
    s.consumed += n;
    s.data += n;
    if (state_ == state::until_close) continue;
    remaining_ -= n;
    if (remaining_ == 0) state_ = kind_ == body_kind::chunked ? state::data_cr : state::done;
  }
  return s;
}

// Takes framing bytes until data begins, the body ends or the input does.
std::size_t body_reader::frame(std::span<const char> in) noexcept {
  std::size_t n = 0;
  while (n < in.size() && state_ != state::data && state_ != state::done && state_ != state::failed)
    byte(in[n++]);
  return n;
}

void body_reader::size_digit(char c) noexcept {
  const int v = hex_value(c);
  if (v < 0 || remaining_ >> 56 != 0) return fail(body_error::bad_chunk_size);
  remaining_ = remaining_ << 4 | static_cast<unsigned>(v);
  state_ = state::size;
}

void body_reader::size_line_done() noexcept {
  line_ = 0;
  if (remaining_ == 0) {
    state_ = state::trailer_start;
  } else if (!account(remaining_)) {
    fail(body_error::too_large);
  } else {
    state_ = state::data;
  }
}

void body_reader::byte(char c) noexcept {
  switch (state_) {
    case state::size_first:
      remaining_ = 0;
      line_ = 1;
      size_digit(c);
      break;
    case state::size:
      if (++line_ > max_size_line) return fail(body_error::line_too_long);
      if (c == '\r') {
        state_ = state::size_lf;
      } else if (c == ';') {
        state_ = state::extension;
      } else {
        size_digit(c);
      }
      break;
    case state::extension:
      if (++line_ > max_size_line) return fail(body_error::line_too_long);
      if (c == '\r') {
        state_ = state::size_lf;
      } else if (!is(c, value_char)) {
        fail(body_error::bad_chunk_size);
      }
      break;
    case state::size_lf:
      if (c != '\n') return fail(body_error::bad_chunk_size);
      size_line_done();
      break;
    case state::data_cr:
      if (c != '\r') return fail(body_error::bad_chunk_end);
      state_ = state::data_lf;
      break;
    case state::data_lf:
      if (c != '\n') return fail(body_error::bad_chunk_end);
      state_ = state::size_first;
      break;
    default: trailer_byte(c); break;
  }
}

void body_reader::trailer_byte(char c) noexcept {
  if (++line_ > max_trailer_line) return fail(body_error::line_too_long);
  switch (state_) {
    case state::trailer_start:
      if (c == '\r') {
        state_ = state::last_lf;
      } else if (!is(c, token_char)) {
        fail(body_error::bad_trailer);
      } else if (++trailers_ > max_trailers_) {
        fail(body_error::too_many_trailers);
      } else {
        state_ = state::trailer_name;
      }
      break;
    case state::trailer_name:
      if (c == ':') {
        state_ = state::trailer_value;
      } else if (!is(c, token_char)) {
        fail(body_error::bad_trailer);
      }
      break;
    case state::trailer_value:
      if (c == '\r') {
        state_ = state::trailer_lf;
      } else if (!is(c, value_char)) {
        fail(body_error::bad_trailer);
      }
      break;
    case state::trailer_lf:
      if (c != '\n') return fail(body_error::bad_trailer);
      line_ = 0;
      state_ = state::trailer_start;
      break;
    case state::last_lf:
      if (c != '\n') return fail(body_error::bad_trailer);
      state_ = state::done;
      break;
    default: break;
  }
}

bool body_reader::finish() noexcept {
  if (state_ == state::until_close) state_ = state::done;
  return done();
}

const char* to_string(body_error e) noexcept {
  switch (e) {
    case body_error::none: return "no error";
    case body_error::bad_chunk_size: return "bad chunk size";
    case body_error::bad_chunk_end: return "a chunk does not end in CRLF";
    case body_error::bad_trailer: return "bad trailer";
    case body_error::line_too_long: return "a chunk size or trailer line is too long";
    case body_error::too_many_trailers: return "too many trailer fields";
    case body_error::too_large: return "the body is too large";
  }
  return "?";
}

}  // namespace osvm::hotswap::http1
