// Bytes of an HTTP/1.1 answer become a response, within limits. Sans I/O: see http_client.cpp.
#pragma once

#include <osvm/net/http_client.hpp>

#include <optional>
#include <string_view>

namespace osvm::net {

struct response_limits {
  std::size_t max_head = 16 << 10;
  std::size_t max_body = 16 << 20;
  bool to_head = false;  // the request was HEAD: no body follows
};

class response_reader final {
 public:
  explicit response_reader(response_limits limits);
  ~response_reader();

  // Takes some of `bytes` and says how many; what is left belongs behind the answer, or wants more bytes
  // beside it (then give both together). errc::bad_response or errc::too_large.
  result<std::size_t> take(std::string_view bytes);
  // The connection has ended: the end of an answer without a length, or errc::connection_lost.
  result<> finish();
  bool done() const noexcept;
  bool started() const noexcept;  // a byte was taken
  // Once done: another request may go over the connection.
  bool keep_alive() const noexcept;
  http_response release();

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

struct response_head {
  http_response response;  // without a body
  std::size_t size = 0;    // bytes of the head
};
// The head of an answer that ends HTTP on its connection (101), or any other; nothing when it is not whole.
result<std::optional<response_head>> read_head(std::string_view bytes, std::size_t max_head);

// Field names and such, whatever their case.
bool same_word(std::string_view a, std::string_view b) noexcept;

}  // namespace osvm::net
