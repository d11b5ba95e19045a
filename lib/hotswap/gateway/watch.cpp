#include "hotswap/gateway/watch.hpp"

#include "hotswap/release/prober.hpp"

#include <algorithm>
#include <charconv>

namespace osvm::hotswap::detail {
namespace {

constexpr std::size_t kept_body = 64 * 1024;

}  // namespace

// The first "result" of the object; an error has none.
std::optional<std::uint64_t> number_of_answer(std::string_view body) {
  constexpr std::string_view name = "\"result\"";
  const auto at = body.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  body.remove_prefix(at + name.size());
  const auto digits = body.find_first_not_of(": \t\r\n");
  if (digits == std::string_view::npos) return std::nullopt;
  std::uint64_t n = 0;
  const auto r = std::from_chars(body.data() + digits, body.data() + body.size(), n);
  if (r.ec != std::errc()) return std::nullopt;
  return n;
}

pool_watch::pool_watch(shard& s, std::weak_ptr<pool> of, std::optional<health_options> health,
                       std::optional<height_options> height)
    : actor(s),
      pool_(std::move(of)),
      health_(std::move(health)),
      height_(std::move(height)),
      health_timer_(*this),
      height_timer_(*this) {}

void pool_watch::begin() {
  if (health_) ask_health();
  if (height_) ask_numbers();
}

void pool_watch::on_timer(timer& which) {
  if (pool_.expired()) return shard_.dismiss(*this);
  if (&which == &health_timer_) {
    ask_health();
  } else {
    ask_numbers();
  }
}

std::vector<pool_watch::asked> pool_watch::all() const {
  std::vector<asked> out;
  const auto of = pool_.lock();
  if (!of) return out;
  for (const auto& t : {of->routes.current(), of->routes.sharing()}) {
    if (!t) continue;
    for (const auto& b : t->backends) out.emplace_back(t, b.get());
  }
  return out;
}

void pool_watch::ask_health() {
  shard_.arm(health_timer_, std::chrono::steady_clock::now() + health_->interval);
  const auto now = all();
  std::erase_if(seen_, [&](const auto& s) {
    return std::none_of(now.begin(), now.end(), [&](const asked& a) { return a.second == s.first; });
  });
  for (const auto& who : now) {
    if (std::exchange(seen_[who.second].asking_health, true)) continue;
    fetch::start(shard_, request_of(health_->probe, who.second->where),
                 [this, who](const fetch_outcome& o) { answered(who, o); });
  }
}

void pool_watch::answered(const asked& who, const fetch_outcome& o) {
  auto& s = seen_[who.second];
  s.asking_health = false;
  if (judge_answer(health_->probe, o).empty()) {
    s.bad = 0;
    if (++s.good >= health_->rise) who.second->down = false;
  } else {
    s.good = 0;
    if (++s.bad >= health_->fall) who.second->down = true;
  }
}

void pool_watch::ask_numbers() {
  shard_.arm(height_timer_, std::chrono::steady_clock::now() + height_->interval);
  for (const auto& who : all()) {
    if (std::exchange(seen_[who.second].asking_number, true)) continue;
    fetch_request r;
    r.where = who.second->where;
    r.path = height_->path;
    r.host = height_->host;
    r.timeout = height_->timeout;
    r.keep_body = kept_body;
    r.post = R"({"jsonrpc":"2.0","id":1,"method":")" + height_->method + "\"}";
    fetch::start(shard_, std::move(r), [this, who](const fetch_outcome& o) { counted(who, o); });
  }
}

void pool_watch::counted(const asked& who, const fetch_outcome& o) {
  auto& s = seen_[who.second];
  s.asking_number = false;
  s.number = o.status == 200 ? number_of_answer(o.body) : std::nullopt;
  compare();
}

// Who gives no number counts as behind as long as anybody gives one.
void pool_watch::compare() {
  const auto now = all();
  std::optional<std::uint64_t> best;
  for (const auto& who : now) {
    if (const auto n = seen_[who.second].number) best = std::max(best.value_or(0), *n);
  }
  if (!best) return;
  for (const auto& who : now) {
    auto& s = seen_[who.second];
    if (!s.number && s.asking_number) continue;  // it was not asked yet, or has yet to answer
    who.second->behind = !s.number || *best - *s.number > height_->behind;
  }
}

}  // namespace osvm::hotswap::detail
