// An HTTP/2 connection of a client: frames here, each request in a session of its own (http2_stream.hpp).
#pragma once

#include "hotswap/io/outlet.hpp"
#include "hotswap/proxy/front.hpp"
#include "hotswap/proxy/http2_stream.hpp"
#include "hotswap/proxy/session_extra.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace osvm::hotswap::detail {

class http2_session final : public session, private net::http2_events {
 public:
  // Goes on where another actor has begun; `early`: what was read already.
  static void take_over(front& f, channel& from, std::unique_ptr<session_extra> extra,
                        std::string_view early = {});
  explicit http2_session(front& f);
  ~http2_session() override;

  void on_io(channel&) override { drive(); }
  void on_timer(timer& which) override;
  void on_deferred() override { drive(); }
  bool cut(const target&) override { return false; }  // its streams' sessions are asked themselves

  void ask_to_leave() override;

  // For its streams.
  net::http2_server& server() noexcept { return *server_; }
  http1::response_head& response() noexcept { return front_.response_of_stream(); }
  // There is something to send, soon.
  void wake(http2_stream&) noexcept { shard_.defer(*this); }
  // Its session has something to do.
  void touch(http2_stream& s);
  void consume(http2_stream& s, std::size_t bytes) noexcept;
  // The response is whole, and the rest of the request is not wanted.
  void cut_short(http2_stream& s) { cut_short_.push_back(s.id()); }

 private:
  void on_field(std::int32_t id, std::string_view name, std::string_view value) override;
  void on_head(std::int32_t id, bool ended) override;
  void on_data(std::int32_t id, std::string_view bytes) override;
  void on_end(std::int32_t id) override;
  void on_closed(std::int32_t id, bool in_order) override;
  pulled on_pull(std::int32_t id, std::span<char> into) override;

  void drive();
  bool receive(std::string_view bytes);
  void run_touched();
  void flush();
  bool send_batch();
  void watch_time();
  void linger_on();
  void linger();
  void leave() noexcept;

  front& front_;
  channel client_;
  timer timer_;
  outlet to_client_;
  std::unique_ptr<net::http2_server> server_;
  std::unique_ptr<session_extra> extra_;
  std::map<std::int32_t, std::shared_ptr<http2_stream>> streams_;
  std::vector<std::shared_ptr<http2_stream>> touched_;
  std::vector<std::int32_t> cut_short_;
  std::uint64_t sent_ = 0;  // when time was last looked at
  bool gone_ = false, leaving_ = false;
  bool lingering_ = false;  // closed for writing; input is thrown away until the client has closed, too
};

}  // namespace osvm::hotswap::detail
