#include "hotswap/proxy/tunnel.hpp"

namespace osvm::hotswap::detail {
namespace {

constexpr int reads_per_turn = 8;

}  // namespace

tunnel_state tunnel::direction::move(shard& s, channel& from, channel& to, std::size_t buffer, bool last) {
  for (int i = 0; i < reads_per_turn; ++i) {
    if (!out.empty()) {
      if (!out.flush(s, to)) return tunnel_state::broken;
      if (!out.empty()) return tunnel_state::open;
    }
    if (ended) {
      if (!shut && !last) {
        shut = true;
        s.finish(to);
      }
      return tunnel_state::finished;
    }
    const auto room = s.scratch().first(buffer);
    const auto r = s.read(from, room);
    if (r.status == io_status::again) return tunnel_state::open;
    if (r.status == io_status::error) return tunnel_state::broken;
    if (r.status == io_status::eof) {
      ended = true;
    } else if (!out.send(s, to, {std::string_view(room.data(), r.bytes)})) {
      return tunnel_state::broken;
    }
  }
  return tunnel_state::more;
}

tunnel_state tunnel::run(shard& s, channel& client, channel& upstream, std::size_t buffer) {
  const auto a = up_.move(s, client, upstream, buffer, down_.over());
  if (a == tunnel_state::broken) return a;
  const auto b = down_.move(s, upstream, client, buffer, up_.over());
  if (b == tunnel_state::broken) return b;
  if (a == tunnel_state::more || b == tunnel_state::more) return tunnel_state::more;
  return a == tunnel_state::finished && b == tunnel_state::finished ? tunnel_state::finished
                                                                    : tunnel_state::open;
}

}  // namespace osvm::hotswap::detail
