#include <unistd.h>

#include <osvm/unikernel/surface.hpp>
#include <osvm/vsock/connect.hpp>

#include <algorithm>
#include <filesystem>

#include "../bench/bench.hpp"
#include "../bench/host_calls.hpp"
#include "../bench/listed_calls.hpp"
#include "../guest_programs.hpp"
#include "../http_get.hpp"
#include "../stream_io.hpp"

namespace osvm::cli {
namespace {

namespace uk = unikernel;
using namespace std::chrono_literals;

// A program as it is measured, and the policy that it runs under.
struct subject {
  std::string name;
  uk::policy granted;
  bench::traced_run run;
};

void add_calls(const subject& s, bench::report& out) {
  const auto counted = uk::guest_surface(s.granted);
  out.value("calls.osvm." + s.name, "system calls", counted.served);
  out.value("calls.osvm." + s.name + ".refused", "system calls", counted.refused);
}

// What other ways leave reachable: all calls natively, and what the peers themselves say where they are
// installed.
void add_other_calls(const std::string& seccomp_list, bench::report& out) {
  const auto all = uk::guest_surface({});
  out.value("calls.native", "system calls", all.known);
  out.value("exits", "kinds", all.exit_kinds);
  if (const auto listed = bench::container_default_calls(seccomp_list)) {
    out.value("calls.container_default", "system calls", static_cast<double>(*listed));
  } else {
    out.remark("calls.container_default: absent: " + listed.error().to_string());
  }
  if (const auto listed = bench::gvisor_calls()) {
    out.value("calls.gvisor", "system calls", static_cast<double>(*listed));
  } else {
    out.remark("calls.gvisor: absent: " + listed.error().to_string());
  }
}

// Bytes beside bytes: functions of the modules that a guest's exits reach, as linked into this program.
void add_text(bench::report& out) {
  if (const auto text = bench::text_bytes({"kvm", "unikernel", "vsock"})) {
    std::uint64_t sum = 0;
    for (const auto& [module, bytes] : *text) {
      out.value("text." + module, "bytes", static_cast<double>(bytes));
      sum += bytes;
    }
    out.value("text.osvm", "bytes", static_cast<double>(sum));
  } else {
    out.remark("text.osvm is absent: " + text.error().to_string());
  }
  if (const auto kernel = bench::kernel_text_bytes()) {
    out.value("text.host_kernel", "bytes", static_cast<double>(*kernel));
  } else {
    out.remark("text.host_kernel is absent: " + kernel.error().to_string());
  }
}

result<void> add_host_calls(const subject& s, bench::report& out) {
  const std::string& name = s.name;
  OSVM_TRY(const auto counted, bench::count_host_calls(s.run));
  std::vector<std::pair<std::uint64_t, std::string>> names;
  std::uint64_t sum = 0;
  for (const auto& [number, n] : counted.on_guest_threads) {
    names.emplace_back(n, uk::call_name(number));
    sum += n;
  }
  std::sort(names.rbegin(), names.rend());
  out.value("host." + name + ".entries", "KVM_RUN", static_cast<double>(counted.entries));
  out.value("host." + name + ".distinct", "system calls", static_cast<double>(names.size()));
  out.value("host." + name + ".made", "calls", static_cast<double>(sum));
  std::string text = "host calls on guest threads, " + name + ":";
  for (const auto& [n, call] : names) text += " " + call + " " + std::to_string(n);
  out.remark(std::move(text));
  return {};
}

std::vector<std::string> own_command(std::vector<std::string> words) {
  std::error_code ec;
  words.insert(words.begin(), {std::filesystem::read_symlink("/proc/self/exe", ec).string(), "run"});
  return words;
}

constexpr int requests = 200;

// Tracing makes all slow: a first answer may take seconds.
result<unique_fd> connected(const endpoint& where) {
  const deadline until(60s);
  for (;;) {
    auto fd = vsock::connect_endpoint(where);
    if (fd || until.milliseconds_left() <= 0) return fd;
    ::usleep(10'000);
  }
}

result<void> use_redis(const endpoint& where) {
  const deadline until(60s);
  unique_fd fd;
  std::string answer;
  while (!answer.starts_with("+PONG")) {  // the proxy's port is there before the guest's is
    answer.clear();
    OSVM_TRY(fd, connected(where));
    const bool asked = send_all(fd.get(), "PING\r\n", until) && receive_some(fd.get(), answer, until);
    if (!asked && until.milliseconds_left() <= 0) return error(errc::timed_out, "redis does not answer");
  }
  for (int i = 0; i < requests; ++i) {
    answer.clear();
    OSVM_CHECK(send_all(fd.get(), i % 2 ? "GET k\r\n" : "SET k value\r\n", until));
    OSVM_TRY(const bool more, receive_some(fd.get(), answer, until));
    if (!more) return error(errc::closed, "redis went away");
  }
  return send_all(fd.get(), "SHUTDOWN NOSAVE\r\n", until);
}

result<void> use_http(const endpoint& where) {
  const deadline until(60s);
  while (!http_get(where, "/", 10s))
    if (until.milliseconds_left() <= 0) return error(errc::timed_out, "the server does not answer");
  for (int i = 0; i < requests; ++i) OSVM_CHECK(http_get(where, "/bytes/1000", 10s));
  (void)http_get(where, "/exit?code=0", 10s);
  return {};
}

result<subject> hello_subject() {
  OSVM_TRY(const auto path, find_guest("hello"));
  return subject{"hello", {}, {.command = own_command({path}), .beside = {}}};
}

result<subject> http_subject(std::uint16_t port) {
  OSVM_TRY(const auto path, find_guest("http_server"));
  const std::string where = "127.0.0.1:" + std::to_string(port);
  subject s{
      "http", {}, {.command = own_command({"--publish", where + "=guest:8080", path, "8080"}), .beside = {}}};
  s.granted.listen = {{uk::transport::tcp, 8080}};
  s.run.beside = [port](int) { return use_http(tcp_endpoint{"127.0.0.1", port}); };
  return s;
}

result<subject> redis_subject(std::uint16_t port) {
  constexpr const char* program = "/usr/bin/redis-server";
  if (::access(program, X_OK) != 0) return error(errc::not_found, std::string(program) + " is not installed");
  const std::string where = "127.0.0.1:" + std::to_string(port);
  subject s{
      "redis",
      {},
      {.command = own_command({"--publish", where + "=guest:6379", program, "--port", "6379", "--save", ""}),
       .beside = {}}};
  s.granted.listen = {{uk::transport::tcp, 6379}};
  s.granted.mounts = {{.host_path = program, .guest_path = program}};  // and its libraries
  s.run.beside = [port](int) { return use_redis(tcp_endpoint{"127.0.0.1", port}); };
  return s;
}

class bench_surface final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("seccomp-list", "FILE", seccomp_list_, "a container engine's default list, in JSON");
  }
  int run(context& ctx) override {
    return bench::run(ctx, "surface", [&](bench::environment& env, bench::report& out) -> result<void> {
      add_other_calls(seccomp_list_, out);
      const auto port = static_cast<std::uint16_t>(20000 + ::getpid() % 20000);
      const std::pair<const char*, result<subject>> subjects[] = {
          {"hello", hello_subject()}, {"redis", redis_subject(port)}, {"http", http_subject(port)}};
      for (const auto& [name, s] : subjects) {
        OSVM_CHECK(env.proceed());
        if (!s) {
          out.remark(std::string(name) + ": absent: " + s.error().to_string());
          continue;
        }
        add_calls(*s, out);
        OSVM_CHECK(add_host_calls(*s, out));
      }
      add_text(out);
      return {};
    });
  }

 private:
  std::string seccomp_list_ = "/usr/share/containers/seccomp.json";
};

}  // namespace

extern const command cmd_bench_surface_entry;
const command cmd_bench_surface_entry{
    .path = "bench surface",
    .summary = "what of the host a guest can reach: calls, exits, text",
    .examples = "  osvm bench surface\n  osvm bench surface --json",
    .make = make_invocation<bench_surface>,
};

}  // namespace osvm::cli
