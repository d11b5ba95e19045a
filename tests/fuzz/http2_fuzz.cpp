// link: osvm::hotswap osvm::net
// Frames of a client after its preface. Whatever becomes the text of a request is one request to the parser
// of HTTP/1.1, neither less nor more, with the method and the path that the frames had; each is answered.
#include "hotswap/http1/from_http2.hpp"
#include "hotswap/http1/head.hpp"
#include "net/http2_server.hpp"

#include <cstdint>
#include <map>
#include <memory>

extern "C" {
int osvm_fuzz_accepted = 0;
}

namespace {

using namespace osvm;

class reader final : public net::http2_events {
 public:
  void on_field(std::int32_t id, std::string_view name, std::string_view value) override {
    auto& s = open_[id];
    if (name == ":path") s.path = value;
    if (name == ":method") s.method = value;
    s.head.add(name, value, 4096);
  }
  void on_head(std::int32_t id, bool ended) override {
    auto& s = open_[id];
    if (s.head.refused()) return server->reset(id, net::http2_reason::protocol);
    const auto text = s.head.take(!ended && s.head.unsized());
    const auto found = hotswap::http1::head_scanner().scan(text, 32 * 1024);
    if (found.error == hotswap::http1::head_error::none && found.size != text.size()) __builtin_trap();
    if (hotswap::http1::parse_request(text, {}, *request_) == hotswap::http1::head_error::none) {
      if (request_->method != s.method || request_->target != s.path) __builtin_trap();
      if (ended && request_->body == hotswap::http1::body_kind::chunked) __builtin_trap();
      ++osvm_fuzz_accepted;
    }
    const net::http2_field field{"x", "y"};
    server->respond(id, 200, {&field, 1}, true);
  }
  void on_data(std::int32_t id, std::string_view bytes) override { server->consume(id, bytes.size()); }
  void on_end(std::int32_t id) override {
    if (!open_.contains(id)) __builtin_trap();
  }
  void on_closed(std::int32_t id, bool) override { open_.erase(id); }
  pulled on_pull(std::int32_t, std::span<char> into) override {
    into[0] = 'b';
    return {1, true};
  }
  std::unique_ptr<net::http2_server> server;

 private:
  struct stream {
    hotswap::http1::http2_head head;
    std::string method, path;
  };
  std::map<std::int32_t, stream> open_;
  std::unique_ptr<hotswap::http1::request_head> request_ = std::make_unique<hotswap::http1::request_head>();
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  reader r;
  auto made = net::http2_server::make(r, {.max_streams = 10});
  r.server = std::move(*made);
  bool ok = r.server->receive("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  while (ok && size != 0) {
    const std::size_t n = std::min<std::size_t>(size, 97);
    ok = r.server->receive({reinterpret_cast<const char*>(data), n});
    while (!r.server->output().empty()) {
    }
    data += n;
    size -= n;
  }
  return 0;
}
