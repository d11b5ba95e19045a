#include "hotswap/load/http2_connection.hpp"

#include "hotswap/load/run.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace osvm::hotswap::detail {
namespace {

constexpr std::size_t turn_size = 32 * 1024;
constexpr unsigned most_tries = 8;

std::string words_of(int e) {
  return std::generic_category().message(e);
}

}  // namespace

// --- streams ---

load_stream::load_stream(shard& s, load_run& run, std::shared_ptr<load_http2_place> place)
    : actor(s), load_lane(run), place_(std::move(place)), timeout_(*this) {}

void load_stream::send(time_point due) {
  took(due);
  busy_ = true;
  begun_ = false;
  tries_ = 0;
  shard_.arm(timeout_, due + run_.options().timeout);
  go();
}

void load_stream::go() {
  ++tries_;
  if (!place_->now) place_->now = &load_http2_connection::start(shard_, run_, place_);
  at_ = place_->now;
  at_->take(*this);
}

void load_stream::on_timer(timer&) {
  if (!busy_) return;
  if (at_) at_->give_up(*this);
  failed(load_class::timeout, begun_ ? "without a complete answer" : "while connecting");
}

std::int32_t load_stream::submit(net::http2_client& to, std::int64_t from) {
  if (begun_) {
    answer_.again(from);
  } else {
    answer_.begin(from);
    leaves();
  }
  begun_ = true;
  status_ = 0;
  received_ = pulled_ = 0;
  nonce_.clear();
  version_.clear();
  const auto& r = answer_.request();
  const auto& o = run_.options();
  const auto size = std::to_string(answer_.body_size());
  std::vector<net::http2_field> fields{{":method", r.method},
                                       {":scheme", run_.connector() ? "https" : "http"},
                                       {":authority", o.host},
                                       {":path", r.path}};
  if (!o.nonce_header.empty()) fields.push_back({run_.nonce_name(), answer_.nonce()});
  if (r.kind == load_kind::events) fields.push_back({"accept", "text/event-stream"});
  if (!r.content_type.empty()) fields.push_back({"content-type", r.content_type});
  const bool body = answer_.body_size() != 0;
  if (body) fields.push_back({"content-length", size});
  return to.request(fields, body);
}

void load_stream::field(std::string_view name, std::string_view value) {
  if (name == ":status") std::from_chars(value.data(), value.data() + value.size(), status_);
  if (name == run_.nonce_name()) nonce_ = value;
  if (name == run_.version_name()) version_ = value;
}

void load_stream::head() {
  if (status_ >= 200) answer_.head(status_, nonce_, version_);
}

bool load_stream::data(std::string_view bytes) {
  received_ += bytes.size();
  answer_.data(bytes);
  return !answer_.enough() && received_ <= run_.options().max_body;
}

void load_stream::whole() {
  auto verdict = answer_.judge();
  if (received_ > run_.options().max_body) verdict = {load_class::read, "the body is too large"};
  if (verdict.k == load_class::answered && at_) at_->settled(answer_.place());
  at_ = nullptr;
  busy_ = false;
  timeout_.cancel();
  finish(std::move(verdict));
}

void load_stream::failed(load_class k, std::string text) {
  at_ = nullptr;
  busy_ = false;
  timeout_.cancel();
  finish({k, std::move(text)});
}

void load_stream::refused() {
  at_ = nullptr;
  if (tries_ >= most_tries) return failed(load_class::read, "refused again and again");
  run_.asked_again();
  go();
}

// --- connections ---

load_http2_connection& load_http2_connection::start(shard& s, load_run& run,
                                                    std::shared_ptr<load_http2_place> place) {
  auto& c = s.adopt(std::make_unique<load_http2_connection>(s, run, std::move(place)));
  run.opened();
  c.link_.start(s, run.where());
  s.defer(c);
  return c;
}

load_http2_connection::load_http2_connection(shard& s, load_run& run, std::shared_ptr<load_http2_place> place)
    : actor(s), run_(run), place_(std::move(place)), link_(*this) {}

load_http2_connection::~load_http2_connection() {
  leave_place();
}

void load_http2_connection::leave_place() noexcept {
  if (place_->now == this) place_->now = nullptr;
}

void load_http2_connection::on_timer(timer& which) {
  if (link_.owns(which)) link_.on_timer(shard_);
  step();
}

void load_http2_connection::take(load_stream& s) {
  if (phase_ != phase::up) return waiting_.push_back(&s);
  submit(s);
  shard_.defer(*this);
}

void load_http2_connection::submit(load_stream& s) {
  const auto id = s.submit(*client_, last_);
  if (id < 0) {
    happened_.push_back({&s, happened::refused});
  } else {
    streams_[id] = &s;
  }
}

void load_http2_connection::give_up(load_stream& s) {
  std::erase(waiting_, &s);
  std::erase_if(happened_, [&](const happened& h) { return h.who == &s; });
  for (auto it = streams_.begin(); it != streams_.end(); ++it) {
    if (it->second != &s) continue;
    client_->reset(it->first, net::http2_reason::cancel);
    streams_.erase(it);
    shard_.defer(*this);
    return;
  }
}

load_stream* load_http2_connection::find(std::int32_t stream) const {
  const auto it = streams_.find(stream);
  return it == streams_.end() ? nullptr : it->second;
}

void load_http2_connection::on_field(std::int32_t id, std::string_view name, std::string_view value) {
  if (auto* s = find(id)) s->field(name, value);
}
void load_http2_connection::on_head(std::int32_t id) {
  if (auto* s = find(id)) s->head();
}

void load_http2_connection::on_data(std::int32_t id, std::string_view bytes) {
  client_->consume(id, bytes.size());
  auto* s = find(id);
  if (!s || s->data(bytes)) return;
  client_->reset(id, net::http2_reason::cancel);
  streams_.erase(id);
  happened_.push_back({s, happened::whole});
}

void load_http2_connection::on_end(std::int32_t id) {
  auto* s = find(id);
  if (!s) return;
  streams_.erase(id);
  happened_.push_back({s, happened::whole});
}

void load_http2_connection::on_closed(std::int32_t id, net::http2_end how) {
  auto* s = find(id);
  if (!s) return;
  streams_.erase(id);
  happened_.push_back({s, how == net::http2_end::refused ? happened::refused : happened::failed});
}

net::http2_pulled load_http2_connection::on_pull(std::int32_t id, std::span<char> into) {
  auto* s = find(id);
  if (!s) return {0, true};
  const auto n = s->pull(into);
  return {n, n < into.size()};
}

// A request that ends may begin the next one at once, here or elsewhere.
void load_http2_connection::settle() {
  while (!happened_.empty()) {
    std::vector<happened> now;
    now.swap(happened_);
    if (!client_->open()) leave_place();
    for (const auto& h : now) {
      switch (h.what) {
        case happened::whole: h.who->whole(); break;
        case happened::refused: h.who->refused(); break;
        case happened::failed: h.who->failed(load_class::truncated, "the stream was reset"); break;
      }
    }
  }
}

void load_http2_connection::step() {
  switch (phase_) {
    case phase::over: return;
    case phase::connecting:
      link_.on_io(shard_);
      if (link_.failed()) return end(load_class::connect, words_of(link_.error()));
      if (!link_.up()) return;
      if (!run_.connector()) return begin();
      {
        auto tls = tls_layer::make(shard_, run_.connector(), run_.tls_name());
        if (!tls) return end(load_class::connect, "TLS: out of memory");
        tls->attach(link_.ch);
        tls_ = tls.get();
        link_.ch.over = std::move(tls);
      }
      phase_ = phase::greeting;
      return greeting();
    case phase::greeting: return greeting();
    case phase::up:
      receive();
      if (phase_ == phase::up) flush();
  }
}

void load_http2_connection::greeting() {
  const auto status = tls_->handshake();
  if (status == net::tls_status::again) return;
  if (status != net::tls_status::ok)
    return end(load_class::connect, "TLS handshake: " + tls_->session().trouble());
  if (tls_->session().protocol() != "h2") return end(load_class::connect, "the server speaks no HTTP/2");
  begin();
}

void load_http2_connection::begin() {
  auto made = net::http2_client::make(*this, {});
  if (!made) return end(load_class::connect, made.error().to_string());
  client_ = std::move(*made);
  phase_ = phase::up;
  for (auto* s : std::exchange(waiting_, {})) submit(*s);
  step();
}

void load_http2_connection::receive() {
  const auto room = shard_.scratch().first(turn_size);
  while (phase_ == phase::up) {
    const auto r = shard_.read(link_.ch, room);
    if (r.status == io_status::again) break;
    if (r.status != io_status::ok) return end(load_class::read, "the connection ended without an answer");
    const bool ok = client_->receive({room.data(), r.bytes});
    settle();
    if (!ok) return end(load_class::read, "the server broke the protocol");
  }
}

void load_http2_connection::flush() {
  for (;;) {
    if (!out_.flush(shard_, link_.ch)) return end(load_class::write, words_of(errno));
    if (!out_.empty()) return;
    const auto bytes = client_->output();
    settle();  // what waits for a stream may be refused here
    if (bytes.empty()) break;
    if (!out_.send(shard_, link_.ch, {bytes})) return end(load_class::write, words_of(errno));
  }
  settle();
  if (!client_->open()) leave_place();
  if (client_->over() || (!client_->open() && streams_.empty()))
    end(load_class::read, "the connection ended");
}

void load_http2_connection::end(load_class k, const std::string& text) {
  if (phase_ == phase::over) return;
  phase_ = phase::over;
  leave_place();
  std::vector<load_stream*> left = std::exchange(waiting_, {});
  for (const auto& [id, s] : streams_) left.push_back(s);
  for (const auto& h : happened_) left.push_back(h.who);
  streams_.clear();
  happened_.clear();
  shard_.close(link_.ch);
  link_.ch.over.reset();
  shard_.dismiss(*this);
  for (auto* s : left) s->failed(k, text);
}

}  // namespace osvm::hotswap::detail
