// The head of an HTTP/2 request as one of HTTP/1.1. What comes in frames could say more in a line of text
// than it does in a field, so nothing passes that a line or a word could end with; the text then goes through
// the parser of this folder like any other.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace osvm::hotswap::http1 {

// Fields that are about one connection of HTTP/1: HTTP/2 has no place for them (RFC 9113 8.2.2).
bool of_one_connection(std::string_view name) noexcept;

class http2_head {
 public:
  // One field, pseudo-header fields first, names in lower case. False, from then on: this is no request. A
  // head over `max_head` becomes a text over it.
  bool add(std::string_view name, std::string_view value, std::size_t max_head);
  bool refused() const noexcept { return refused_; }
  bool to_head() const noexcept { return method_ == "HEAD"; }
  // There is no Content-Length.
  bool unsized() const noexcept { return !sized_; }
  // The text; ends the use of this. `chunked`: a body of unknown length follows.
  std::string take(bool chunked);

 private:
  bool take_field(std::string_view name, std::string_view value, std::size_t max_head);
  std::string method_, path_, authority_, host_, cookie_, fields_;
  bool refused_ = false;
  bool sized_ = false;
};

}  // namespace osvm::hotswap::http1
