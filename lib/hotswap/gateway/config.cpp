// The configuration file as values. Each wrong key, type, range and reference is told with its place.
#include "hotswap/http1/chars.hpp"
#include "hotswap/io/address.hpp"
#include "hotswap/proxy/state.hpp"

#include <osvm/core/config.hpp>
#include <osvm/hotswap/gateway.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

namespace osvm::hotswap {
namespace {

using std::chrono::milliseconds;

constexpr off_t largest_pem = 1 << 20;

result<void> read_time(config_map& m, std::string_view key, milliseconds& out) {
  nanoseconds t = out;
  OSVM_CHECK(m.get(key, t));
  if (t < nanoseconds(0) || t > std::chrono::hours(24 * 365))
    return m.find(key)->fail("expected a time of 0 or more");
  out = std::chrono::duration_cast<milliseconds>(t);
  return {};
}

template <class T, std::size_t N>
result<void> read_choice(config_map& m, std::string_view key,
                         const std::array<std::pair<const char*, T>, N>& choices, T& out) {
  const auto* v = m.find(key);
  if (!v) return {};
  OSVM_TRY(const auto text, v->as_string());
  std::string all;
  for (const auto& [name, value] : choices) {
    if (text == name) {
      out = value;
      return {};
    }
    all += all.empty() ? name : std::string(", ") + name;
  }
  return v->fail("expected one of: " + all);
}

result<endpoint> read_endpoint(const config_value& v) {
  OSVM_TRY(const auto text, v.as_string());
  auto where = parse_endpoint(text);
  if (!where) return v.fail(where.error().to_string());
  return where;
}

result<void> read_texts(config_map& m, std::string_view key, std::vector<std::string>& out) {
  const auto* v = m.find(key);
  if (!v) return {};
  if (v->type() != config_value::kind::list) {
    OSVM_TRY(auto one, v->as_string());
    out = {std::move(one)};
    return {};
  }
  return read_config(*v, out);
}

template <class F>
result<void> in_map(config_map& m, std::string_view key, F f) {
  const auto* v = m.find(key);
  if (!v) return {};
  OSVM_TRY(auto inner, config_map::of(*v));
  OSVM_CHECK(f(inner));
  return inner.done();
}

// --- listeners ---

result<void> read_rate(config_map& m, std::string_view key, rate_limit& out) {
  return in_map(m, key, [&](config_map& r) -> result<void> {
    OSVM_TRY(const auto* rate, r.require("per_second"));
    OSVM_TRY(out.per_second, rate->as_number());
    OSVM_CHECK(r.get("burst", out.burst));
    if (!(out.per_second > 0)) return rate->fail("expected more than 0");
    if (out.burst < 0) return r.find("burst")->fail("expected 0 or more");
    return {};
  });
}

result<void> read_class(const config_value& v, rpc_class& out) {
  OSVM_TRY(auto m, config_map::of(v));
  OSVM_CHECK(m.require("methods"));
  OSVM_CHECK(read_texts(m, "methods", out.methods));
  OSVM_CHECK(m.get("service", out.service));
  OSVM_CHECK(m.get("retry", out.retry));
  OSVM_CHECK(read_rate(m, "rate", out.rate));
  return m.done();
}

result<void> read_rpc(config_map& m, std::optional<rpc_rules>& out) {
  return in_map(m, "rpc", [&](config_map& r) -> result<void> {
    out.emplace();
    std::uint64_t body = out->max_body;
    OSVM_CHECK(r.get_size("max_body", body));
    if (body == 0 || body > (std::uint64_t{16} << 20)) return r.find("max_body")->fail("expected 1 to 16MiB");
    out->max_body = body;
    OSVM_CHECK(r.get("max_batch", out->max_batch));
    OSVM_TRY(const auto* classes, r.require("classes"));
    if (classes->type() != config_value::kind::list) return classes->fail("expected a list");
    for (const auto& c : classes->items()) {
      OSVM_CHECK(read_class(c, out->classes.emplace_back()));
    }
    return {};
  });
}

result<void> read_header(config_map& m, route_options& out) {
  const auto* v = m.find("header");
  if (!v) return {};
  if (v->type() != config_value::kind::map || v->keys().size() != 1)
    return v->fail("expected one `name: value`");
  OSVM_TRY(out.header, v->keys()[0].as_string());
  if (out.header.empty() || !http1::all_of(out.header, http1::token_char)) {
    return v->keys()[0].fail("expected the name of a header field");
  }
  for (auto& c : out.header) c = http1::lower(c);
  if (v->items()[0].type() == config_value::kind::null) return {};
  OSVM_TRY(out.value, v->items()[0].as_string());
  return {};
}

result<void> read_route(const config_value& v, route_options& out) {
  OSVM_TRY(auto m, config_map::of(v));
  OSVM_CHECK(read_texts(m, "host", out.hosts));
  for (auto& h : out.hosts) {
    for (auto& c : h) c = http1::lower(c);
    if (h.empty() || h.find(':') != std::string::npos)
      return m.find("host")->fail("expected host names without a port");
  }
  OSVM_CHECK(m.get("path", out.prefix));
  if (!out.prefix.starts_with('/')) return m.find("path")->fail("expected a path that begins with '/'");
  OSVM_CHECK(read_header(m, out));
  OSVM_TRY(const auto* service, m.require("service"));
  OSVM_TRY(out.service, service->as_string());
  OSVM_CHECK(read_rate(m, "rate", out.limits.rate));
  OSVM_CHECK(read_rate(m, "client_rate", out.limits.per_client));
  OSVM_CHECK(m.get("concurrency", out.limits.concurrency));
  OSVM_CHECK(m.get("client_concurrency", out.limits.per_client_concurrency));
  OSVM_CHECK(read_rpc(m, out.rpc));
  return m.done();
}

result<void> read_timeouts(config_map& m, proxy_timeouts& out) {
  return in_map(m, "timeouts", [&](config_map& t) -> result<void> {
    OSVM_CHECK(read_time(t, "head", out.head));
    OSVM_CHECK(read_time(t, "idle", out.idle));
    OSVM_CHECK(read_time(t, "tunnel", out.tunnel));
    OSVM_CHECK(read_time(t, "stall", out.stall));
    OSVM_CHECK(read_time(t, "connect", out.connect));
    OSVM_CHECK(read_time(t, "response", out.response));
    return read_time(t, "upstream_idle", out.upstream_idle);
  });
}

result<void> read_limits(config_map& m, http_limits& out) {
  return in_map(m, "limits", [&](config_map& l) -> result<void> {
    std::uint64_t head = out.max_head, target = out.max_target;
    OSVM_CHECK(l.get_size("head", head));
    OSVM_CHECK(l.get_size("target", target));
    OSVM_CHECK(l.get_size("body", out.max_body));
    OSVM_CHECK(l.get("fields", out.max_fields));
    if (!l.find("target")) target = std::min(target, head);
    if (head < 512 || head > (1 << 20)) return l.find("head")->fail("expected 512 to 1MiB");
    if (target == 0 || target > head) return l.find("target")->fail("expected at most the limit of the head");
    if (out.max_fields == 0 || out.max_fields > 256) return l.find("fields")->fail("expected 1 to 256");
    out.max_head = head;
    out.max_target = target;
    return {};
  });
}

// Read with the rest, so that a check of the configuration checks it, too, and an error has its place.
result<void> read_file(config_map& m, std::string_view key, std::string& out) {
  OSVM_TRY(const auto* v, m.require(key));
  OSVM_TRY(const auto path, v->as_string());
  unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  if (!fd || ::fstat(fd.get(), &facts) != 0) return v->fail(errno_error("open " + path).to_string());
  if (!S_ISREG(facts.st_mode) || facts.st_size > largest_pem)
    return v->fail("expected a PEM file of up to 1 MiB");
  out.resize(static_cast<std::size_t>(facts.st_size));
  for (std::size_t n = 0; n < out.size();) {
    const auto r = ::read(fd.get(), out.data() + n, out.size() - n);
    if (r < 0 && errno == EINTR) continue;
    if (r < 0) return v->fail(errno_error("read " + path).to_string());
    if (r == 0) out.resize(n);  // it became shorter
    n += static_cast<std::size_t>(r);
  }
  return {};
}

result<void> read_tls(config_map& m, const proxy_mode mode, std::optional<tls_termination>& out) {
  return in_map(m, "tls", [&](config_map& t) -> result<void> {
    auto& o = out.emplace();
    if (mode == proxy_mode::l4) o.protocols.clear();
    OSVM_TRY(const auto* all, t.require("certificates"));
    if (all->type() != config_value::kind::list || all->items().empty() || all->items().size() > 256)
      return all->fail("expected a list of 1 to 256 certificates");
    for (const auto& c : all->items()) {
      OSVM_TRY(auto one, config_map::of(c));
      auto& certificate = o.certificates.emplace_back();
      OSVM_CHECK(read_file(one, "chain", certificate.chain));
      OSVM_CHECK(read_file(one, "key", certificate.key));
      OSVM_CHECK(one.done());
    }
    constexpr std::array versions{std::pair("1.2", false), std::pair("1.3", true)};
    OSVM_CHECK(read_choice(t, "min_version", versions, o.only_tls13));
    OSVM_CHECK(read_texts(t, "alpn", o.protocols));
    for (const auto& p : o.protocols) {
      const bool known = mode == proxy_mode::l4 ? !p.empty() && p.size() < 256 : p == "h2" || p == "http/1.1";
      if (!known) return t.find("alpn")->fail("expected h2 and http/1.1 (mode tcp: any names)");
    }
    if (auto made = detail::make_tls(o, nullptr); !made) return all->fail(made.error().context);
    return {};
  });
}

result<void> read_listener(const config_value& v, listener_config& out) {
  OSVM_TRY(auto m, config_map::of(v));
  OSVM_TRY(const auto* listen, m.require("listen"));
  OSVM_TRY(out.options.listen, read_endpoint(*listen));
  if (std::holds_alternative<hybrid_endpoint>(out.options.listen))
    return listen->fail("a listener is tcp or unix");
  out.name = to_string(out.options.listen);
  OSVM_CHECK(m.get("name", out.name));
  constexpr std::array modes{std::pair("http", proxy_mode::l7), std::pair("tcp", proxy_mode::l4)};
  OSVM_CHECK(read_choice(m, "mode", modes, out.options.mode));
  constexpr std::array forwarded{std::pair("off", forwarded_mode::off),
                                 std::pair("append", forwarded_mode::append),
                                 std::pair("replace", forwarded_mode::replace)};
  OSVM_CHECK(read_choice(m, "forwarded", forwarded, out.options.forwarded));
  OSVM_CHECK(m.get("accept_proxy", out.options.accept_proxy));
  OSVM_CHECK(m.get("http2_clear_text", out.options.http2_clear_text));
  OSVM_CHECK(m.get("max_connections", out.options.max_connections));
  OSVM_CHECK(read_tls(m, out.options.mode, out.options.tls));
  OSVM_CHECK(read_timeouts(m, out.options.timeouts));
  OSVM_CHECK(read_limits(m, out.options.limits));
  const auto* service = m.find("service");
  const auto* routes = m.find("routes");
  if ((service != nullptr) == (routes != nullptr)) return v.fail("expected either `service` or `routes`");
  if (service) {
    OSVM_TRY(out.routes.emplace_back().service, service->as_string());
    return m.done();
  }
  if (routes->type() != config_value::kind::list || routes->items().empty())
    return routes->fail("expected a list");
  if (out.options.mode == proxy_mode::l4) return routes->fail("a tcp listener has one `service`");
  for (const auto& r : routes->items()) {
    OSVM_CHECK(read_route(r, out.routes.emplace_back()));
  }
  return m.done();
}

// --- services ---

result<void> read_probe(config_map& m, std::string_view key, probe_options& out) {
  return in_map(m, key, [&](config_map& p) -> result<void> {
    constexpr std::array kinds{std::pair("none", probe_kind::none), std::pair("tcp", probe_kind::tcp),
                               std::pair("http", probe_kind::http),
                               std::pair("rpc-health", probe_kind::rpc_health)};
    out.kind = probe_kind::http;
    OSVM_CHECK(read_choice(p, "kind", kinds, out.kind));
    OSVM_CHECK(p.get("path", out.path));
    OSVM_CHECK(p.get("host", out.host));
    OSVM_CHECK(p.get("status", out.status));
    OSVM_CHECK(p.get("body", out.body));
    OSVM_CHECK(p.get("successes", out.successes));
    OSVM_CHECK(read_time(p, "interval", out.interval));
    OSVM_CHECK(read_time(p, "timeout", out.timeout));
    return read_time(p, "deadline", out.deadline);
  });
}

result<void> read_health(config_map& m, std::optional<health_options>& out) {
  return in_map(m, "health", [&](config_map& h) -> result<void> {
    auto& o = out.emplace();
    constexpr std::array kinds{std::pair("tcp", probe_kind::tcp), std::pair("http", probe_kind::http),
                               std::pair("rpc-health", probe_kind::rpc_health)};
    OSVM_CHECK(read_choice(h, "kind", kinds, o.probe.kind));
    OSVM_CHECK(h.get("path", o.probe.path));
    OSVM_CHECK(h.get("host", o.probe.host));
    OSVM_CHECK(h.get("status", o.probe.status));
    OSVM_CHECK(h.get("body", o.probe.body));
    OSVM_CHECK(read_time(h, "timeout", o.probe.timeout));
    OSVM_CHECK(read_time(h, "interval", o.interval));
    OSVM_CHECK(h.get("fall", o.fall));
    OSVM_CHECK(h.get("rise", o.rise));
    if (o.interval.count() == 0 || o.probe.timeout.count() == 0 || o.fall == 0 || o.rise == 0) {
      return m.find("health")->fail("interval, timeout, fall and rise must be more than 0");
    }
    return {};
  });
}

result<void> read_height(config_map& m, std::optional<height_options>& out) {
  return in_map(m, "height", [&](config_map& h) -> result<void> {
    auto& o = out.emplace();
    OSVM_CHECK(h.get("method", o.method));
    OSVM_CHECK(h.get("path", o.path));
    OSVM_CHECK(h.get("host", o.host));
    OSVM_CHECK(h.get("behind", o.behind));
    OSVM_CHECK(read_time(h, "interval", o.interval));
    OSVM_CHECK(read_time(h, "timeout", o.timeout));
    const bool plain = std::all_of(o.method.begin(), o.method.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
    if (!plain || o.method.empty() || o.interval.count() == 0 || o.timeout.count() == 0) {
      return m.find("height")->fail("expected a plain method name, interval and timeout of more than 0");
    }
    return {};
  });
}

result<void> read_pool(config_map& m, pool_options& out) {
  constexpr std::array policies{std::pair("least-connections", balance_policy::least_connections),
                                std::pair("random-two", balance_policy::random_two),
                                std::pair("consistent-hash", balance_policy::consistent_hash)};
  OSVM_CHECK(read_choice(m, "balance", policies, out.balance));
  std::string hash = "client";
  OSVM_CHECK(m.get("hash", hash));
  if (hash.starts_with("header:")) {
    out.key = hash_key::header;
    out.hash_header = hash.substr(7);
    for (auto& c : out.hash_header) c = http1::lower(c);
  } else if (hash == "path" || hash == "client") {
    out.key = hash == "path" ? hash_key::path : hash_key::client;
  } else {
    return m.find("hash")->fail("expected client, path or header:NAME");
  }
  OSVM_CHECK(m.get("retries", out.retries));
  if (out.retries > 16) return m.find("retries")->fail("expected at most 16");
  OSVM_CHECK(m.get("retry_budget", out.retry_budget));
  if (out.retry_budget < 0 || out.retry_budget > 1) return m.find("retry_budget")->fail("expected 0 to 1");
  constexpr std::array versions{std::pair("none", proxy_protocol::none), std::pair("v1", proxy_protocol::v1),
                                std::pair("v2", proxy_protocol::v2)};
  OSVM_CHECK(read_choice(m, "send_proxy", versions, out.send_proxy));
  return in_map(m, "eject", [&](config_map& e) -> result<void> {
    OSVM_CHECK(e.get("failures", out.ejection.failures));
    if (out.ejection.failures == 0) return e.find("failures")->fail("expected 1 or more");
    OSVM_CHECK(read_time(e, "time", out.ejection.time));
    return read_time(e, "max_time", out.ejection.max_time);
  });
}

result<void> read_canary(config_map& m, std::vector<canary_stage>& out) {
  const auto* v = m.find("canary");
  if (!v) return {};
  if (v->type() != config_value::kind::list || v->items().size() > 16)
    return v->fail("expected a list of up to 16");
  double last = 0;
  for (const auto& item : v->items()) {
    OSVM_TRY(auto stage, config_map::of(item));
    auto& s = out.emplace_back();
    OSVM_CHECK(stage.get("percent", s.percent));
    OSVM_CHECK(read_time(stage, "time", s.time));
    if (!(s.percent >= last + 0.01) || s.percent > 99.99)
      return item.fail("percent must grow, from 0.01 to 99.99");
    last = s.percent;
    OSVM_CHECK(stage.done());
  }
  return {};
}

result<void> read_shift(config_map& m, release_spec& out) {
  out.probe.kind = probe_kind::tcp;
  out.warmup.requests = 0;
  OSVM_CHECK(read_probe(m, "probe", out.probe));
  const auto read_warmup = [&](config_map& w) -> result<void> {
    out.warmup.requests = 3;
    OSVM_CHECK(w.get("requests", out.warmup.requests));
    OSVM_CHECK(w.get("path", out.warmup.path));
    OSVM_CHECK(w.get("host", out.warmup.host));
    return read_time(w, "timeout", out.warmup.timeout);
  };
  OSVM_CHECK(in_map(m, "warmup", read_warmup));
  OSVM_CHECK(read_canary(m, out.canary));
  OSVM_CHECK(read_time(m, "drain", out.drain_deadline));
  return in_map(m, "bake", [&](config_map& b) -> result<void> {
    OSVM_CHECK(read_time(b, "window", out.bake.window));
    OSVM_CHECK(b.get("max_error_rate", out.bake.max_error_rate));
    OSVM_CHECK(b.get("min_requests", out.bake.min_requests));
    OSVM_CHECK(read_time(b, "span", out.bake.span));
    return read_time(b, "max_p99", out.bake.max_p99);
  });
}

result<void> read_service(const config_value& v, const std::string& name, service_config& out) {
  OSVM_TRY(auto m, config_map::of(v));
  out.pool.name = name;
  OSVM_CHECK(m.get("release", out.release));
  OSVM_TRY(const auto* backends, m.require("backends"));
  if (backends->type() != config_value::kind::list || backends->items().empty() ||
      backends->items().size() > 256) {
    return backends->fail("expected a list of 1 to 256 endpoints");
  }
  for (const auto& b : backends->items()) {
    OSVM_TRY(out.backends.emplace_back(), read_endpoint(b));
    if (auto ok = detail::to_address(out.backends.back()); !ok) return b.fail(ok.error().to_string());
  }
  OSVM_CHECK(read_pool(m, out.pool));
  OSVM_CHECK(read_shift(m, out.shift));
  OSVM_CHECK(read_health(m, out.health));
  OSVM_CHECK(read_height(m, out.height));
  return m.done();
}

// --- the whole ---

// File names of journals come from service names.
bool plain_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                  c == '_' || c == '.';
         });
}

result<void> read_services(const config_value& v, gateway_config& out) {
  if (v.type() != config_value::kind::map || v.keys().empty()) return v.fail("expected a map of services");
  for (std::size_t i = 0; i < v.keys().size(); ++i) {
    OSVM_TRY(const auto name, v.keys()[i].as_string());
    if (!plain_name(name)) return v.keys()[i].fail("a service's name is letters, digits, '-', '_' and '.'");
    OSVM_CHECK(read_service(v.items()[i], name, out.services[name]));
  }
  return {};
}

result<void> check_references(const config_value& listeners, const gateway_config& out) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < out.listeners.size(); ++i) {
    const auto& l = out.listeners[i];
    if (!names.insert(l.name).second) return listeners.items()[i].fail("another listener has this name");
    for (const auto& r : l.routes) {
      const auto unknown = [&](const std::string& s) {
        return listeners.items()[i].fail("no service is called '" + s + "'");
      };
      if (!out.services.contains(r.service)) return unknown(r.service);
      if (!r.rpc) continue;
      for (const auto& c : r.rpc->classes) {
        if (!c.service.empty() && !out.services.contains(c.service)) return unknown(c.service);
      }
    }
  }
  return {};
}

result<gateway_config> read_gateway(const config_value& document) {
  OSVM_TRY(auto m, config_map::of(document));
  gateway_config out;
  OSVM_CHECK(m.get("threads", out.threads));
  if (out.threads > 256) return m.find("threads")->fail("expected at most 256");
  OSVM_CHECK(m.get("state", out.state));
  OSVM_CHECK(m.get("control", out.control));
  OSVM_CHECK(m.get("access_log", out.access_log));
  OSVM_TRY(const auto* services, m.require("services"));
  OSVM_CHECK(read_services(*services, out));
  OSVM_TRY(const auto* listeners, m.require("listeners"));
  if (listeners->type() != config_value::kind::list || listeners->items().empty()) {
    return listeners->fail("expected a list of listeners");
  }
  for (const auto& l : listeners->items()) {
    OSVM_CHECK(read_listener(l, out.listeners.emplace_back()));
  }
  OSVM_CHECK(m.done());
  OSVM_CHECK(check_references(*listeners, out));
  return out;
}

}  // namespace

result<gateway_config> parse_gateway_config(std::string_view text, std::string_view name) {
  OSVM_TRY(const auto document, parse_config(text, name));
  return read_gateway(document);
}

result<gateway_config> load_gateway_config(const std::string& path) {
  OSVM_TRY(const auto document, load_config(path));
  return read_gateway(document);
}

release_spec with_backends(release_spec base, std::string version, const std::vector<endpoint>& backends) {
  base.version = std::move(version);
  base.artifact.clear();
  for (const auto& b : backends) {
    if (!base.artifact.empty()) base.artifact += '\n';
    base.artifact += to_string(b);
  }
  return base;
}

}  // namespace osvm::hotswap
