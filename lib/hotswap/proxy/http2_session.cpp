#include "hotswap/proxy/http2_session.hpp"

#include "hotswap/proxy/http_session.hpp"

namespace osvm::hotswap::detail {
namespace {

constexpr int reads_per_turn = 8;
constexpr std::size_t batch_size = 32 * 1024;
constexpr std::chrono::milliseconds goaway_linger{2'000};

}  // namespace

void http2_session::take_over(front& f, channel& from, std::unique_ptr<session_extra> extra,
                              std::string_view early) {
  auto& s = f.home.adopt(std::make_unique<http2_session>(f));
  f.home.hand_over(from, s.client_);
  s.extra_ = std::move(extra);
  auto made = net::http2_server::make(s, {.max_head = static_cast<std::uint32_t>(f.options.limits.max_head)});
  if (!made) return s.leave();
  s.server_ = std::move(*made);
  if (!s.receive(early)) return;
  s.drive();
  if (f.leaving()) s.ask_to_leave();
}

http2_session::http2_session(front& f) : session(f.home), front_(f), client_(*this), timer_(*this) {
  front_.count.active.add();
}

http2_session::~http2_session() {
  front_.count.active.sub();
  for (auto& [id, s] : streams_) s->gone(false);
}

// Sessions of streams that are open learn that their client has gone.
void http2_session::leave() noexcept {
  if (std::exchange(gone_, true)) return;
  auto all = std::move(streams_);
  streams_.clear();
  for (auto& [id, s] : all) s->gone(false);
  for (auto& [id, s] : all) {
    if (s->user) s->user->on_io(*s->at);
  }
  shard_.dismiss(*this);
}

// --- what comes ---

void http2_session::on_field(std::int32_t id, std::string_view name, std::string_view value) {
  auto& s = streams_[id];
  if (!s) s = std::make_shared<http2_stream>(*this, id);
  if (s->request().refused()) return;
  if (!s->request().add(name, value, front_.options.limits.max_head)) {
    front_.count.bad_requests.add();
    server_->reset(id, net::http2_reason::protocol);
  }
}

void http2_session::on_head(std::int32_t id, bool ended) {
  const auto it = streams_.find(id);
  if (it == streams_.end() || it->second->request().refused()) return;
  it->second->begin(ended);
  std::unique_ptr<session_extra> of_client;
  if (extra_) {
    of_client = std::make_unique<session_extra>();
    of_client->client = extra_->client;
    of_client->local = extra_->local;
    of_client->client_text = extra_->client_text;
    of_client->secure = extra_->secure;
  }
  auto over = std::make_unique<http2_layer>(it->second);
  it->second->user = &http_session::start_stream(front_, std::move(over), std::move(of_client));
  touch(*it->second);
}

void http2_session::on_data(std::int32_t id, std::string_view bytes) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return server_->consume(id, bytes.size());
  it->second->add_body(bytes);
  touch(*it->second);
}

void http2_session::on_end(std::int32_t id) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  it->second->end();
  touch(*it->second);
}

void http2_session::on_closed(std::int32_t id, bool in_order) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  it->second->gone(in_order);
  touch(*it->second);
  streams_.erase(it);
}

net::http2_events::pulled http2_session::on_pull(std::int32_t id, std::span<char> into) {
  const auto it = streams_.find(id);
  return it == streams_.end() ? pulled{0, true} : it->second->pull(into);
}

void http2_session::touch(http2_stream& s) {
  const auto it = streams_.find(s.id());
  if (it == streams_.end()) return;
  if (touched_.empty() || touched_.back() != it->second) touched_.push_back(it->second);
  shard_.defer(*this);
}

void http2_session::consume(http2_stream& s, std::size_t bytes) noexcept {
  server_->consume(s.id(), bytes);
  shard_.defer(*this);
}

// --- what happens ---

// Not from within what the library calls: a session may answer at once.
void http2_session::run_touched() {
  std::vector<std::shared_ptr<http2_stream>> now;
  now.swap(touched_);
  for (const auto& s : now) {
    if (s->user) s->user->on_io(*s->at);
  }
}

bool http2_session::receive(std::string_view bytes) {
  const bool ok = server_->receive(bytes);
  run_touched();
  if (ok && !server_->over()) return true;
  if (!gone_) {
    if (!ok) front_.count.bad_requests.add();
    send_batch();  // says why
    leave();
  }
  return false;
}

void http2_session::drive() {
  if (gone_) return;
  if (lingering_) return linger();
  for (int i = 0; i < reads_per_turn && to_client_.empty(); ++i) {
    const auto room = shard_.scratch().first(front_.options.buffer);
    const auto r = shard_.read(client_, room);
    if (r.status == io_status::again) return flush();
    if (r.status != io_status::ok) return leave();
    if (!receive({room.data(), r.bytes})) return;
  }
  flush();
  if (!gone_ && to_client_.empty()) shard_.defer(*this);
}

// False: nothing more can be sent now.
bool http2_session::send_batch() {
  auto& batch = front_.batch;
  batch.clear();
  while (batch.size() < batch_size) {
    const auto bytes = server_->output();
    if (bytes.empty()) break;
    batch.append(bytes);
  }
  if (!batch.empty()) return to_client_.send(shard_, client_, {batch}) && to_client_.empty();
  return false;
}

void http2_session::flush() {
  if (gone_) return;
  if (!to_client_.flush(shard_, client_)) return leave();
  while (to_client_.empty()) {
    const bool more = send_batch();
    for (const auto id : std::exchange(cut_short_, {})) server_->reset(id, net::http2_reason::no_error);
    run_touched();
    if (!more && touched_.empty() && cut_short_.empty()) break;
    if (gone_) return;
  }
  const bool done = server_->over() || (leaving_ && streams_.empty());
  if (client_.broken) return leave();
  if (done && to_client_.empty()) return linger_on();
  watch_time();
}

// Requests may have crossed with the GOAWAY. To close with their bytes unread would reset the connection, and
// what the client has yet to receive would be lost.
void http2_session::linger_on() {
  if (std::exchange(lingering_, true)) return;
  shard_.finish(client_);
  shard_.arm_in(timer_, goaway_linger);
  shard_.defer(*this);
}

void http2_session::linger() {
  for (int i = 0; i < reads_per_turn; ++i) {
    const auto r = shard_.read(client_, shard_.scratch());
    if (r.status == io_status::again) return;
    if (r.status != io_status::ok) return leave();
  }
  shard_.defer(*this);
}

void http2_session::watch_time() {
  const bool stuck = !to_client_.empty();
  if (!streams_.empty() && !stuck) return timer_.cancel();
  if (timer_.armed() && sent_ == to_client_.sent()) return;
  sent_ = to_client_.sent();
  const auto& t = front_.options.timeouts;
  if (const auto time = stuck ? t.stall : t.idle; time.count() != 0) {
    shard_.arm_in(timer_, time);
  } else {
    timer_.cancel();
  }
}

// Requests that are on their way may cross with this: the client knows from it that they were not taken.
void http2_session::ask_to_leave() {
  if (gone_ || std::exchange(leaving_, true)) return;
  server_->leave();
  flush();
}

void http2_session::on_timer(timer&) {
  if (lingering_ || leaving_ || !to_client_.empty()) return leave();
  ask_to_leave();
}

}  // namespace osvm::hotswap::detail
