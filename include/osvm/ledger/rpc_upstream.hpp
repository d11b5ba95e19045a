// Another node that answers what a ledger cannot: methods that are not served here, and subscriptions to what
// a ledger does not hold. The server's loop hands requests over and takes answers back; it never waits.
#pragma once

#include <osvm/net/websocket.hpp>
#include <osvm/solana/rpc_client.hpp>

#include <memory>
#include <string>
#include <vector>

namespace osvm::ledger {

// Something that came back.
struct upstream_event {
  enum class kind {
    answered,  // the call `id`: a JSON-RPC answer, word for word
    failed,    // the call `id`; `text` says why
    message,   // of the bridge `id`
    closed,    // the bridge `id` has ended; `text` says why
  };
  kind type = kind::answered;
  std::uint64_t id = 0;
  std::string text;
};

// What the server asks. Thread-safe. Implement it for another way to a node; make_rpc_upstream() is the usual
// one.
class rpc_upstream {
 public:
  virtual ~rpc_upstream() = default;

  // Readable while take() would give something. Borrowed.
  virtual int ready_fd() const noexcept = 0;
  virtual std::vector<upstream_event> take() = 0;

  // Posts a JSON-RPC request as it is; exactly one answer or failure with this id follows.
  virtual void call(std::uint64_t id, std::string request) = 0;
  // Sends a message over the WebSocket of bridge `id`, which is opened by the first one. One `closed` follows
  // at some time, unless drop_bridge() comes first.
  virtual void send(std::uint64_t id, std::string message) = 0;
  virtual void drop_bridge(std::uint64_t id) = 0;
};

struct rpc_upstream_options {
  solana::rpc_client_options client{.max_answer = 8 << 20};
  net::websocket_options socket{};
  // Where subscriptions go. Unset: the same host, port and path as the calls, by ws(s)://.
  std::optional<net::url> socket_url{};
  std::size_t max_pending = 1024;  // calls that wait for an answer; more are refused at once
  std::size_t max_at_once = 16;    // of them under way; the others wait for their turn, in order
  // Bytes that wait: for a bridge that is still opening, more end it; for take(), more fail the call or end
  // the bridge that they are of.
  std::size_t max_early = 1 << 20, max_untaken = 32 << 20;
};

// A node at a URL. Asynchronous work runs on the executor, which must outlive it.
std::shared_ptr<rpc_upstream> make_rpc_upstream(executor ex, net::url where,
                                                rpc_upstream_options options = {});

}  // namespace osvm::ledger
