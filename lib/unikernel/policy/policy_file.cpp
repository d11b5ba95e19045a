#include <osvm/unikernel/policy_file.hpp>

#include <osvm/core/text.hpp>
#include <osvm/core/unique_fd.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t max_vsock_port = 0xffff'fffe;

result<std::uint64_t> parse_port(std::string_view text, std::uint64_t max) {
  std::uint64_t port = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (ec != std::errc() || end != text.data() + text.size() || port == 0 || port > max) {
    return error(osvm::errc::malformed, "expected a port from 1 to " + std::to_string(max));
  }
  return port;
}

result<void> read_mount(const config_value& v, const policy_file_options& options, mount& out) {
  if (v.type() == config_value::kind::scalar) {
    OSVM_TRY(const auto name, v.as_string());
    const named_mount* known = find_mount(options.named, name);
    if (!known) return v.fail("no mount has this name (see: osvm mount list)");
    out = known->grant;
    return {};
  }
  OSVM_TRY(auto map, config_map::of(v));
  std::string access = "ro";
  OSVM_CHECK(map.require("host"));
  OSVM_CHECK(map.get("host", out.host_path));
  OSVM_CHECK(map.get("guest", out.guest_path));
  OSVM_CHECK(map.get("access", access));
  OSVM_CHECK(map.get_size("quota", out.quota_bytes));
  OSVM_CHECK(map.done());
  if (access != "ro" && access != "rw") return map.find("access")->fail("expected ro or rw");
  out.writable = access == "rw";
  if (out.host_path.empty()) return map.find("host")->fail("expected a path");
  if (!out.host_path.starts_with('/') && !options.base_dir.empty())
    out.host_path = options.base_dir + "/" + out.host_path;
  std::error_code ec;
  out.host_path = std::filesystem::absolute(out.host_path, ec).lexically_normal().string();
  if (out.guest_path.empty()) out.guest_path = out.host_path;
  if (!out.guest_path.starts_with('/')) return map.find("guest")->fail("expected an absolute path");
  if (out.quota_bytes != 0 && !out.writable) return map.find("quota")->fail("a quota is for access: rw");
  return {};
}

template <class T, class Read>
result<void> read_list(config_map& map, std::string_view key, std::vector<T>& out, Read read) {
  const config_value* list = map.find(key);
  if (!list || list->type() == config_value::kind::null) return {};
  if (list->type() != config_value::kind::list) return list->fail("expected a list");
  for (const config_value& v : list->items()) {
    T one{};
    OSVM_CHECK(read(v, one));
    out.push_back(std::move(one));
  }
  return {};
}

// Text of a list's item, taken apart by `parse`, whose message is given the item's place.
template <class Parse>
auto read_text(const config_value& v, Parse parse) -> decltype(parse(std::string_view())) {
  OSVM_TRY(const auto text, v.as_string());
  auto parsed = parse(std::string_view(text));
  if (!parsed) return v.fail(parsed.error().context);
  return parsed;
}

result<void> read_environment(config_map& map, std::vector<std::string>& out) {
  const config_value* env = map.find("env");
  if (!env || env->type() == config_value::kind::null) return {};
  if (env->type() != config_value::kind::map) return env->fail("expected a map of names and values");
  for (std::size_t i = 0; i < env->keys().size(); ++i) {
    OSVM_TRY(const auto name, env->keys()[i].as_string());
    if (name.empty() || name.find('=') != std::string::npos)
      return env->keys()[i].fail("expected a name without '='");
    const config_value& value = env->items()[i];
    std::string text;
    if (value.type() != config_value::kind::null) {
      OSVM_TRY(text, value.as_string());
    }
    if ((name + text).find('\0') != std::string::npos) return value.fail("a NUL byte");
    out.push_back(name + "=" + text);
  }
  return {};
}

result<void> read_connections(const config_value& v, policy& out) {
  OSVM_TRY(const auto text, v.as_string());
  if (!text.starts_with("vsock:")) {
    auto grant = parse_connect_grant(text);
    if (!grant) return v.fail(grant.error().context);
    out.connect.push_back(std::move(*grant));
    return {};
  }
  auto port = parse_port(std::string_view(text).substr(6), max_vsock_port);
  if (!port) return v.fail(port.error().context);
  out.vsock_connect.push_back(static_cast<std::uint32_t>(*port));
  return {};
}

result<void> read_rights(config_map& map, policy& out) {
  std::vector<char> ignored;
  OSVM_CHECK(read_list(map, "listen", out.listen, [](const config_value& v, listener& l) -> result<void> {
    OSVM_TRY(l, read_text(v, parse_listener));
    return {};
  }));
  OSVM_CHECK(read_list(map, "connect", ignored,
                       [&](const config_value& v, char&) { return read_connections(v, out); }));
  OSVM_CHECK(read_list(map, "listen_unix", out.listen_unix,
                       [](const config_value& v, unix_listener& l) -> result<void> {
                         OSVM_TRY(l, read_text(v, parse_unix_listener));
                         return {};
                       }));
  OSVM_CHECK(read_list(map, "tmpfs", out.scratch, [](const config_value& v, tmpfs& t) -> result<void> {
    OSVM_TRY(t, read_text(v, parse_tmpfs));
    return {};
  }));
  return read_list(map, "allow", ignored, [&](const config_value& v, char&) -> result<void> {
    OSVM_TRY(const auto name, v.as_string());
    if (name != "jit") return v.fail("expected jit");
    out.allow.jit = true;
    return {};
  });
}

result<void> read_budgets(config_map& outer, budgets& out) {
  const config_value* v = outer.find("budgets");
  if (!v) return {};
  OSVM_TRY(auto map, config_map::of(*v));
  OSVM_CHECK(map.get_size("memory", out.memory_bytes));
  OSVM_CHECK(map.get("threads", out.threads));
  OSVM_CHECK(map.get("processes", out.processes));
  OSVM_CHECK(map.get("descriptors", out.descriptors));
  OSVM_CHECK(map.get_size("written", out.written_bytes));
  OSVM_CHECK(map.get("cpu_time", out.cpu_time));
  OSVM_CHECK(map.get("wall_time", out.wall_time));
  return map.done();
}

// writing

bool is_text(std::string_view s) {
  return utf8_prefix(s) == s.size();
}

bool plain(std::string_view s) {
  const auto ordinary = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '.' || c == '_' || c == '-';
  };
  // A path cannot be read as a number, a boolean or nothing.
  return s.starts_with('/') && std::all_of(s.begin(), s.end(), ordinary);
}

std::string scalar(std::string_view s) {
  return plain(s) ? std::string(s) : "\"" + json_escape(s) + "\"";
}

std::string mount_text(const mount& m) {
  if (!is_text(m.host_path) || !is_text(m.guest_path))
    return "  # left out, not UTF-8: " + printable(m.host_path) + "\n";
  std::string line = "  - {host: " + scalar(m.host_path) + ", guest: " + scalar(m.guest_path);
  if (m.writable) line += ", access: rw";
  if (m.quota_bytes != 0) line += ", quota: " + format_size(m.quota_bytes);
  return line + "}\n";
}

std::string connect_text(const connect_grant& g) {
  const bool unix_socket = g.host.starts_with("unix:");
  std::string out = g.host.find(':') != std::string::npos && !unix_socket ? "[" + g.host + "]" : g.host;
  if (g.port != 0 && !unix_socket) out += ":" + std::to_string(g.port);
  if (!g.guest_name.empty()) out += "=" + g.guest_name;
  return g.port != 0 && unix_socket ? out + ":" + std::to_string(g.port) : out;
}

std::string list_text(const char* key, const std::vector<std::string>& items) {
  std::string out = std::string(key) + ": [";
  for (const auto& i : items) out += (out.back() == '[' ? "" : ", ") + scalar(i);
  return items.empty() ? "" : out + "]\n";
}

std::string environment_text(const std::vector<std::string>& environment) {
  std::string out;
  for (const auto& e : environment) {
    const std::size_t equals = e.find('=');
    if (!is_text(e)) {
      out += "  # left out, not UTF-8: " + printable(e.substr(0, equals)) + "\n";
    } else if (equals != std::string::npos) {
      out += "  " + scalar(e.substr(0, equals)) + ": " + scalar(e.substr(equals + 1)) + "\n";
    }
  }
  return out.empty() ? out : "env:\n" + out;
}

std::string budgets_text(const budgets& b) {
  std::string out = fmt::format(
      "budgets:\n  memory: {}\n  threads: {}\n  processes: {}\n  descriptors: {}\n  written: {}\n",
      format_size(b.memory_bytes), b.threads, b.processes, b.descriptors, format_size(b.written_bytes));
  if (b.cpu_time.count() != 0) out += "  cpu_time: " + format_duration(b.cpu_time) + "\n";
  if (b.wall_time.count() != 0) out += "  wall_time: " + format_duration(b.wall_time) + "\n";
  return out;
}

result<void> write_file(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n <= 0) return errno_error("write " + path);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return ::fsync(fd) == 0 ? result<void>() : errno_error("fsync " + path);
}

}  // namespace

result<listener> parse_listener(std::string_view text) {
  const bool vsock = text.starts_with("vsock:");
  const std::string_view port = vsock || text.starts_with("tcp:") ? text.substr(text.find(':') + 1) : text;
  const auto number = parse_port(port, vsock ? max_vsock_port : 65535);
  if (!number) return error(osvm::errc::malformed, "expected tcp:PORT or vsock:PORT");
  return listener{vsock ? transport::vsock : transport::tcp, static_cast<std::uint32_t>(*number)};
}

std::string to_string(const listener& l) {
  return (l.kind == transport::tcp ? "tcp:" : "vsock:") + std::to_string(l.port);
}

result<void> read_policy(config_map& map, const policy_file_options& options, policy_file& out) {
  OSVM_CHECK(read_list(map, "mounts", out.granted.mounts,
                       [&](const config_value& v, mount& m) { return read_mount(v, options, m); }));
  OSVM_CHECK(read_environment(map, out.granted.environment));
  OSVM_CHECK(read_rights(map, out.granted));
  return read_budgets(map, out.limits);
}

result<policy_file> parse_policy(std::string_view text, std::string_view name,
                                 const policy_file_options& options) {
  OSVM_TRY(const auto document, parse_config(text, name));
  OSVM_TRY(auto map, config_map::of(document));
  policy_file out = options.defaults;
  OSVM_CHECK(read_policy(map, options, out));
  OSVM_CHECK(map.done());
  return out;
}

result<policy_file> load_policy(const std::string& path, const policy_file_options& options) {
  OSVM_TRY(const auto document, load_config(path));
  OSVM_TRY(auto map, config_map::of(document));
  policy_file_options with_base = options;
  if (with_base.base_dir.empty()) with_base.base_dir = std::filesystem::absolute(path).parent_path().string();
  policy_file out = options.defaults;
  OSVM_CHECK(read_policy(map, with_base, out));
  OSVM_CHECK(map.done());
  return out;
}

std::string format_policy(const policy_file& file, std::string_view comment) {
  std::string out;
  while (!comment.empty()) {
    const std::size_t end = std::min(comment.find('\n'), comment.size());
    out += "# " + std::string(comment.substr(0, end)) + "\n";
    comment.remove_prefix(std::min(end + 1, comment.size()));
  }
  const policy& p = file.granted;
  if (!p.mounts.empty()) out += "mounts:\n";
  for (const mount& m : p.mounts) out += mount_text(m);
  std::vector<std::string> scratch, listen, connect, listen_unix;
  for (const tmpfs& t : p.scratch) scratch.push_back(to_string(t));
  for (const listener& l : p.listen) listen.push_back(to_string(l));
  for (const std::uint32_t port : p.vsock_connect) connect.push_back("vsock:" + std::to_string(port));
  for (const connect_grant& g : p.connect) connect.push_back(connect_text(g));
  for (const unix_listener& l : p.listen_unix) listen_unix.push_back(l.host_path + "=guest:" + l.guest_path);
  out += list_text("tmpfs", scratch);
  out += list_text("listen", listen) + list_text("connect", connect) + list_text("listen_unix", listen_unix);
  if (p.allow.jit) out += "allow: [jit]\n";
  return out + environment_text(p.environment) + budgets_text(file.limits);
}

bool valid_mount_name(std::string_view name) noexcept {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= 64 && letter(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || c == '-' || c == '_' || c == '.'; });
}

const named_mount* find_mount(std::span<const named_mount> mounts, std::string_view name) noexcept {
  const auto at =
      std::find_if(mounts.begin(), mounts.end(), [&](const named_mount& m) { return m.name == name; });
  return at == mounts.end() ? nullptr : &*at;
}

result<std::vector<named_mount>> load_mounts(const std::string& path) {
  std::vector<named_mount> out;
  const auto document = load_config(path);
  if (!document && document.error().code == error_code(ENOENT, boost::system::system_category())) return out;
  if (!document) return document.error();
  OSVM_TRY(auto map, config_map::of(*document));
  for (std::size_t i = 0; i < document->keys().size(); ++i) {
    named_mount m;
    OSVM_TRY(m.name, document->keys()[i].as_string());
    if (!valid_mount_name(m.name)) return document->keys()[i].fail("not a mount's name");
    if (document->items()[i].type() != config_value::kind::map)
      return document->items()[i].fail("expected a map");
    OSVM_CHECK(read_mount(document->items()[i], {}, m.grant));
    out.push_back(std::move(m));
  }
  return out;
}

result<void> save_mounts(const std::string& path, std::span<const named_mount> mounts) {
  std::string text = "# Named mounts: osvm mount add|remove|list.\n";
  for (const named_mount& m : mounts) {
    if (!valid_mount_name(m.name))
      return error(osvm::errc::invalid_argument, "mount name '" + printable(m.name) + "'");
    if (!is_text(m.grant.host_path) || !is_text(m.grant.guest_path)) {
      return error(osvm::errc::invalid_argument, "mount " + m.name + ": paths must be UTF-8");
    }
    text += "\"" + m.name + "\": " + mount_text(m.grant).substr(4);
  }
  std::string temporary = path + ".XXXXXX";
  const unique_fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return errno_error("make a file beside " + path);
  auto written = write_file(fd.get(), text, temporary);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) written = errno_error("rename to " + path);
  if (!written) (void)::unlink(temporary.c_str());
  return written;
}

}  // namespace osvm::unikernel
