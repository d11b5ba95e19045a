#include <osvm/unikernel/identifiers.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <chrono>

namespace osvm::unikernel {
namespace {

double seconds(std::chrono::nanoseconds d) {
  return static_cast<double>(d.count()) / 1e9;
}

}  // namespace

const char* identifier(exit_cause cause) noexcept {
  switch (cause) {
    case exit_cause::exited: return "exited";
    case exit_cause::signaled: return "signaled";
    case exit_cause::faulted: return "faulted";
    case exit_cause::killed: return "killed";
    case exit_cause::memory_budget: return "memory_budget";
    case exit_cause::cpu_budget: return "cpu_budget";
    case exit_cause::wall_budget: return "wall_budget";
    case exit_cause::failed: return "failed";
  }
  return "unknown";
}

std::string to_json(const event& e) {
  boost::json::object o{{"event", to_string(e.kind)}, {"at", seconds(e.at)}};
  if (e.kind == event_kind::trace) {
    o["thread"] = e.thread;
    o["number"] = e.call;
    o["call"] = e.text;
    o["result"] = e.result;
    o["seconds"] = seconds(e.duration);
  } else if (e.kind == event_kind::denial) {
    o["what"] = e.text;
    o["rule"] = e.rule;
  } else {
    o["stream"] = e.stream;
    o["line"] = e.text;
  }
  return boost::json::serialize(o);
}

}  // namespace osvm::unikernel
