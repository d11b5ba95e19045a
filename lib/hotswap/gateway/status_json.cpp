#include <osvm/hotswap/gateway_host.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace osvm::hotswap {
namespace {

namespace json = boost::json;

json::object object_of(const backend_status& b) {
  return {{"where", b.where},       {"inflight", b.inflight}, {"requests", b.requests},
          {"failures", b.failures}, {"weight", b.weight},     {"ejections", b.ejections},
          {"ejected", b.ejected},   {"down", b.down},         {"behind", b.behind}};
}

json::object object_of(const service_report& s) {
  json::array backends;
  for (const auto& b : s.backends) backends.push_back(object_of(b));
  const auto& r = s.release;
  return {{"active", r.active},
          {"next", r.next},
          {"previous", r.previous},
          {"state", to_string(r.state)},
          {"step", r.step},
          {"share", r.share},
          {"paused", r.paused},
          {"deployments", r.deployments},
          {"backends", std::move(backends)}};
}

json::object object_of(const listener_report& l) {
  const auto& s = l.stats;
  return {{"name", l.name},
          {"listen", osvm::to_string(l.where)},
          {"connections", s.active},
          {"accepted", s.accepted},
          {"requests", s.requests},
          {"answered", s.answered},
          {"failed", s.failed()},
          {"aborted", s.client_aborted},
          {"cut", s.cut},
          {"retried", s.retried},
          {"limited", s.limited}};
}

}  // namespace

std::string status_json(const gateway& of) {
  json::object services;
  for (const auto& [name, s] : of.services()) services[name] = object_of(s);
  json::array listeners;
  for (const auto& l : of.listeners()) listeners.push_back(object_of(l));
  return json::serialize(
      json::object{{"listeners", std::move(listeners)}, {"services", std::move(services)}});
}

std::string event_json(const service_event& e) {
  const auto wall = e.what.wall.time_since_epoch();
  return json::serialize(
      json::object{{"service", e.service},
                   {"version", e.what.version},
                   {"attempt", e.what.attempt},
                   {"state", to_string(e.what.state)},
                   {"reason", e.what.reason},
                   {"time_ms", std::chrono::duration_cast<std::chrono::milliseconds>(wall).count()}});
}

}  // namespace osvm::hotswap
