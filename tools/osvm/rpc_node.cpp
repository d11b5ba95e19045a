#include "rpc_node.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>

#include <unistd.h>

namespace osvm::cli {
namespace {

using namespace std::chrono_literals;
using hotswap::release_state;

constexpr auto hung_after = 5s;            // without an answer to the orders to advance
constexpr unsigned unanswered_behind = 2;  // such orders, of a VM that lacks a slot as well
constexpr auto drain_of_a_shift = 12s;     // longer than a call that is passed on to the upstream may take
constexpr auto drain_at_the_end = 5s;
constexpr auto to_take_over = 60s;  // a fresh VM that has started, until it serves

bool reaches(const known_slots& a, const known_slots& b) {
  return std::ranges::equal(a, b, [](auto x, auto y) { return x >= y; });
}

known_slots highest(const known_slots& a, const known_slots& b) {
  known_slots out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::max(a[i], b[i]);
  return out;
}

}  // namespace

// Gives the release engine VMs that run already.
class rpc_node::ready_source final : public hotswap::instance_source {
 public:
  explicit ready_source(executor ex) : ex_(std::move(ex)) {}

  void async_start(
      const hotswap::release_spec& spec, std::stop_token,
      boost::asio::any_completion_handler<void(result<std::shared_ptr<hotswap::lease>>)> handler) override {
    auto vm = std::any_cast<std::shared_ptr<rpc_vm>>(spec.source_data);
    boost::asio::post(ex_, [vm = std::move(vm), h = std::move(handler)]() mutable {
      std::move(h)(std::shared_ptr<hotswap::lease>(std::move(vm)));
    });
  }
  void async_stop(std::shared_ptr<hotswap::lease> which, std::chrono::nanoseconds,
                  boost::asio::any_completion_handler<void(result<void>)> handler) override {
    auto vm = std::static_pointer_cast<rpc_vm>(std::move(which));
    vm->guest().kill();
    auto& guest = vm->guest();
    guest.async_wait([vm = std::move(vm), h = std::move(handler)](result<unikernel::exit_report>) mutable {
      std::move(h)(result<void>());
    });
  }

 private:
  const executor ex_;
};

// The VM that leaves in the shift under way. Once the route has changed there is no way back to it, as it
// knows less than its successor has told: it counts as lost. Shared with the service, which may outlive the
// node.
struct rpc_node::handover {
  std::mutex mutex;
  std::string to;
  std::shared_ptr<rpc_vm> from, left;
  std::function<void()> changed;

  void begin(std::string successor, std::shared_ptr<rpc_vm> leaving) {
    const std::lock_guard lock(mutex);
    to = std::move(successor);
    from = std::move(leaving);
  }
  void routed(const std::string& version) {
    std::shared_ptr<rpc_vm> superseded;
    {
      const std::lock_guard lock(mutex);
      if (version == to) superseded = std::exchange(from, nullptr);
    }
    if (!superseded) return;
    superseded->supersede();
    {
      const std::lock_guard lock(mutex);
      left = std::move(superseded);
    }
    if (changed) changed();
  }
  // The VM that the route has left, once.
  std::shared_ptr<rpc_vm> take_left() {
    const std::lock_guard lock(mutex);
    return std::exchange(left, nullptr);
  }
};

rpc_node::rpc_node(executor ex, rpc_node_options options, unikernel::image program, hotswap::proxy front)
    : ex_(std::move(ex)),
      options_(std::move(options)),
      program_(std::move(program)),
      front_(std::move(front)),
      handover_(std::make_shared<handover>()),
      source_(std::make_shared<ready_source>(ex_)),
      service_(ex_, front_, source_,
               {.after_shift = [h = handover_](const std::string& version) { h->routed(version); }}) {
  handover_->changed = [bell = alarm_] { bell->ring(); };
}

result<std::unique_ptr<rpc_node>> rpc_node::start(executor ex, rpc_node_options options,
                                                  std::stop_token give_up) {
  if (options.folders.empty() || options.vms == 0)
    return error(errc::invalid_argument, "a node needs a ledger folder and a VM");
  OSVM_TRY(auto program, unikernel::image::load(options.program));
  const std::vector<executor> shards(std::max(1U, options.shards), ex);
  OSVM_TRY(auto front, hotswap::proxy::listen(shards, {.listen = options.listen}));
  std::unique_ptr<rpc_node> node(
      new rpc_node(std::move(ex), std::move(options), std::move(program), std::move(front)));
  auto up = node->first_.emplace().get_future();
  node->keeper_ = std::thread([n = node.get()] { n->keep(); });
  const std::stop_callback on_stop(give_up, [n = node.get()] { n->ask_to_stop(); });
  OSVM_CHECK(up.get());
  return node;
}

rpc_node::~rpc_node() {
  stop();
}

void rpc_node::say(const std::string& text) const {
  if (options_.say) options_.say(text);
}

void rpc_node::alarm::ring() {
  {
    const std::lock_guard lock(mutex);
    rung = true;
  }
  bell.notify_all();
}

void rpc_node::alarm::wait(std::chrono::nanoseconds at_most) {
  std::unique_lock lock(mutex);
  bell.wait_for(lock, at_most, [this] { return rung; });
  rung = false;
}

void rpc_node::ask_to_stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  alarm_->ring();
}

void rpc_node::stop() {
  ask_to_stop();
  if (!keeper_.joinable()) return;
  keeper_.join();
  say_goodbye();
  for (auto& m : members_)
    if (m.part == role::serving && m.vm->ended().empty()) (void)m.vm->goodbye(options_.patience);
  (void)service_.async_stop(drain_at_the_end, boost::asio::use_future).get();
  front_.close();
  std::vector<member> rest;
  {
    const std::lock_guard lock(mutex_);
    rest.swap(members_);
  }
  for (auto& m : rest) m.vm->guest().kill();
  for (auto& m : rest) (void)m.vm->guest().wait(10s);
}

void rpc_node::keep() {
  const auto stopping = [this] {
    const std::lock_guard lock(mutex_);
    return stopping_;
  };
  while (!stopping()) {
    tick();
    alarm_->wait(options_.advance_every);
  }
  fulfil(error(errc::cancelled, "the node is being stopped"));
  const std::lock_guard lock(mutex_);
  if (first_) first_->set_value(error(errc::cancelled, "stopped while it started"));
  first_.reset();
}

// WebSocket clients of a VM that was left would hear nothing more there: they are told to come again. It gets
// no other order any more, and what it still answers is drained meanwhile.
void rpc_node::say_goodbye() {
  if (const auto vm = handover_->take_left()) (void)vm->goodbye(options_.patience);
}

void rpc_node::tick() {
  say_goodbye();
  finish_shift();
  settle_starting();
  advance_all();
  remove_dead();
  if (!shift_.valid()) choose();
  refill();
}

rpc_node::member* rpc_node::find(role part) {
  const auto at = std::ranges::find(members_, part, &member::part);
  return at == members_.end() ? nullptr : &*at;
}

result<> rpc_node::start_vm(bool fresh) {
  rpc_vm_options o;
  const unsigned number = started_++;
  o.name = "vm-" + std::to_string(number + 1);
  o.folder = options_.folders[std::min<std::size_t>(number, options_.folders.size() - 1)];
  o.index = options_.index;
  o.accounts = options_.accounts;
  o.upstream = options_.upstream;
  o.socket_dir = options_.socket_dir;
  o.memory = options_.memory;
  o.exitless = options_.exitless;
  o.facts = &options_.facts;
  o.say = options_.say;
  o.changed = [bell = alarm_] { bell->ring(); };
  OSVM_TRY(auto vm, rpc_vm::start(ex_, program_, std::move(o)));
  const std::lock_guard lock(mutex_);
  members_.push_back({.vm = std::move(vm), .part = role::starting, .fresh = fresh});
  return {};
}

// A VM that has read its ledger stands by; one that ended while it started is given up.
void rpc_node::settle_starting() {
  for (auto& m : members_) {
    if (m.part != role::starting) continue;
    if (m.vm->ready() && m.vm->advance(options_.patience)) {
      const std::lock_guard lock(mutex_);
      m.part = role::standby;
    } else if (!m.vm->ended().empty() || clock::now() - m.vm->started() > options_.start_deadline) {
      const auto why = m.vm->ended().empty() ? "it took too long to start" : m.vm->ended();
      const error failure(errc::closed, m.vm->name() + " did not come up: " + why);
      drop(m, "it did not come up: " + why);
      retry_at_ = clock::now() + 1s;
      const std::lock_guard lock(mutex_);
      if (first_) first_->set_value(failure);
      first_.reset();
    }
  }
  const std::lock_guard lock(mutex_);
  std::erase_if(members_, [](const member& m) { return m.part == role::leaving && !m.vm->ended().empty(); });
}

// The serving one first, so that those that stand by know at least as much.
void rpc_node::advance_all() {
  known_slots all{};
  for (const role part : {role::serving, role::standby})
    for (auto& m : members_) {
      if (m.part != part) continue;
      const auto slots = m.vm->advance(options_.patience);
      m.unanswered = slots || slots.error().code == errc::denied ? 0 : m.unanswered + 1;
      all = highest(all, m.vm->slots());
    }
  const auto now = clock::now();
  seen_.emplace_back(now, all);
  // Only the newest of those that are old enough to judge by is kept.
  while (seen_.size() > 1 && now - seen_[1].first >= options_.behind_for) seen_.erase(seen_.begin());
}

bool rpc_node::behind(const member& m) const {
  // Not by what others have learned in this same round, after it was asked.
  return seen_.size() > 1 && clock::now() - seen_.front().first >= options_.behind_for &&
         !reaches(m.vm->slots(), seen_.front().second);
}

bool rpc_node::hung(const member& m) const {
  return m.unanswered * options_.patience >= hung_after || (m.unanswered >= unanswered_behind && behind(m));
}

void rpc_node::drop(member& m, const std::string& why) {
  say(m.vm->name() + " leaves: " + why);
  m.vm->guest().kill();
  if (m.fresh) fulfil(error(errc::closed, m.vm->name() + ": " + why));
  const std::lock_guard lock(mutex_);
  m.part = role::leaving;
  ++left_;
}

void rpc_node::remove_dead() {
  for (auto& m : members_) {
    if (m.part == role::standby && m.vm != shifting_to_) {
      if (!m.vm->ended().empty())
        drop(m, m.vm->ended());
      else if (hung(m))
        drop(m, "it does not answer");
      else if (!m.fresh && behind(m))
        drop(m, "it does not advance");
      else if (m.fresh && clock::now() - m.vm->started() > options_.start_deadline + to_take_over)
        drop(m, "it could not take over");  // its ledger cannot be looked at anew, say
    }
    // Hung: an order that it still holds could make it advance at any time, so it ends before it is replaced.
    if (m.part == role::serving && hung(m)) m.vm->guest().kill();
  }
}

// Whether the route has to change, and to which.
void rpc_node::choose() {
  auto* serving = find(role::serving);
  for (auto& m : members_) {
    if (m.part != role::standby) continue;
    if (shifts_ == 0 && &m != &members_.front()) return;  // the first to start is the first to serve
    const bool wanted = m.fresh || serving == nullptr || !serving->vm->ended().empty() || behind(*serving);
    if (!wanted) continue;
    begin_shift(m, m.fresh);
    if (shift_.valid()) return;
  }
}

void rpc_node::begin_shift(member& to, bool forced) {
  auto* from = find(role::serving);
  // It still holds an order, and could advance beyond its successor by it. It answers, or is hung and ends.
  if (from != nullptr && from->vm->ended().empty() && from->unanswered > 0) return;
  const auto known = to.vm->advance(options_.patience);
  if (!known) return;
  if (from != nullptr && !forced && !reaches(*known, from->vm->slots())) return;
  if (from != nullptr && from->vm->ended().empty() && !forced)
    say(from->vm->name() + " leaves: it does not advance");
  if (from != nullptr && !from->vm->ended().empty()) say(from->vm->name() + " leaves: " + from->vm->ended());
  hotswap::release_spec spec;
  spec.version = to.vm->name();
  spec.source_data = to.vm;
  spec.probe.path = "/health";
  spec.probe.interval = 2ms;
  spec.warmup.requests = 1;
  spec.warmup.path = "/health";
  spec.drain_deadline = drain_of_a_shift;
  {
    const std::lock_guard lock(mutex_);
    if (from != nullptr) from->part = role::leaving;  // it gets no order to advance any more
    to.part = role::serving;
  }
  shifting_from_ = from != nullptr ? from->vm : nullptr;
  shifting_to_ = to.vm;
  shift_forced_ = forced;
  handover_->begin(spec.version, shifting_from_);
  shift_ = service_.async_deploy(std::move(spec), boost::asio::use_future);
}

void rpc_node::finish_shift() {
  if (!shift_.valid() || shift_.wait_for(0s) != std::future_status::ready) return;
  auto done = shift_.get();
  const bool good = done && done->state == release_state::active;
  // It ended after the route had changed: the one before was no way back any more.
  const bool neither = done && done->state == release_state::retired;
  const bool asked_for = std::exchange(shift_forced_, false);
  const auto vm = std::exchange(shifting_to_, nullptr), before = std::exchange(shifting_from_, nullptr);
  std::optional<result<>> first;
  {
    const std::lock_guard lock(mutex_);
    for (auto& m : members_) {
      if (m.vm == vm) m.fresh = false;
      if (m.vm == vm && !good) m.part = role::leaving;
      // Of a shift that failed the one before serves on.
      if (m.vm == before && !good && !neither) m.part = role::serving;
      // A reset replaces all that opened the ledger before it.
      const bool waits = m.part == role::standby || m.part == role::starting;
      if (m.vm != vm && good && asked_for && waits && m.vm->started() < vm->started()) m.part = role::leaving;
    }
    shifts_ += good;
    left_ += good && shifts_ > 1;
    if (first_) {
      first = good ? result<>() : result<>(done ? error(done->code, done->reason) : done.error());
      first_->set_value(*first);
      first_.reset();
    }
  }
  for (auto& m : members_)
    if (m.part == role::leaving) m.vm->guest().kill();
  if (good && asked_for) seen_.clear();  // of another ledger, perhaps
  say(done ? done->describe() : vm->name() + ": " + done.error().to_string());
  if (asked_for) fulfil(std::move(done));
}

void rpc_node::refill() {
  if (clock::now() < retry_at_) return;
  bool fresh = false;
  {
    const std::lock_guard lock(mutex_);
    fresh = std::exchange(reset_wanted_, false);
    const auto alive = std::ranges::count_if(
        members_, [](const member& m) { return m.part != role::leaving && m.vm->ended().empty(); });
    if (!fresh && alive >= options_.vms) return;
    if (!fresh && !first_ && shifts_ == 0) return;  // the first did not come up: start() tells
    // VMs that end as soon as they serve are not started in a row.
    const auto just_ended = [](const member& m) {
      return !m.vm->ended().empty() && clock::now() - m.vm->started() < 1s;
    };
    if (!fresh && std::ranges::any_of(members_, just_ended)) return;
  }
  const auto started = start_vm(fresh);
  if (started) return;
  say("no further VM: " + started.error().to_string());
  retry_at_ = clock::now() + 1s;
  if (fresh) fulfil(started.error());
  const std::lock_guard lock(mutex_);
  if (first_) first_->set_value(started.error());
  first_.reset();
}

void rpc_node::fulfil(result<hotswap::shift_report> done) {
  const std::lock_guard lock(mutex_);
  if (!resetting_) return;
  resetting_->set_value(std::move(done));
  resetting_.reset();
}

result<hotswap::shift_report> rpc_node::reset() {
  std::future<result<hotswap::shift_report>> done;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return error(errc::closed, "the node was stopped");
    if (resetting_) return error(errc::busy, "another replacement is under way");
    done = resetting_.emplace().get_future();
    reset_wanted_ = true;
  }
  alarm_->ring();
  return done.get();
}

std::string rpc_node::address() const {
  const auto text = to_string(front_.local_endpoint());
  return text.starts_with("tcp:") ? text.substr(4) : text;
}

std::string rpc_node::isolation() const {
  const std::lock_guard lock(mutex_);
  return members_.empty() ? std::string() : members_.front().vm->guest().isolation_report();
}

bool rpc_node::kill(const std::string& name) {
  const std::lock_guard lock(mutex_);
  for (auto& m : members_)
    if (m.vm->name() == name) return m.vm->guest().kill(), true;
  return false;
}

bool rpc_node::signal(const std::string& name, int number) {
  const std::lock_guard lock(mutex_);
  for (auto& m : members_)
    if (m.vm->name() == name) return m.vm->guest().signal(number).has_value();
  return false;
}

std::vector<std::pair<std::string, known_slots>> rpc_node::vms() const {
  std::vector<std::pair<std::string, known_slots>> out;
  const std::lock_guard lock(mutex_);
  for (const role part : {role::serving, role::standby})
    for (const auto& m : members_)
      if (m.part == part) out.emplace_back(m.vm->name(), m.vm->slots());
  return out;
}

boost::json::object rpc_node::status() const {
  static constexpr const char* roles[] = {"starting", "standby", "serving", "leaving"};
  const auto stats = front_.stats();
  boost::json::array list;
  boost::json::object out{{"listen", address()},
                          {"pid", ::getpid()},
                          {"ledger", options_.folders.front()},
                          {"seconds", std::chrono::duration<double>(clock::now() - since_).count()},
                          {"requests", stats.requests},
                          {"answered", stats.answered},
                          {"failed", stats.failed()}};
  const std::lock_guard lock(mutex_);
  for (const auto& m : members_) {
    const auto used = m.vm->guest().stats();
    const auto slots = m.vm->slots();
    list.push_back({{"name", m.vm->name()},
                    {"role", roles[static_cast<int>(m.part)]},
                    {"isolation", m.vm->guest().isolation_report()},
                    {"processed", slots[0]},
                    {"confirmed", slots[1]},
                    {"finalized", slots[2]},
                    {"memory_bytes", used.memory_bytes},
                    {"memory_peak_bytes", used.memory_peak_bytes},
                    {"cpu_seconds", std::chrono::duration<double>(used.cpu_time).count()}});
  }
  out["vms"] = std::move(list);
  out["shifts"] = shifts_;
  out["left"] = left_;
  return out;
}

}  // namespace osvm::cli
