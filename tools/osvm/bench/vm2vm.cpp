// Guest to guest: 64 bytes there and back between two VMs, beside the same programs over the host's loopback
// TCP and over veth pairs that meet in a bridge.
#include <unistd.h>
#include <algorithm>
#include <charconv>

#include "../child_process.hpp"
#include "../guest_programs.hpp"
#include "bench.hpp"

namespace osvm::cli::bench {
namespace {

using namespace std::chrono_literals;
using unikernel::instance;

constexpr unikernel::listener pair_port{unikernel::transport::tcp, 7064};
constexpr const char* peer_address = "198.18.0.1";  // what the client's guest is told for the name "peer"

// One number of nanoseconds a line; the first tenth warms up.
result<std::vector<double>> samples_of(std::string_view text, unsigned rounds) {
  std::vector<double> all;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    long long ns = 0;
    if (std::from_chars(text.data(), text.data() + end, ns).ptr != text.data() + end)
      return error(errc::malformed, "the echo client printed something else than times");
    all.push_back(static_cast<double>(ns) / 1e6);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (all.size() != rounds) return error(errc::truncated, "the echo client did not make every round");
  all.erase(all.begin(), all.begin() + rounds / 10);
  return all;
}

std::uint64_t calls(const instance& guest) {
  std::uint64_t sum = 0;
  for (const auto& [name, count] : guest.stats().syscalls) sum += count;
  return sum;
}

result<void> measure_guests(const environment& env, report& out, const std::string& program,
                            unsigned rounds) {
  OSVM_TRY(const auto image, unikernel::image::load(program));
  auto server_options = env.options("server");
  server_options.arguments = {"echo_rtt", "serve", "127.0.0.1", std::to_string(pair_port.port)};
  server_options.policy.listen = {pair_port};
  OSVM_TRY(auto server, instance::create(env.loop.get_executor(), image, std::move(server_options)));
  OSVM_TRY(const auto where, server.wait_listening(pair_port, 10s));

  auto client_options = env.options("client");
  client_options.arguments = {"echo_rtt", peer_address, std::to_string(pair_port.port),
                              std::to_string(rounds)};
  client_options.policy.connect = {
      {.host = to_string(where), .port = static_cast<std::uint16_t>(pair_port.port), .guest_name = "peer"}};
  client_options.output = unikernel::stdio::capture(std::size_t{16} << 20);
  client_options.error = unikernel::stdio::capture(4096);
  const auto before = calls(server);
  OSVM_TRY(auto client, instance::create(env.loop.get_executor(), image, std::move(client_options)));
  OSVM_TRY(const auto ended, client.wait(60s));
  if (ended.shell_status() != 0) return error(errc::closed, "echo client: " + client.take_output(2));
  OSVM_TRY(const auto samples, samples_of(client.take_output(1), rounds));
  out.samples("vm2vm64.rtt", "ms", samples);
  const double per_round = static_cast<double>(calls(server) - before) / rounds;
  out.value("vm2vm64.server_calls", "1/round", per_round);
  out.value("vm2vm64.client_calls", "1/round", static_cast<double>(calls(client)) / rounds);
  if (per_round < 2) out.fail("vm2vm64: the serving guest made fewer than two system calls a round");
  return {};
}

result<void> measure_native(report& out, const char* name, const std::vector<std::string>& serve,
                            const std::vector<std::string>& client, unsigned rounds) {
  OSVM_TRY(auto server, child_process::start(serve));
  OSVM_TRY(const auto ready, server.first_output());
  OSVM_TRY(auto running, child_process::start(client));
  OSVM_TRY(const auto text, running.finish());
  OSVM_TRY(const auto samples, samples_of(text, rounds));
  out.samples(name, "ms", samples);
  return {};
}

// Two network namespaces, each with a veth pair into one bridge. Names hold our process id; all go with this.
class bridged_namespaces {
 public:
  bridged_namespaces() = default;
  ~bridged_namespaces() {
    (void)ip({"netns", "del", side("a")});
    (void)ip({"netns", "del", side("b")});
    (void)ip({"link", "del", "osvmbr" + id_});
  }
  bridged_namespaces(const bridged_namespaces&) = delete;
  bridged_namespaces& operator=(const bridged_namespaces&) = delete;

  result<void> make() {
    const std::string bridge = "osvmbr" + id_;
    OSVM_CHECK(ip({"link", "add", bridge, "type", "bridge"}));
    OSVM_CHECK(ip({"link", "set", bridge, "up"}));
    OSVM_CHECK(add("a", "10.254.64.1/24", bridge));
    return add("b", "10.254.64.2/24", bridge);
  }
  std::string side(const std::string& which) const { return "osvm" + which + id_; }

 private:
  static result<void> ip(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "ip");
    OSVM_TRY(auto child, child_process::start(arguments));
    OSVM_TRY(const auto ignored, child.finish());
    return {};
  }
  result<void> add(const std::string& which, const std::string& address, const std::string& bridge) {
    const std::string space = side(which), outer = "ov" + which + id_;
    OSVM_CHECK(ip({"netns", "add", space}));
    OSVM_CHECK(ip({"link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", space}));
    OSVM_CHECK(ip({"link", "set", outer, "master", bridge, "up"}));
    OSVM_CHECK(ip({"-n", space, "addr", "add", address, "dev", "eth0"}));
    return ip({"-n", space, "link", "set", "eth0", "up"});
  }
  std::string id_ = std::to_string(::getpid());
};

result<void> measure_bridge(report& out, const std::string& program, unsigned rounds) {
  bridged_namespaces spaces;
  OSVM_CHECK(spaces.make());
  const std::string n = std::to_string(rounds), port = std::to_string(pair_port.port);
  return measure_native(out, "veth_bridge64.rtt",
                        {"ip", "netns", "exec", spaces.side("a"), program, "serve", "10.254.64.1", port},
                        {"ip", "netns", "exec", spaces.side("b"), program, "10.254.64.1", port, n}, rounds);
}

}  // namespace

result<void> measure_vm2vm(environment& env, report& out, unsigned rounds) {
  OSVM_TRY(const auto program, find_guest("echo_rtt"));
  const std::string n = std::to_string(rounds), port = std::to_string(pair_port.port);
  OSVM_CHECK(measure_guests(env, out, program, rounds));
  OSVM_CHECK(env.proceed());
  OSVM_CHECK(measure_native(out, "loopback_tcp64.rtt", {program, "serve", "127.0.0.1", port},
                            {program, "127.0.0.1", port, n}, rounds));
  OSVM_CHECK(env.proceed());
  if (const auto bridged = measure_bridge(out, program, rounds); !bridged)
    out.remark("veth_bridge64: absent (" + bridged.error().to_string() + ")");
  return {};
}

}  // namespace osvm::cli::bench
