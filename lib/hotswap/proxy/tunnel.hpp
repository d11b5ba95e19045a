// Bytes both ways between two sockets, with half-close: an end of stream on one side becomes one on the
// other, after everything before it has been passed on.
#pragma once

#include "hotswap/io/outlet.hpp"
#include "hotswap/io/shard.hpp"

namespace osvm::hotswap::detail {

enum class tunnel_state : std::uint8_t {
  open,      // waits for events
  more,      // there is more to move, but others should have a turn
  finished,  // both sides have ended in order
  broken,    // a side was reset
};

class tunnel {
 public:
  // `buffer` bounds what waits in each direction.
  tunnel_state run(shard& s, channel& client, channel& upstream, std::size_t buffer);
  tunnel() = default;
  // Goes on with what waits to be written already.
  tunnel(outlet to_upstream, outlet to_client) : up_{std::move(to_upstream)}, down_{std::move(to_client)} {}
  // Passes on bytes that were read before the tunnel began. False: a connection is broken.
  bool prime(shard& s, channel& client, channel& upstream, std::string_view from_client,
             std::string_view from_upstream) {
    return up_.out.send(s, upstream, {from_client}) && down_.out.send(s, client, {from_upstream});
  }
  std::uint64_t to_upstream() const noexcept { return up_.out.sent(); }
  std::uint64_t to_client() const noexcept { return down_.out.sent(); }

 private:
  struct direction {
    outlet out;
    bool ended = false;  // end of stream was read
    bool shut = false;   // and passed on
    // `last`: the other direction is over, so that closing will end this one as well.
    tunnel_state move(shard& s, channel& from, channel& to, std::size_t buffer, bool last);
    bool over() const noexcept { return ended && out.empty(); }
  };
  direction up_, down_;
};

}  // namespace osvm::hotswap::detail
