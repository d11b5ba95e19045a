// The load client over HTTP/2: connections, and the streams that are its lanes.
#pragma once

#include "hotswap/io/link.hpp"
#include "hotswap/io/outlet.hpp"
#include "hotswap/io/tls_layer.hpp"
#include "hotswap/load/lane.hpp"
#include "net/http2_client.hpp"

#include <map>
#include <memory>
#include <vector>

namespace osvm::hotswap::detail {

class load_http2_connection;

// Which connection new requests of some lanes go to. One that the server asks to leave ends by itself.
struct load_http2_place {
  load_http2_connection* now = nullptr;
};

// One request at a time.
class load_stream final : public actor, public load_lane {
 public:
  load_stream(shard& s, load_run& run, std::shared_ptr<load_http2_place> place);
  void send(time_point due) override;
  void on_io(channel&) override {}
  void on_timer(timer& which) override;

  // For the connection.
  std::int32_t submit(net::http2_client& to, std::int64_t from);
  void field(std::string_view name, std::string_view value);
  void head();
  // False: no more is wanted.
  bool data(std::string_view bytes);
  std::size_t pull(std::span<char> into) noexcept { return answer_.pull(into); }
  bool pulled_all() const noexcept { return pulled_ == answer_.body_size(); }
  void whole();
  void failed(load_class k, std::string text);
  // Nothing of it was executed: another connection gets it.
  void refused();

 private:
  void go();

  std::shared_ptr<load_http2_place> place_;
  timer timeout_;
  load_http2_connection* at_ = nullptr;
  bool busy_ = false, begun_ = false;
  unsigned tries_ = 0;
  unsigned status_ = 0;
  std::uint64_t received_ = 0, pulled_ = 0;
  std::string nonce_, version_;
};

class load_http2_connection final : public actor, private net::http2_answers {
 public:
  static load_http2_connection& start(shard& s, load_run& run, std::shared_ptr<load_http2_place> place);
  load_http2_connection(shard& s, load_run& run, std::shared_ptr<load_http2_place> place);
  ~load_http2_connection() override;

  void take(load_stream& s);
  // It waits no longer for what it has here.
  void give_up(load_stream& s);
  void settled(std::int64_t place) noexcept { last_ = std::max(last_, place); }

  void on_io(channel&) override { step(); }
  void on_timer(timer& which) override;
  void on_deferred() override { step(); }

 private:
  void on_field(std::int32_t stream, std::string_view name, std::string_view value) override;
  void on_head(std::int32_t stream) override;
  void on_data(std::int32_t stream, std::string_view bytes) override;
  void on_trailer(std::int32_t, std::string_view, std::string_view) override {}
  void on_end(std::int32_t stream) override;
  void on_closed(std::int32_t stream, net::http2_end how) override;
  pulled on_pull(std::int32_t stream, std::span<char> into) override;

  void step();
  void greeting();
  void begin();
  void submit(load_stream& s);
  void receive();
  void flush();
  void leave_place() noexcept;
  void end(load_class k, const std::string& text);
  load_stream* find(std::int32_t stream) const;

  enum class phase : std::uint8_t { connecting, greeting, up, over };
  load_run& run_;
  std::shared_ptr<load_http2_place> place_;
  link link_;
  outlet out_;
  tls_layer* tls_ = nullptr;
  phase phase_ = phase::connecting;
  std::int64_t last_ = 0;
  std::unique_ptr<net::http2_client> client_;
  std::vector<load_stream*> waiting_;  // until it is up
  std::map<std::int32_t, load_stream*> streams_;
  // What the library's calls have brought: acted on when they have returned.
  struct happened {
    load_stream* who;
    enum { whole, refused, failed } what;
  };
  std::vector<happened> happened_;
  void settle();
};

}  // namespace osvm::hotswap::detail
