// The gateway's counters as Prometheus text. They lie in the shards; each look adds them up.
#include <osvm/core/text.hpp>
#include <osvm/hotswap/gateway.hpp>

#include <array>
#include <cstdio>

namespace osvm::hotswap {
namespace {

// A label's value: backslash, quote and line feed are escaped.
std::string label(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

class page {
 public:
  void family(const char* name, const char* type, const char* help) {
    name_ = name;
    out_.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name);
    out_.append(" ").append(type).append("\n");
  }
  void add(const std::string& labels, double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.17g", value);
    out_.append(name_).append("{").append(labels).append("} ").append(text).append("\n");
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_, name_;
};

struct counter_of {
  const char *name, *type, *help;
  std::uint64_t proxy_stats::*value;
};

constexpr std::array listener_counters{
    counter_of{"osvm_proxy_connections_total", "counter", "Client connections.", &proxy_stats::accepted},
    counter_of{"osvm_proxy_connections", "gauge", "Client connections open now.", &proxy_stats::active},
    counter_of{"osvm_proxy_requests_total", "counter", "Requests taken (tcp: connections routed).",
               &proxy_stats::requests},
    counter_of{"osvm_proxy_answered_total", "counter", "Complete responses passed on.",
               &proxy_stats::answered},
    counter_of{"osvm_proxy_retried_total", "counter", "Requests sent again.", &proxy_stats::retried},
    counter_of{"osvm_proxy_upgraded_total", "counter", "Connections that switched protocols.",
               &proxy_stats::upgraded},
    counter_of{"osvm_proxy_to_release_bytes_total", "counter", "Bytes sent to releases.",
               &proxy_stats::bytes_to_release},
    counter_of{"osvm_proxy_to_client_bytes_total", "counter", "Bytes sent to clients.",
               &proxy_stats::bytes_to_client},
};

constexpr std::array failures{
    std::pair("bad_request", &proxy_stats::bad_requests),
    std::pair("client_timeout", &proxy_stats::client_timeouts),
    std::pair("no_release", &proxy_stats::no_release),
    std::pair("connect", &proxy_stats::connect_failed),
    std::pair("upstream_closed", &proxy_stats::upstream_closed),
    std::pair("upstream_invalid", &proxy_stats::upstream_invalid),
    std::pair("upstream_timeout", &proxy_stats::upstream_timeouts),
    std::pair("truncated", &proxy_stats::truncated),
    std::pair("limited", &proxy_stats::limited),
    std::pair("unrouted", &proxy_stats::unrouted),
    std::pair("refused", &proxy_stats::refused),
    std::pair("client_aborted", &proxy_stats::client_aborted),
    std::pair("cut", &proxy_stats::cut),
};

void add_listeners(const std::vector<listener_report>& all, page& p) {
  for (const auto& c : listener_counters) {
    p.family(c.name, c.type, c.help);
    for (const auto& l : all) {
      p.add("listener=\"" + label(l.name) + "\"", static_cast<double>(l.stats.*c.value));
    }
  }
  p.family("osvm_proxy_failures_total", "counter", "Requests without a complete answer, by what went wrong.");
  for (const auto& l : all) {
    for (const auto& [why, value] : failures) {
      p.add("listener=\"" + label(l.name) + "\",why=\"" + why + "\"", static_cast<double>(l.stats.*value));
    }
  }
}

void add_services(const std::map<std::string, service_report>& all, page& p) {
  const auto each = [&](auto f) {
    for (const auto& [name, s] : all) {
      for (const auto& b : s.backends) {
        p.add("service=\"" + label(name) + "\",release=\"" + label(s.release.active) + "\",backend=\"" +
                  label(b.where) + "\"",
              f(b));
      }
    }
  };
  p.family("osvm_proxy_backend_requests_total", "counter", "Requests routed to a backend.");
  each([](const backend_status& b) { return static_cast<double>(b.requests); });
  p.family("osvm_proxy_backend_failures_total", "counter", "Requests that a backend failed.");
  each([](const backend_status& b) { return static_cast<double>(b.failures); });
  p.family("osvm_proxy_backend_inflight", "gauge", "Requests that a backend serves now.");
  each([](const backend_status& b) { return static_cast<double>(b.inflight); });
  p.family("osvm_proxy_backend_usable", "gauge", "1 when a backend gets requests.");
  each([](const backend_status& b) {
    return b.weight != 0 && !b.ejected && !b.down && !b.behind ? 1.0 : 0.0;
  });
  p.family("osvm_proxy_deployments_total", "counter", "Releases that were begun with.");
  for (const auto& [name, s] : all) {
    p.add("service=\"" + label(name) + "\"", static_cast<double>(s.release.deployments));
  }
}

}  // namespace

std::string gateway::metrics() const {
  page p;
  add_listeners(listeners(), p);
  add_services(services(), p);
  return p.take();
}

}  // namespace osvm::hotswap
