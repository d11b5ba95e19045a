#include "unikernel/events/channel.hpp"

#include <osvm/core/text.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <new>

namespace osvm::unikernel {
namespace {

constexpr std::size_t batch = 256;     // events handed over at once: other work on the executor gets its turn
constexpr std::size_t max_line = 900;  // of guest output; a longer line comes in pieces

event_record make_record(event_kind kind, std::chrono::steady_clock::time_point started) noexcept {
  event_record r;
  r.kind = static_cast<std::uint8_t>(kind);
  r.at_ns = std::chrono::nanoseconds(std::chrono::steady_clock::now() - started).count();
  return r;
}

event to_event(const event_record& r) {
  event e;
  e.kind = static_cast<event_kind>(r.kind);
  e.at = std::chrono::nanoseconds(r.at_ns);
  e.thread = r.thread;
  e.text = r.text();
  e.rule = r.rule();
  e.call = r.call;
  e.result = r.result;
  e.duration = std::chrono::nanoseconds(r.duration_ns);
  e.stream = r.stream;
  return e;
}

}  // namespace

const char* to_string(event_kind kind) noexcept {
  switch (kind) {
    case event_kind::denial: return "denial";
    case event_kind::trace: return "trace";
    case event_kind::log: return "log";
  }
  return "unknown";
}

event_channel::event_channel(executor ex, event_options options)
    : executor_(std::move(ex)), options_(std::move(options)), ring_(options_.capacity) {}

void event_channel::denial(std::string_view what, std::string_view rule) noexcept {
  event_record r = make_record(event_kind::denial, started_);
  r.set_text(what, rule);
  push(r);
}

void event_channel::trace(int thread, std::uint32_t call, std::string_view text, std::int64_t result,
                          std::chrono::steady_clock::time_point entered) noexcept {
  event_record r = make_record(event_kind::trace, started_);
  r.thread = thread;
  r.call = call;
  r.result = result;
  r.duration_ns = std::chrono::nanoseconds(std::chrono::steady_clock::now() - entered).count();
  r.set_text(text);
  push(r);
}

void event_channel::forward(const event& e) noexcept {
  event_record r;
  r.kind = static_cast<std::uint8_t>(e.kind);
  r.stream = static_cast<std::uint8_t>(e.stream);
  r.at_ns = e.at.count();
  r.duration_ns = e.duration.count();
  r.thread = e.thread;
  r.call = e.call;
  r.result = e.result;
  r.set_text(e.text, e.rule);
  push(r);
}

void event_channel::output(int stream, std::string_view bytes) noexcept {
  try {
    const std::lock_guard guard(line_lock_);
    std::string& line = lines_[stream == 2 ? 1 : 0];
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      const std::size_t take = std::min({end, bytes.size(), max_line - std::min(max_line, line.size())});
      line.append(bytes.substr(0, take));
      bytes.remove_prefix(take);
      const bool whole = !bytes.empty() && bytes.front() == '\n';
      if (!whole && line.size() < max_line) break;
      if (whole) bytes.remove_prefix(1);
      event_record r = make_record(event_kind::log, started_);
      r.stream = static_cast<std::uint8_t>(stream);
      r.set_text(printable(line, max_line));
      push(r);
      line.clear();
    }
  } catch (const std::bad_alloc&) {
    // The bytes are lost to the log; the guest's write succeeded all the same.
  }
}

void event_channel::finish_output() noexcept {
  for (const int stream : {1, 2}) {
    bool open = false;
    {
      const std::lock_guard guard(line_lock_);
      open = !lines_[stream - 1].empty();
    }
    if (open) output(stream, "\n");
  }
}

void event_channel::push(event_record& record) noexcept {
  (void)ring_.push(record);
  if (options_.handler) schedule();
}

void event_channel::schedule() noexcept {
  if (closed_.load(std::memory_order_relaxed) || scheduled_.exchange(true)) return;
  try {
    boost::asio::post(executor_, [self = shared_from_this()] {
      self->scheduled_.store(false);
      if (self->deliver(batch)) self->schedule();
    });
  } catch (...) {
    scheduled_.store(false);  // the next event, or the drain at the guest's end, tries again
  }
}

bool event_channel::deliver(std::size_t most) {
  if (reader_.load() == std::this_thread::get_id()) return false;  // called by the handler itself
  const std::lock_guard guard(delivering_);
  std::vector<event> events;
  event_record r;
  while (events.size() < most && ring_.pop(r)) events.push_back(to_event(r));
  if (events.empty() || closed_.load() || !options_.handler) return false;
  reader_.store(std::this_thread::get_id());
  options_.handler(events);
  reader_.store({});
  return events.size() == most;
}

std::vector<event> event_channel::take(std::size_t most) {
  std::vector<event> events;
  event_record r;
  while (events.size() < most && ring_.pop(r)) events.push_back(to_event(r));
  return events;
}

void event_channel::drain() {
  if (!options_.handler) return;
  while (deliver(batch)) {
  }
}

void event_channel::close() noexcept {
  closed_.store(true);
  if (reader_.load() == std::this_thread::get_id()) return;
  const std::lock_guard wait_for_reader(delivering_);
}

}  // namespace osvm::unikernel
