// Programs of the distribution in a VM beside the same binaries natively and in the sandboxes that are here,
// in alternating rounds: /bin/true to its end, how soon redis answers, what it and lighttpd serve, and what
// they keep resident.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>

#include <osvm/vsock/connect.hpp>

#include "../child_process.hpp"
#include "../publisher.hpp"
#include "../stream_io.hpp"
#include "bench.hpp"
#include "peers.hpp"

namespace osvm::cli::bench {
namespace {

using namespace std::chrono_literals;
using unikernel::instance;

constexpr unikernel::listener redis_port{unikernel::transport::tcp, 6379};
constexpr unikernel::listener web_port{unikernel::transport::tcp, 8080};
constexpr const char* redis_path = "/usr/bin/redis-server";
constexpr const char* web_path = "/usr/sbin/lighttpd";

// PING until PONG. A server that starts refuses connections for a while.
result<void> until_pong(const endpoint& where) {
  const deadline until(60s);
  for (;;) {
    if (const auto fd = vsock::connect_endpoint(where)) {
      std::string answer;
      if (send_all(fd->get(), "PING\r\n", until) && receive_some(fd->get(), answer, until) &&
          answer.starts_with("+PONG"))
        return {};
    }
    if (until.milliseconds_left() <= 0) return error(errc::timed_out, "redis does not answer");
    ::usleep(200);
  }
}

// The proportional share of a process's memory, in MiB.
double resident_mib(const std::string& process) {
  std::ifstream in("/proc/" + process + "/smaps_rollup");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("Pss:")) return std::strtod(line.c_str() + 4, nullptr) / 1024;
  return 0;
}

// A server somewhere, and where it answers.
struct served {
  std::optional<instance> guest;
  std::optional<child_process> child;
  endpoint where;
  double ready_ms = 0;
};

result<served> redis_inside(const environment& env, const unikernel::image& image) {
  served s;
  const stopwatch watch;
  auto o = env.options("redis");
  o.arguments = {"redis-server", "--port", std::to_string(redis_port.port), "--save", ""};
  o.policy.listen = {redis_port};
  o.grant_libraries = true;
  OSVM_TRY(s.guest, instance::create(env.loop.get_executor(), image, std::move(o)));
  OSVM_TRY(s.where, s.guest->wait_listening(redis_port, 60s));
  OSVM_CHECK(until_pong(s.where));
  s.ready_ms = watch.ms();
  return s;
}

result<served> redis_outside(const environment& env, const sandbox* how) {
  served s;
  const std::string socket = env.sockets.path() + "/native-redis.sock";
  ::unlink(socket.c_str());
  std::vector<std::string> argv{redis_path, "--port", "0", "--unixsocket", socket, "--save", ""};
  if (how) argv = how->wrap(env, argv);
  const stopwatch watch;
  OSVM_TRY(auto child, child_process::start(argv));
  s.child.emplace(std::move(child));
  s.where = unix_endpoint{socket};
  OSVM_CHECK(until_pong(s.where));
  s.ready_ms = watch.ms();
  return s;
}

// Asked to end, since what started it may be only the parent of what runs.
result<void> end_redis(served& s) {
  const deadline until(60s);
  OSVM_TRY(const auto fd, vsock::connect_endpoint(s.where));
  OSVM_CHECK(send_all(fd.get(), "SHUTDOWN NOSAVE\r\n", until));
  OSVM_CHECK(s.child->finish());
  s.child.reset();
  return {};
}

result<double> redis_load(const endpoint& where) {
  const auto* path = std::get_if<unix_endpoint>(&where);
  if (!path) return error(errc::unsupported, "redis is not on a unix socket");
  OSVM_TRY(auto run, child_process::start({"redis-benchmark", "-s", path->path, "-n", "10000", "-c", "16",
                                           "-t", "get", "--csv"}));
  OSVM_TRY(const auto text, run.finish());
  const auto at = text.find("\"GET\",\"");
  if (at == std::string::npos) return error(errc::malformed, "redis-benchmark printed no rate");
  return std::strtod(text.c_str() + at + 7, nullptr);
}

result<double> redis_ready(const environment& env, const sandbox& how) {
  OSVM_TRY(auto s, redis_outside(env, &how));
  const double ms = s.ready_ms;
  OSVM_CHECK(end_redis(s));
  return ms;
}

result<void> measure_redis(environment& env, report& out, const std::vector<sandbox>& peers,
                           unsigned rounds) {
  OSVM_TRY(const auto image, unikernel::image::load(redis_path));
  std::vector<double> inside, native, ready_ratios, inside_rate, native_rate, ratios, idle, loaded;
  std::vector<std::vector<double>> wrapped(peers.size());
  for (unsigned i = 0; i < rounds; ++i) {
    OSVM_CHECK(env.proceed());
    const double before = resident_mib("self");
    OSVM_TRY(auto ours, redis_inside(env, image));
    const double ours_idle = resident_mib("self") - before;
    OSVM_TRY(const double ours_rate, redis_load(ours.where));
    const double ours_loaded = resident_mib("self") - before;
    ours.guest.reset();
    OSVM_TRY(auto theirs, redis_outside(env, nullptr));
    const std::string pid = std::to_string(theirs.child->id());
    idle.push_back(ours_idle - resident_mib(pid));
    OSVM_TRY(const double their_rate, redis_load(theirs.where));
    loaded.push_back(ours_loaded - resident_mib(pid));
    theirs.child.reset();
    inside.push_back(ours.ready_ms);
    native.push_back(theirs.ready_ms);
    inside_rate.push_back(ours_rate);
    native_rate.push_back(their_rate);
    ratios.push_back(ours_rate / their_rate);
    ready_ratios.push_back(ours.ready_ms / theirs.ready_ms);
    for (std::size_t p = 0; p < peers.size(); ++p)
      if (const auto ms = redis_ready(env, peers[p])) wrapped[p].push_back(*ms);
  }
  out.samples("redis.ready", "ms", inside);
  out.samples("redis.ready.native", "ms", native);
  out.samples("redis.ready.ratio", "", ready_ratios);
  for (std::size_t p = 0; p < peers.size(); ++p) {
    const std::string name = "redis.ready." + peers[p].name;
    if (wrapped[p].empty()) out.remark(name + ": absent, redis did not answer there");
    if (!wrapped[p].empty()) out.samples(name, "ms", wrapped[p]);
  }
  out.samples("redis.get", "1/s", inside_rate);
  out.samples("redis.get.native", "1/s", native_rate);
  out.samples("redis.get.ratio", "", ratios);
  out.samples("redis.resident_beyond_native.idle", "MiB", idle);
  out.samples("redis.resident_beyond_native.loaded", "MiB", loaded);
  return {};
}

// lighttpd

result<double> web_load(const std::string& port) {
  OSVM_TRY(auto run, child_process::start({"wrk", "-t1", "-c8", "-d1s", "http://127.0.0.1:" + port + "/"}));
  OSVM_TRY(const auto text, run.finish());
  const auto at = text.find("Requests/sec:");
  if (at == std::string::npos || text.find("Non-2xx") != std::string::npos)
    return error(errc::malformed, "wrk did not get its answers");
  return std::strtod(text.c_str() + at + 13, nullptr);
}

result<void> write_site(const environment& env, const std::string& port) {
  std::ofstream(env.sockets.path() + "/index.html") << "<p>hello</p>\n";
  std::ofstream(env.sockets.path() + "/lighttpd.conf")
      << "server.document-root = \"" << env.sockets.path() << "\"\nserver.port = " << port
      << "\nserver.bind = \"127.0.0.1\"\nindex-file.names = (\"index.html\")\nserver.upload-dirs = (\"/\")\n"
      << "mimetype.assign = (\".html\" => \"text/html\")\n";
  return {};
}

result<double> web_inside(environment& env, const unikernel::image& image) {
  OSVM_CHECK(write_site(env, std::to_string(web_port.port)));
  auto o = env.options("lighttpd");
  o.arguments = {"lighttpd", "-D", "-f", env.sockets.path() + "/lighttpd.conf"};
  o.policy.listen = {web_port};
  o.policy.mounts = {{.host_path = env.sockets.path(), .guest_path = env.sockets.path(), .writable = false}};
  o.grant_libraries = true;
  OSVM_TRY(auto front, publisher::open(env.loop.get_executor(),
                                       {{.host = tcp_endpoint{"127.0.0.1", 0}, .guest = web_port}}));
  OSVM_TRY(auto guest, instance::create(env.loop.get_executor(), image, std::move(o)));
  front.attach(guest);
  OSVM_TRY(const auto where, guest.wait_listening(web_port, 60s));
  const std::string line = front.describe().front();  // "...:PORT -> guest:8080"
  const std::string address = line.substr(0, line.find(' '));
  return web_load(address.substr(address.rfind(':') + 1));
}

result<double> web_outside(const environment& env) {
  const std::string port = std::to_string(20000 + ::getpid() % 20000);
  OSVM_CHECK(write_site(env, port));
  OSVM_TRY(auto child, child_process::start({web_path, "-D", "-f", env.sockets.path() + "/lighttpd.conf"}));
  const endpoint where = tcp_endpoint{"127.0.0.1", static_cast<std::uint16_t>(std::atoi(port.c_str()))};
  const deadline until(60s);
  while (!vsock::connect_endpoint(where)) {
    if (until.milliseconds_left() <= 0) return error(errc::timed_out, "lighttpd does not answer");
    ::usleep(1000);
  }
  return web_load(port);
}

result<void> measure_web(environment& env, report& out, unsigned rounds) {
  OSVM_TRY(const auto image, unikernel::image::load(web_path));
  std::vector<double> inside, native, ratios;
  for (unsigned i = 0; i < rounds; ++i) {
    OSVM_CHECK(env.proceed());
    OSVM_TRY(const double ours, web_inside(env, image));
    OSVM_TRY(const double theirs, web_outside(env));
    inside.push_back(ours);
    native.push_back(theirs);
    ratios.push_back(ours / theirs);
  }
  out.samples("lighttpd.requests", "1/s", inside);
  out.samples("lighttpd.requests.native", "1/s", native);
  out.samples("lighttpd.requests.ratio", "", ratios);
  out.remark("lighttpd: ours is behind the L4 proxy of --publish, natively wrk connects to it directly");
  return {};
}

}  // namespace

namespace {

// /bin/true from nothing to its end: what the isolation itself costs.
result<double> true_inside(const environment& env, const unikernel::image& image) {
  const stopwatch watch;
  auto o = env.options("true");
  o.arguments = {"/bin/true"};
  o.grant_libraries = true;
  OSVM_TRY(auto guest, instance::create(env.loop.get_executor(), image, std::move(o)));
  OSVM_TRY(const auto ended, guest.wait(60s));
  if (ended.shell_status() != 0) return error(errc::closed, ended.describe());
  return watch.ms();
}
result<double> true_outside(const environment& env, const sandbox* how) {
  const stopwatch watch;
  const std::vector<std::string> program{"/bin/true"};
  OSVM_TRY(auto child, child_process::start(how ? how->wrap(env, program) : program));
  OSVM_CHECK(child.finish());
  return watch.ms();
}

result<void> measure_true(environment& env, report& out, const std::vector<sandbox>& peers, unsigned rounds) {
  OSVM_TRY(const auto image, unikernel::image::load("/bin/true"));
  std::vector<double> inside, native, ratios;
  std::vector<std::vector<double>> wrapped(peers.size()), wrapped_ratios(peers.size());
  for (unsigned i = 0; i < rounds * 4; ++i) {
    OSVM_CHECK(env.proceed());
    OSVM_TRY(const double ours, true_inside(env, image));
    OSVM_TRY(const double bare, true_outside(env, nullptr));
    inside.push_back(ours);
    native.push_back(bare);
    ratios.push_back(ours / bare);
    for (std::size_t p = 0; p < peers.size(); ++p) {
      OSVM_TRY(const double theirs, true_outside(env, &peers[p]));
      wrapped[p].push_back(theirs);
      wrapped_ratios[p].push_back(ours / theirs);
    }
  }
  out.samples("true.exit", "ms", inside);
  out.samples("true.exit.native", "ms", native);
  out.samples("true.exit.ratio", "", ratios);
  for (std::size_t p = 0; p < peers.size(); ++p) {
    out.samples("true.exit." + peers[p].name, "ms", wrapped[p]);
    out.samples("true.exit.ratio_to_" + peers[p].name, "", wrapped_ratios[p]);
  }
  return {};
}

}  // namespace

result<void> measure_programs(environment& env, report& out, unsigned rounds) {
  const auto peers = usable_sandboxes(env, out);
  if (const auto r = measure_true(env, out, peers, rounds); !r) out.fail("true: " + r.error().to_string());
  OSVM_CHECK(env.proceed());
  if (const auto r = measure_redis(env, out, peers, rounds); !r) out.fail("redis: " + r.error().to_string());
  OSVM_CHECK(env.proceed());
  if (const auto r = measure_web(env, out, rounds); !r) out.fail("lighttpd: " + r.error().to_string());
  return {};
}

}  // namespace osvm::cli::bench
