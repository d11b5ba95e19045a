#include "hotswap/io/tls_layer.hpp"

#include <algorithm>
#include <cstring>

namespace osvm::hotswap::detail {
namespace {

// The parts of a write as pieces of at most one TLS record: a head and its body leave together.
class record_cutter {
 public:
  record_cutter(std::span<const iovec> from, std::span<char> room) noexcept : from_(from), room_(room) {}

  // The next bytes from `skip_` on, contiguous.
  std::string_view next() noexcept {
    while (!from_.empty() && skip_ == from_[0].iov_len) {
      from_ = from_.subspan(1);
      skip_ = 0;
    }
    if (from_.empty()) return {};
    const auto* first = static_cast<const char*>(from_[0].iov_base) + skip_;
    const std::size_t left = from_[0].iov_len - skip_;
    if (from_.size() == 1 || left >= room_.size()) return {first, std::min(left, room_.size())};
    std::size_t n = 0;
    for (std::size_t i = 0; i < from_.size() && n < room_.size(); ++i) {
      const std::size_t skip = i == 0 ? skip_ : 0;
      const std::size_t part = std::min(from_[i].iov_len - skip, room_.size() - n);
      std::memcpy(room_.data() + n, static_cast<const char*>(from_[i].iov_base) + skip, part);
      n += part;
    }
    return {room_.data(), n};
  }
  void taken(std::size_t n) noexcept {
    while (n > 0) {
      const std::size_t part = std::min(n, from_[0].iov_len - skip_);
      skip_ += part;
      n -= part;
      if (skip_ == from_[0].iov_len) {
        from_ = from_.subspan(1);
        skip_ = 0;
      }
    }
  }

 private:
  std::span<const iovec> from_;
  std::span<char> room_;
  std::size_t skip_ = 0;
};

}  // namespace

std::unique_ptr<tls_layer> tls_layer::make(shard& s, std::shared_ptr<const net::tls_server> server) {
  auto made = std::make_unique<tls_layer>(s);
  auto session = net::tls_session::make(std::move(server), *made);
  if (!session) return nullptr;
  made->session_ = std::move(*session);
  return made;
}

std::unique_ptr<tls_layer> tls_layer::make(shard& s, std::shared_ptr<const net::tls_connector> connector,
                                           const std::string& name) {
  auto made = std::make_unique<tls_layer>(s);
  auto session = net::tls_session::make(std::move(connector), name, *made);
  if (!session) return nullptr;
  made->session_ = std::move(*session);
  return made;
}

// What the peer waits for may depend on hearing that this is the end.
tls_layer::~tls_layer() {
  if (session_ && !quiet_ && at_) session_->finish();
}

io_outcome tls_layer::read(shard&, channel&, std::span<char> into) noexcept {
  const auto r = session_->read(into);
  switch (r.status) {
    case net::tls_status::ok: return {io_status::ok, r.bytes};
    case net::tls_status::again: return {io_status::again, 0};
    case net::tls_status::ended: return {io_status::eof, 0};
    default: return {io_status::error, 0};
  }
}

io_outcome tls_layer::write(shard& s, channel&, std::span<iovec> from) noexcept {
  record_cutter cut(from, s.gather());
  std::size_t total = 0;
  for (auto piece = cut.next(); !piece.empty(); piece = cut.next()) {
    const auto r = session_->write(piece);
    if (r.status == net::tls_status::again) break;
    if (r.status != net::tls_status::ok) return {io_status::error, 0};
    total += r.bytes;
    cut.taken(r.bytes);
  }
  return {total == 0 ? io_status::again : io_status::ok, total};
}

void tls_layer::finish(shard&, channel&) noexcept {
  session_->finish();
  quiet_ = true;
}

std::ptrdiff_t tls_layer::receive(std::span<char> into) noexcept {
  const auto r = shard_.read_socket(*at_, into);
  switch (r.status) {
    case io_status::ok: return static_cast<std::ptrdiff_t>(r.bytes);
    case io_status::again: return again;
    case io_status::eof: return 0;
    case io_status::error: break;
  }
  return failed;
}

std::ptrdiff_t tls_layer::send(std::string_view bytes) noexcept {
  iovec one{const_cast<char*>(bytes.data()), bytes.size()};
  const auto r = shard_.write_socket(*at_, {&one, 1});
  if (r.status == io_status::ok) return static_cast<std::ptrdiff_t>(r.bytes);
  return r.status == io_status::again ? again : failed;
}

}  // namespace osvm::hotswap::detail
