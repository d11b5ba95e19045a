// A release that can do everything the load client asks for: plain answers, uploads, server-sent events,
// WebSocket.
#pragma once

#include "hotswap/support/sockets.hpp"

#include <osvm/net/websocket_frames.hpp>

#include <string>

namespace osvm::test {

struct load_server_faults {
  bool one_event_less = false, wrong_event = false, wrong_echo = false, cut_upload = false;
};

inline void serve_websocket(client& c, const seen_request& r, const std::string& head,
                            const load_server_faults& bad) {
  using kind = net::websocket_message::kind;
  c.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + head +
         "Sec-WebSocket-Accept: " + net::websocket_accept(r.header("sec-websocket-key")) + "\r\n\r\n");
  net::websocket_reader reader(net::websocket_role::server, 1 << 20);
  for (;;) {
    const auto next = reader.next();
    if (!next) return;
    if (!*next) {
      const auto bytes = c.read(1, 30s);
      if (bytes.empty()) return;
      reader.feed(bytes);
      continue;
    }
    const auto& m = **next;
    std::string out;
    if (m.type == kind::close) {
      net::append_websocket_frame(out, kind::close, net::websocket_close_payload(1000, {}), std::nullopt);
      c.send(out);
      return;
    }
    net::append_websocket_frame(out, m.type, bad.wrong_echo ? "?" + m.data : m.data, std::nullopt);
    if (!c.send(out)) return;
  }
}

inline bool all_nonce(const std::string& body, const std::string& nonce) {
  if (nonce.empty()) return false;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] != nonce[i % nonce.size()]) return false;
  }
  return true;
}

// /events: five events, then the end of the body. /socket: what comes is sent back. PUT: whether the body is
// the nonce again and again, and how long it was.
inline server::script load_script(const std::string& version, load_server_faults bad = {}) {
  return [version, bad](client& c) {
    while (const auto r = read_request(c, 60s)) {
      const auto nonce = r->header("x-osvm-nonce");
      const auto head = "X-Osvm-Release: " + version + "\r\nX-Osvm-Nonce: " + nonce + "\r\n";
      const auto answer = [&](const std::string& body) {
        return c.send("HTTP/1.1 200 OK\r\n" + head + "Content-Length: " + std::to_string(body.size()) +
                      "\r\n\r\n" + body);
      };
      if (r->line().starts_with("GET /events")) {
        c.send("HTTP/1.1 200 OK\r\n" + head +
               "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int n = 1; n <= (bad.one_event_less ? 4 : 5); ++n) {
          const auto text = (bad.wrong_event && n == 3 ? "other" : nonce) + " " + std::to_string(n);
          const auto event = ": remark\r\nevent: tick\ndata: " + text + "\n\n";
          char size[16];
          std::snprintf(size, sizeof size, "%zx\r\n", event.size());
          if (!c.send(size + event + "\r\n")) return;
        }
        if (!c.send("0\r\n\r\n")) return;
      } else if (r->line().starts_with("GET /socket")) {
        return serve_websocket(c, *r, head, bad);
      } else if (r->line().starts_with("PUT")) {
        const bool right = all_nonce(r->body, nonce);
        if (!answer((right ? "stored " : "wrong ") +
                    std::to_string(r->body.size() - (bad.cut_upload ? 1 : 0))))
          return;
      } else if (!answer("hello " + nonce)) {
        return;
      }
    }
  };
}

}  // namespace osvm::test
