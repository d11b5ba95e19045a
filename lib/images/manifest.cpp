#include <osvm/core/text.hpp>
#include <osvm/images/image_file.hpp>

#include <algorithm>

namespace osvm::images {
namespace {

result<void> read_paths(config_map& map, std::string_view key, std::vector<std::string>& out) {
  const config_value* v = map.find(key);
  if (!v) return {};
  OSVM_CHECK(read_config(*v, out));
  for (std::size_t i = 0; i < out.size(); ++i)
    if (!out[i].starts_with('/')) return v->items()[i].fail("expected an absolute path of the image");
  return {};
}

result<void> read_health(config_map& map, std::optional<health_check>& out) {
  const config_value* v = map.find("health");
  if (!v) return {};
  OSVM_TRY(auto inner, config_map::of(*v));
  out.emplace();
  OSVM_TRY(const auto* port, inner.require("port"));
  OSVM_TRY(const auto number, port->as_unsigned(1, 65535));
  out->port = static_cast<std::uint32_t>(number);
  OSVM_CHECK(inner.get("http", out->path));
  if (!out->path.empty() && !out->path.starts_with('/'))
    return inner.find("http")->fail("expected a path such as /health");
  return inner.done();
}

result<void> read_limits(config_map& map, manifest& out) {
  OSVM_CHECK(map.get_size("memory", out.limits.memory_bytes));
  OSVM_CHECK(map.get("threads", out.limits.threads));
  OSVM_CHECK(map.get("processes", out.limits.processes));
  OSVM_CHECK(map.get("descriptors", out.limits.descriptors));
  OSVM_CHECK(map.get_size("overlay", out.overlay_bytes));
  OSVM_CHECK(map.get("cpu_time", out.limits.cpu_time));
  return map.get("wall_time", out.limits.wall_time);
}

// Keys that a policy has too are read as a policy's; host paths are no business of an image.
result<void> read_grants(config_map& map, manifest& out) {
  if (const config_value* v = map.find("mounts")) {
    OSVM_CHECK(read_config(*v, out.mounts));
    for (std::size_t i = 0; i < out.mounts.size(); ++i)
      if (!unikernel::valid_mount_name(out.mounts[i]))
        return v->items()[i].fail("expected the name of a mount");
  }
  if (const config_value* v = map.find("listen")) {
    if (v->type() != config_value::kind::list) return v->fail("expected a list");
    for (const config_value& one : v->items()) {
      OSVM_TRY(const auto text, one.as_string());
      const auto l = unikernel::parse_listener(text);
      if (!l) return one.fail(l.error().context);
      out.listen.push_back(*l);
    }
  }
  if (const config_value* v = map.find("allow")) {
    std::vector<std::string> rights;
    OSVM_CHECK(read_config(*v, rights));
    for (std::size_t i = 0; i < rights.size(); ++i)
      if (rights[i] != "jit") return v->items()[i].fail("expected jit");
    out.jit = !rights.empty();
  }
  const config_value* env = map.find("env");
  if (!env) return {};
  if (env->type() != config_value::kind::map) return env->fail("expected a map of names and values");
  for (std::size_t i = 0; i < env->keys().size(); ++i) {
    OSVM_TRY(const auto name, env->keys()[i].as_string());
    OSVM_TRY(const auto value, env->items()[i].as_string());
    if (name.empty() || name.find('=') != std::string::npos)
      return env->keys()[i].fail("expected a name without '='");
    out.environment.push_back(name + "=" + value);
  }
  return {};
}

result<manifest> read(std::string_view text) {
  OSVM_TRY(const auto document, parse_config(text, "manifest"));
  OSVM_TRY(auto map, config_map::of(document));
  manifest out;
  OSVM_CHECK(map.require("entry"));
  OSVM_CHECK(map.get("entry", out.entry));
  if (!out.entry.starts_with('/')) return map.find("entry")->fail("expected an absolute path of the image");
  OSVM_CHECK(map.get("args", out.arguments));
  OSVM_CHECK(map.get("workdir", out.working_directory));
  if (!out.working_directory.starts_with('/'))
    return map.find("workdir")->fail("expected an absolute path of the image");
  OSVM_CHECK(read_paths(map, "writable", out.writable));
  OSVM_CHECK(read_limits(map, out));
  OSVM_CHECK(read_grants(map, out));
  OSVM_CHECK(read_health(map, out.health));
  OSVM_CHECK(map.done());
  return out;
}

}  // namespace

result<manifest> parse_manifest(std::string_view text) {
  auto m = read(text);
  if (!m) return error(errc::bad_manifest, m.error().context);
  return m;
}

}  // namespace osvm::images
