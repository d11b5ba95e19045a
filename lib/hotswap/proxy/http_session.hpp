// An L7 connection: takes one request after the other, routes each by what is active when it arrives, and
// streams both bodies with bounded memory.
//
// One request's life: read_request -> begin_request (route, connection) -> connected -> pump_request and
// pump_response until both are done -> finish_exchange. Everything runs from drive(), which is called for
// every event and goes on until nothing more can be done.
#pragma once

#include "hotswap/http1/body.hpp"
#include "hotswap/http1/head.hpp"
#include "hotswap/io/outlet.hpp"
#include "hotswap/proxy/front.hpp"
#include "hotswap/proxy/rewrite.hpp"
#include "hotswap/proxy/session_extra.hpp"
#include "hotswap/proxy/tunnel.hpp"
#include "hotswap/proxy/upstream.hpp"

#include <memory>
#include <string>

namespace osvm::hotswap::detail {

class http_session final : public session {
 public:
  static void start(front& f, unique_fd client, const client_address& from);
  // Goes on where another actor has begun with a connection.
  static void take_over(front& f, channel& from, std::unique_ptr<session_extra> extra);
  // A request of an HTTP/2 connection; begins with the first on_io().
  static http_session& start_stream(front& f, std::unique_ptr<layer> over,
                                    std::unique_ptr<session_extra> extra);
  http_session(front& f, unique_fd client, const client_address& from);
  ~http_session() override;

  void on_io(channel& which) override;
  void on_timer(timer& which) override;
  void on_deferred() override { drive(); }
  void on_upstream(bool connecting);
  bool cut(const target& t) override;
  void ask_to_leave() override;

 private:
  enum class phase : std::uint8_t {
    preamble,    // the PROXY header is awaited
    idle,        // between requests
    head,        // a part of a request head has come
    collecting,  // the body decides where the request goes
    connecting,  // to the release
    exchange,    // request and response pass
    flushing,    // the response is complete, the client has yet to take the rest of it
    tunnel,      // after 101
    lingering,   // answered and closed for writing; input is thrown away until the client has closed, too
    gone,        // dismissed
  };
  enum class part : std::uint8_t {
    head,  // response: the head is awaited
    body,
    done,
  };
  // What a step did.
  enum class step : std::uint8_t { progress, blocked };

  void drive();
  step advance();
  step read_request();
  bool is_http2(std::string_view bytes);
  step take_request(std::span<char> bytes, bool in_stash);
  void begin_request();
  step read_preamble();
  void match_rule();
  void route_request();
  step collect();
  void classify();
  bool admit(const std::vector<std::shared_ptr<limiter>>& more);
  void enter_route(const std::vector<std::shared_ptr<limiter>>& more = {});
  void choose(const backend* avoid);
  void backend_failed(bool at_once) noexcept;
  void reach();
  void connect();
  void connected();
  void connect_failed();
  step exchange();
  step pump_request();
  bool send_request_data(std::string_view data);
  step pump_response();
  step take_response(std::span<char> bytes);
  step take_response_head(std::span<char> bytes);
  void invalid_response(const char* why);
  bool pass_interim();
  void start_response();
  step pass_body(std::span<char> bytes, std::string_view head);
  step response_ended(bool by_error);
  bool retry();
  void frame_request_data(std::string_view data, std::string& out) const;
  void finish_exchange();
  void end_request(unsigned status, std::string_view how);
  void finish_flush();
  void become_idle();
  void become_tunnel(std::string_view upstream_bytes);
  void run_tunnel();
  step linger();
  void linger_on();
  void exchange_timed_out();

  void fail(unsigned status, const char* text, counter& why);
  void respond_own(unsigned status, const char* text);
  void drop_upstream(bool by_reset = true) noexcept;
  void abort(counter* why) noexcept;
  void leave() noexcept;
  static void shrink(std::string& text);
  void wait(std::chrono::milliseconds t);
  void stash(std::string_view bytes, bool in_stash);

  front& front_;
  channel client_;
  timer timer_;
  upstream* up_ = nullptr;
  pool* pool_;  // of the request; lives as long as extra_->to, or the proxy
  passage route_;
  phase phase_ = phase::idle;
  part request_part_ = part::done;
  part response_part_ = part::done;
  out_framing framing_ = out_framing::none;
  std::uint8_t attempts_ = 0;
  bool close_after_ = false;     // the connection ends after this response
  bool client_minor_0_ = false;  // HTTP/1.0
  bool head_request_ = false;
  bool idempotent_ = false;
  bool upgrade_ = false;
  bool expect_continue_ = false;
  bool upstream_close_ = false;  // the release's connection ends after this response
  bool replayable_ = false;      // replay_ is everything of the request that was taken so far
  bool skipped_crlf_ = false;
  bool counted_ = true;  // as a connection of a client
  bool first_ = true;    // nothing has come yet
  bool chunked_request_ = false;
  unsigned status_ = 0;
  time_point asked_{};  // when the request's head was complete

  outlet to_client_, to_upstream_;
  std::uint64_t sent_up_ = 0, sent_down_ = 0;  // counted so far
  std::uint64_t sent_before_ = 0;              // sent to releases before this attempt
  http1::head_scanner request_scan_, response_scan_;
  http1::body_reader request_body_, response_body_;
  std::string stash_;           // bytes of the client that are not taken yet
  std::string upstream_stash_;  // a part of a response head
  std::string replay_;          // what was sent of the request, while it may be sent again
  std::unique_ptr<tunnel> tunnel_;
  std::unique_ptr<session_extra> extra_;  // null where the proxy is plain
};

}  // namespace osvm::hotswap::detail
