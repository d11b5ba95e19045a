// Web servers under wrk: requests per second, and memory beyond the native server's, idle and after the load.
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include <osvm/vsock/connect.hpp>

#include "../../publisher.hpp"
#include "programs.hpp"

namespace osvm::cli::bench {
namespace {

using namespace std::chrono_literals;
using unikernel::instance;

constexpr unikernel::listener guest_port{unikernel::transport::tcp, 8080};

struct web_server {
  std::string name;
  std::string path;
  words folders;  // that it reads, beside its site
  // The command that serves the folder `site` on a port of 127.0.0.1; may write files into it.
  words (*command)(const std::string& site, const std::string& port);
};

words lighttpd(const std::string& site, const std::string& port) {
  std::ofstream(site + "/lighttpd.conf")
      << "server.document-root = \"" << site << "\"\nserver.port = " << port
      << "\nserver.bind = \"127.0.0.1\"\nindex-file.names = (\"index.html\")\nserver.upload-dirs = (\"/\")\n"
      << "mimetype.assign = (\".html\" => \"text/html\")\n";
  return {"/usr/sbin/lighttpd", "-D", "-f", site + "/lighttpd.conf"};
}

words python(const std::string& site, const std::string& port) {
  return {"/usr/bin/python3.11", "-S", "-m", "http.server", "--bind", "127.0.0.1", "--directory", site, port};
}

const web_server servers[] = {
    {"lighttpd", "/usr/sbin/lighttpd", {}, lighttpd},
    {"python_http", "/usr/bin/python3.11", {"/usr/lib/python3.11", "/etc/mime.types"}, python},
};

result<double> load(const std::string& port) {
  OSVM_TRY(auto run, child_process::start({"wrk", "-t1", "-c8", "-d1s", "http://127.0.0.1:" + port + "/"}));
  OSVM_TRY(const auto text, run.finish());
  const auto at = text.find("Requests/sec:");
  if (at == std::string::npos || text.find("Non-2xx") != std::string::npos)
    return error(errc::malformed, "wrk did not get its answers");
  return std::strtod(text.c_str() + at + 13, nullptr);
}

struct web_use {
  double rate = 0, idle_mib = 0, loaded_mib = 0;
};

result<web_use> web_inside(environment& env, const unikernel::image& image, const web_server& s,
                           bool exitless) {
  const std::string& site = env.sockets.path();
  auto o = env.options(s.name);
  o.arguments = s.command(site, std::to_string(guest_port.port));
  o.policy.listen = {guest_port};
  o.policy.mounts = read_only(s.folders);
  o.policy.mounts.push_back({.host_path = site, .guest_path = site, .writable = false});
  o.grant_libraries = true;
  o.exitless = exitless;
  OSVM_TRY(auto front, publisher::open(env.loop.get_executor(),
                                       {{.host = tcp_endpoint{"127.0.0.1", 0}, .guest = guest_port}}));
  web_use u;
  const double before = resident_mib("self");
  OSVM_TRY(auto guest, instance::create(env.loop.get_executor(), image, std::move(o)));
  front.attach(guest);
  OSVM_CHECK(guest.wait_listening(guest_port, 60s));
  const std::string line = front.describe().front();  // "tcp:127.0.0.1:PORT -> guest:8080"
  const std::string address = line.substr(0, line.find(' '));
  u.idle_mib = resident_mib("self") - before;
  OSVM_TRY(u.rate, load(address.substr(address.rfind(':') + 1)));
  u.loaded_mib = resident_mib("self") - before;
  return u;
}

result<void> until_connected(const endpoint& where) {
  const deadline until(60s);
  while (!vsock::connect_endpoint(where)) {
    if (until.milliseconds_left() <= 0) return error(errc::timed_out, "the native server does not answer");
    ::usleep(1000);
  }
  return {};
}

result<web_use> web_outside(const environment& env, const web_server& s) {
  const auto port = static_cast<std::uint16_t>(20000 + ::getpid() % 20000);
  OSVM_TRY(auto child, child_process::start(s.command(env.sockets.path(), std::to_string(port))));
  OSVM_CHECK(until_connected(tcp_endpoint{"127.0.0.1", port}));
  const std::string pid = std::to_string(child.id());
  web_use u;
  u.idle_mib = resident_mib(pid);
  OSVM_TRY(u.rate, load(std::to_string(port)));
  u.loaded_mib = resident_mib(pid);
  return u;
}

result<void> measure_web(environment& env, report& out, const web_server& s, unsigned rounds) {
  OSVM_TRY(const auto image, unikernel::image::load(s.path));
  std::ofstream(env.sockets.path() + "/index.html") << "<p>hello</p>\n";
  comparison requests, exitless_requests;
  std::vector<double> idle, loaded;
  for (unsigned i = 0; i < rounds; ++i) {
    OSVM_CHECK(env.proceed());
    OSVM_TRY(const auto ours, web_inside(env, image, s, false));
    OSVM_TRY(const auto exitless, web_inside(env, image, s, true));
    OSVM_TRY(const auto native, web_outside(env, s));
    requests.add(ours.rate, native.rate);
    exitless_requests.add(exitless.rate, native.rate);
    idle.push_back(ours.idle_mib - native.idle_mib);
    loaded.push_back(ours.loaded_mib - native.loaded_mib);
  }
  requests.print(out, s.name + ".requests", "1/s");
  exitless_requests.print(out, s.name + ".requests.exitless", "1/s");
  out.samples(s.name + ".resident_beyond_native.idle", "MiB", idle);
  out.samples(s.name + ".resident_beyond_native.loaded", "MiB", loaded);
  return {};
}

}  // namespace

result<void> measure_web(environment& env, report& out, unsigned rounds) {
  for (const auto& s : servers)
    if (const auto r = measure_web(env, out, s, rounds); !r) out.fail(s.name + ": " + r.error().to_string());
  out.remark(
      "web servers: ours are behind the L4 proxy of --publish, natively wrk connects to them directly");
  return env.proceed();
}

}  // namespace osvm::cli::bench
