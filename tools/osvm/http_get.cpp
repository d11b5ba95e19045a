#include "http_get.hpp"

#include <osvm/vsock/connect.hpp>

#include "stream_io.hpp"

namespace osvm::cli {

result<std::string> http_get(const endpoint& where, const std::string& path,
                             std::chrono::milliseconds timeout) {
  constexpr std::size_t max_answer = 1 << 20;
  const deadline until(timeout);
  OSVM_TRY(const auto fd, vsock::connect_endpoint(where, timeout));
  OSVM_CHECK(
      send_all(fd.get(), "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", until));
  std::string answer;
  while (answer.size() < max_answer) {
    OSVM_TRY(const auto more, receive_some(fd.get(), answer, until));
    if (!more) break;
  }
  const auto head = answer.find("\r\n\r\n");
  if (head == std::string::npos)
    return error(errc::truncated, "the answer of " + to_string(where) + " has no head");
  if (!answer.starts_with("HTTP/1.1 200 "))
    return error(errc::denied, to_string(where) + " did not answer 200");
  const auto field = answer.find("Content-Length: ");
  const auto body = answer.substr(head + 4);
  if (field < head && std::stoul("0" + answer.substr(field + 16, 9)) != body.size()) {
    return error(errc::truncated, "the answer of " + to_string(where) + " is cut");
  }
  return body;
}

}  // namespace osvm::cli
