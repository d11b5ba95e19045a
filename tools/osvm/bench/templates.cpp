// Templates: what it costs to save a warm server, and to have another one that goes on where it stood.
#include <osvm/unikernel/template.hpp>

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <optional>

#include "../guest_programs.hpp"
#include "../http_get.hpp"
#include "bench.hpp"

namespace osvm::cli::bench {
namespace {

using namespace std::chrono_literals;
using unikernel::instance;
using unikernel::instance_template;

constexpr unikernel::listener web{unikernel::transport::tcp, 8080};

struct spawn_costs {
  std::vector<double> spawn, answer, vm, memory;
};

result<void> spawn_once(const environment& env, const instance_template& from, spawn_costs& out) {
  unikernel::spawn_options o;
  o.socket_dir = env.sockets.path();
  const stopwatch watch;
  OSVM_TRY(auto clone, from.spawn(env.loop.get_executor(), std::move(o)));
  out.spawn.push_back(watch.ms());
  OSVM_TRY(const auto where, clone.wait_listening(web, 10s));
  OSVM_TRY(const auto body, http_get(where, "/", 10s));
  out.answer.push_back(watch.ms());
  const auto boot = clone.stats().boot;
  out.vm.push_back(to_ms(boot.vm));
  out.memory.push_back(to_ms(boot.memory));
  return body.empty() ? result<void>(error(errc::malformed, "a clone's answer is empty")) : result<void>();
}

// One clone that answers and is reset, again and again.
result<void> measure_resets(const environment& env, report& out, const std::string& name,
                            const instance_template& from, unsigned rounds) {
  unikernel::spawn_options o;
  o.socket_dir = env.sockets.path();
  OSVM_TRY(auto clone, from.spawn(env.loop.get_executor(), std::move(o)));
  std::vector<double> reset, answer;
  for (unsigned i = 0; i < rounds; ++i) {
    OSVM_CHECK(env.proceed());
    OSVM_TRY(const auto where, clone.wait_listening(web, 10s));
    OSVM_TRY(const auto first, http_get(where, "/", 10s));
    const stopwatch watch;
    OSVM_CHECK(clone.reset(10s));
    reset.push_back(watch.ms());
    OSVM_TRY(const auto body, http_get(where, "/", 10s));
    answer.push_back(watch.ms());
  }
  out.samples(name + ".reset", "ms", reset);
  out.samples(name + ".reset_to_first_answer", "ms", answer);
  return {};
}

// Written to a file of this machine's disk, dropped from its cache, read and spawned.
result<void> measure_file(const environment& env, report& out, const std::string& name,
                          const instance_template& from) {
  std::vector<double> save, load, cold;
  const std::string path = env.sockets.path() + "/saved";
  for (int i = 0; i < 5; ++i) {
    OSVM_CHECK(env.proceed());
    const stopwatch saving;
    OSVM_CHECK(from.save(path));
    save.push_back(saving.ms());
    for (const bool dropped : {false, true}) {
      if (dropped) {
        const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) != 0) continue;
      }
      const stopwatch loading;
      OSVM_TRY(const auto loaded, instance_template::load(path, {.facts = &env.facts}));
      spawn_costs once;
      OSVM_CHECK(spawn_once(env, loaded, once));
      (dropped ? cold : load).push_back(loading.ms() - once.answer[0] + once.spawn[0]);
    }
  }
  (void)::unlink(path.c_str());
  out.samples(name + ".save", "ms", save);
  out.samples(name + ".load_and_spawn", "ms", load);
  out.samples(name + ".load_and_spawn.cold", "ms", cold);
  return {};
}

// A template of a server that has answered, and how long the snapshot took.
result<instance_template> make_template(instance& warm, std::vector<double>& took) {
  OSVM_TRY(const auto where, warm.wait_listening(web, 30s));
  OSVM_TRY(const auto body, http_get(where, "/", 30s));
  std::optional<instance_template> last;
  for (int i = 0; i < 5; ++i) {
    const stopwatch watch;
    OSVM_TRY(last, warm.snapshot(10s));
    took.push_back(watch.ms());
  }
  return std::move(*last);
}

result<void> measure_one(const environment& env, report& out, const std::string& name, instance& warm,
                         unsigned rounds) {
  std::vector<double> took;
  OSVM_TRY(const auto from, make_template(warm, took));
  spawn_costs costs;
  for (unsigned i = 0; i < rounds; ++i) {
    OSVM_CHECK(env.proceed());
    OSVM_CHECK(spawn_once(env, from, costs));
  }
  out.samples(name + ".snapshot", "ms", took);
  out.value(name + ".memory", "MiB", static_cast<double>(from.info().memory_bytes) / (1 << 20));
  out.samples(name + ".spawn", "ms", costs.spawn);
  out.samples(name + ".spawn.vm", "ms", costs.vm);
  out.samples(name + ".spawn.memory", "ms", costs.memory);
  out.samples(name + ".spawn_to_first_answer", "ms", costs.answer);
  OSVM_CHECK(measure_resets(env, out, name, from, rounds));
  return from.info().memory_bytes < (64U << 20) ? measure_file(env, out, name, from) : result<void>();
}

result<instance> start_server(const environment& env, std::vector<std::string> more) {
  OSVM_TRY(const auto path, find_guest("http_server"));
  OSVM_TRY(const auto server, unikernel::image::load(path));
  auto o = env.options("warm");
  o.arguments = {"http_server", "8080", "v1"};
  o.arguments.insert(o.arguments.end(), more.begin(), more.end());
  o.policy.listen = {web};
  o.budgets.memory_bytes = std::uint64_t{2} << 30;
  return instance::create(env.loop.get_executor(), server, std::move(o));
}

constexpr const char* python_server = R"(
import http.server, json, re, urllib.parse
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"python")
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
)";

result<instance> start_python(const environment& env) {
  OSVM_TRY(const auto python, unikernel::image::load("/usr/bin/python3"));
  auto o = env.options("python");
  o.arguments = {"/usr/bin/python3", "-c", python_server};
  o.policy.listen = {web};
  o.policy.mounts = {{.host_path = "/usr/lib", .guest_path = "/usr/lib"}};
  o.grant_libraries = true;
  return instance::create(env.loop.get_executor(), python, std::move(o));
}

// So many clones at once, all of which answer.
result<void> measure_many_clones(const environment& env, report& out, unsigned count) {
  OSVM_TRY(auto warm, start_server(env, {}));
  std::vector<double> ignored;
  OSVM_TRY(const auto from, make_template(warm, ignored));
  std::vector<std::optional<instance>> clones(count);
  const double before = memory_available();
  const stopwatch watch;
  for (unsigned i = 0; i < count; ++i) {
    OSVM_CHECK(env.proceed());
    unikernel::spawn_options o;
    o.socket_dir = env.sockets.path();
    o.name = "c" + std::to_string(i);
    OSVM_TRY(auto made, from.spawn(env.loop.get_executor(), std::move(o)));
    clones[i].emplace(std::move(made));
  }
  const std::string name = "clones" + std::to_string(count);
  out.value(name + ".start", "ms", watch.ms());
  unsigned dead = 0;
  for (auto& c : clones) {
    OSVM_TRY(const auto where, c->wait_listening(web, 10s));
    dead += http_get(where, "/", 10s) ? 0 : 1;
  }
  out.value(name + ".memory_per_clone", "KiB", (before - memory_available()) / count / 1024);
  out.must_be_zero(name + ".dead", "VMs", dead);
  for (auto& c : clones) c->kill();
  return {};
}

// A function that does nothing, and what it costs to have a clone for each call of it.
result<void> measure_calls(const environment& env, report& out, unsigned rounds) {
  OSVM_TRY(const auto path, find_guest("called"));
  OSVM_TRY(const auto program, unikernel::image::load(path));
  auto o = env.options("called");
  o.arguments = {"called"};
  OSVM_TRY(auto guest, instance::create(env.loop.get_executor(), program, std::move(o)));
  OSVM_CHECK(guest.wait_ready(10s));
  std::vector<double> call, fresh;
  for (unsigned i = 0; i < rounds * 20; ++i) {
    const stopwatch watch;
    OSVM_CHECK(guest.call("empty", ""));
    call.push_back(watch.ms() * 1000);
  }
  OSVM_TRY(const auto from, guest.snapshot(10s));
  OSVM_TRY(auto clone, from.spawn(env.loop.get_executor(), {}));
  for (unsigned i = 0; i < rounds; ++i) {
    OSVM_CHECK(env.proceed());
    const stopwatch watch;
    OSVM_CHECK(clone.call("empty", ""));
    OSVM_CHECK(clone.reset(10s));
    fresh.push_back(watch.ms() * 1000);
  }
  out.samples("call.empty", "us", call);
  out.samples("call.empty_and_reset", "us", fresh);
  return {};
}

}  // namespace

result<void> measure_templates(environment& env, report& out, const template_options& options) {
  {
    OSVM_TRY(auto warm, start_server(env, {}));
    OSVM_CHECK(measure_one(env, out, "template.http", warm, options.rounds));
  }
  {
    OSVM_TRY(auto warm, start_server(env, {"--threads", "4"}));
    OSVM_CHECK(measure_one(env, out, "template.4threads", warm, options.rounds));
  }
  for (const unsigned mebibytes : {16U, 1024U}) {
    OSVM_TRY(auto warm, start_server(env, {"--warm", std::to_string(mebibytes)}));
    OSVM_CHECK(measure_one(env, out, "template." + std::to_string(mebibytes) + "MiB", warm, options.rounds));
  }
  if (::access("/usr/bin/python3", X_OK) == 0 && ::access("/usr/lib/python3", R_OK) == 0) {
    OSVM_TRY(auto warm, start_python(env));
    OSVM_CHECK(measure_one(env, out, "template.python", warm, options.rounds));
  }
  OSVM_CHECK(measure_calls(env, out, options.rounds));
  if (options.alive > 0) OSVM_CHECK(measure_many_clones(env, out, options.alive));
  return {};
}

}  // namespace osvm::cli::bench
