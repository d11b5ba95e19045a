// redis: how soon it answers, what it serves, and what it keeps resident.
#include <unistd.h>

#include <cstdlib>

#include <osvm/vsock/connect.hpp>

#include "programs.hpp"

namespace osvm::cli::bench {
namespace {

using namespace std::chrono_literals;
using unikernel::instance;

constexpr unikernel::listener redis_port{unikernel::transport::tcp, 6379};
constexpr const char* redis_path = "/usr/bin/redis-server";

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

// A server somewhere, and where it answers.
struct served {
  std::optional<instance> guest;
  std::optional<child_process> child;
  endpoint where;
  double ready_ms = 0;
};

result<served> redis_inside(const environment& env, const unikernel::image& image, bool exitless) {
  served s;
  const stopwatch watch;
  auto o = env.options("redis");
  o.arguments = {"redis-server", "--port", std::to_string(redis_port.port), "--save", ""};
  o.policy.listen = {redis_port};
  o.grant_libraries = true;
  // As many as it asks for, as it has them natively: with fewer it asks again and again, 16 less each time.
  o.budgets.descriptors = 10'240;
  o.exitless = exitless;
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

struct redis_rows {
  comparison ready, get, get_exitless;
  std::vector<double> idle, loaded;          // MiB beyond native
  std::vector<std::vector<double>> wrapped;  // ready, one vector for each peer

  void print(report& out, const std::vector<sandbox>& peers) const {
    ready.print(out, "redis.ready", "ms");
    for (std::size_t p = 0; p < peers.size(); ++p) {
      const std::string name = "redis.ready." + peers[p].name;
      if (wrapped[p].empty()) out.remark(name + ": absent, redis did not answer there");
      if (!wrapped[p].empty()) out.samples(name, "ms", wrapped[p]);
    }
    get.print(out, "redis.get", "1/s");
    get_exitless.print(out, "redis.get.exitless", "1/s");
    out.remark("exitless: its poller, the guest and the client share this machine's cores");
    out.samples("redis.resident_beyond_native.idle", "MiB", idle);
    out.samples("redis.resident_beyond_native.loaded", "MiB", loaded);
  }
};

struct use {
  double ready_ms = 0, rate = 0, idle_mib = 0, loaded_mib = 0;
};

result<use> use_inside(const environment& env, const unikernel::image& image, bool exitless) {
  use u;
  const double before = resident_mib("self");
  OSVM_TRY(auto guest, redis_inside(env, image, exitless));
  u.ready_ms = guest.ready_ms;
  u.idle_mib = resident_mib("self") - before;
  OSVM_TRY(u.rate, redis_load(guest.where));
  u.loaded_mib = resident_mib("self") - before;
  return u;
}

result<use> use_outside(const environment& env) {
  use u;
  OSVM_TRY(auto process, redis_outside(env, nullptr));
  const std::string pid = std::to_string(process.child->id());
  u.ready_ms = process.ready_ms;
  u.idle_mib = resident_mib(pid);
  OSVM_TRY(u.rate, redis_load(process.where));
  u.loaded_mib = resident_mib(pid);
  return u;
}

}  // namespace

result<void> measure_redis(environment& env, report& out, const std::vector<sandbox>& peers,
                           unsigned rounds) {
  OSVM_TRY(const auto image, unikernel::image::load(redis_path));
  redis_rows rows;
  rows.wrapped.resize(peers.size());
  for (unsigned i = 0; i < rounds; ++i) {
    OSVM_CHECK(env.proceed());
    OSVM_TRY(const auto ours, use_inside(env, image, false));
    OSVM_TRY(const auto exitless, use_inside(env, image, true));
    OSVM_TRY(const auto native, use_outside(env));
    rows.ready.add(ours.ready_ms, native.ready_ms);
    rows.get.add(ours.rate, native.rate);
    rows.get_exitless.add(exitless.rate, native.rate);
    rows.idle.push_back(ours.idle_mib - native.idle_mib);
    rows.loaded.push_back(ours.loaded_mib - native.loaded_mib);
    for (std::size_t p = 0; p < peers.size(); ++p)
      if (const auto ms = redis_ready(env, peers[p])) rows.wrapped[p].push_back(*ms);
  }
  rows.print(out, peers);
  return {};
}

}  // namespace osvm::cli::bench
