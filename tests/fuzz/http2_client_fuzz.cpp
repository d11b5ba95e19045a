// link: osvm::net
// Frames of a server, to a client with four requests. An answer has one head and one end, in that order,
// trailers only behind its head; each stream has its last word once, and nothing is said of a stream after
// it.
#include "net/http2_client.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>

extern "C" {
int osvm_fuzz_accepted = 0;
}

namespace {

using namespace osvm;

class asker final : public net::http2_answers {
 public:
  void on_field(std::int32_t id, std::string_view name, std::string_view) override {
    if (name.empty() || known(id).ended) __builtin_trap();
  }
  void on_head(std::int32_t id) override { known(id).head = true; }
  void on_data(std::int32_t id, std::string_view bytes) override {
    if (!known(id).head || known(id).ended) __builtin_trap();
    client->consume(id, bytes.size());
  }
  void on_trailer(std::int32_t id, std::string_view name, std::string_view) override {
    if (!known(id).head || known(id).ended || name.starts_with(':')) __builtin_trap();
  }
  void on_end(std::int32_t id) override {
    if (!known(id).head || std::exchange(known(id).ended, true)) __builtin_trap();
    ++osvm_fuzz_accepted;
  }
  void on_closed(std::int32_t id, net::http2_end how) override {
    if (how == net::http2_end::refused && known(id).ended) __builtin_trap();
    known(id);
    open.erase(id);
  }
  pulled on_pull(std::int32_t id, std::span<char> into) override {
    known(id);
    into[0] = 'b';
    return {1, true};
  }

  struct stream {
    bool head = false, ended = false;
  };
  stream& known(std::int32_t id) {
    const auto it = open.find(id);
    if (it == open.end()) __builtin_trap();
    return it->second;
  }
  std::map<std::int32_t, stream> open;
  std::unique_ptr<net::http2_client> client;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  asker a;
  a.client = std::move(*net::http2_client::make(a, {}));
  const std::array<net::http2_field, 4> fields{
      {{":method", "POST"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}}};
  for (int i = 0; i < 4; ++i) {
    const auto id = a.client->request(fields, i % 2 == 0);
    if (id > 0) a.open[id];
  }
  const auto send = [&a] {
    while (!a.client->output().empty()) {
    }
  };
  send();
  bool ok = true;
  while (ok && size != 0) {
    const std::size_t n = std::min<std::size_t>(size, 97);
    ok = a.client->receive({reinterpret_cast<const char*>(data), n});
    send();
    data += n;
    size -= n;
  }
  return 0;
}
