// Host <-> guest over AF_VSOCK: 64 bytes there and back, and streams in both directions, each checked byte by
// count.
#include <osvm/vsock/connect.hpp>

#include <sys/socket.h>

#include "../guest_programs.hpp"
#include "../stream_io.hpp"
#include "bench.hpp"

namespace osvm::cli::bench {
namespace {

using namespace std::chrono_literals;
using unikernel::instance;

constexpr unikernel::listener echo_port{unikernel::transport::vsock, 52};
constexpr std::size_t chunk = 256 * 1024;
constexpr double mib = 1024.0 * 1024.0;

result<void> measure_echo(const environment& env, const endpoint& where, report& out, unsigned rounds) {
  OSVM_TRY(const auto fd, vsock::connect_endpoint(where));
  const deadline until(60s);
  const std::string ping(64, 'x');
  std::vector<double> samples;
  for (unsigned i = 0; i < rounds + rounds / 10; ++i) {
    OSVM_CHECK(env.proceed());
    const stopwatch watch;
    OSVM_CHECK(send_all(fd.get(), ping, until));
    std::string pong;
    while (pong.size() < ping.size()) {
      OSVM_TRY(const auto more, receive_some(fd.get(), pong, until));
      if (!more) return error(errc::truncated, "the echo ended early");
    }
    if (pong != ping) return error(errc::malformed, "the echo is not what was sent");
    if (i >= rounds / 10) samples.push_back(watch.ms());  // the first tenth warms up
  }
  out.samples("echo64.rtt", "ms", samples);
  return {};
}

result<double> host_to_guest(const endpoint& where, std::uint64_t bytes) {
  OSVM_TRY(const auto fd, vsock::connect_endpoint(where));
  const deadline until(60s);
  const std::string block(chunk, 'h');
  OSVM_CHECK(send_all(fd.get(), "sink\n", until));
  const stopwatch watch;
  for (std::uint64_t sent = 0; sent < bytes; sent += chunk) OSVM_CHECK(send_all(fd.get(), block, until));
  ::shutdown(fd.get(), SHUT_WR);
  std::string count;
  for (bool more = true; more;) {
    OSVM_TRY(more, receive_some(fd.get(), count, until));
  }
  const double seconds = watch.ms() / 1000;
  if (count != std::to_string(bytes) + "\n")
    return error(errc::truncated, "the guest did not get every byte");
  return static_cast<double>(bytes) / mib / seconds;
}

result<double> guest_to_host(const endpoint& where, std::uint64_t bytes) {
  OSVM_TRY(const auto fd, vsock::connect_endpoint(where));
  const deadline until(60s);
  std::vector<char> buffer(chunk);
  const stopwatch watch;
  OSVM_CHECK(send_all(fd.get(), "source " + std::to_string(bytes) + "\n", until));
  std::uint64_t total = 0;
  for (;;) {
    OSVM_TRY(const auto got, receive_into(fd.get(), buffer.data(), buffer.size(), until));
    if (got == 0) break;
    total += got;
  }
  const double seconds = watch.ms() / 1000;
  if (total != bytes) return error(errc::truncated, "the host did not get every byte");
  return static_cast<double>(bytes) / mib / seconds;
}

result<void> measure_stream(const char* name, result<double> (*run)(const endpoint&, std::uint64_t),
                            const endpoint& where, report& out, const vsock_options& options) {
  std::vector<double> samples;
  for (unsigned i = 0; i < options.stream_rounds; ++i) {
    OSVM_TRY(const auto speed, run(where, options.stream_bytes / chunk * chunk));
    samples.push_back(speed);
  }
  out.samples(name, "MiB/s", samples);
  return {};
}

}  // namespace

result<void> measure_vsock(environment& env, report& out, const vsock_options& options) {
  OSVM_TRY(const auto path, find_guest("vsock_echo"));
  OSVM_TRY(const auto program, unikernel::image::load(path));
  auto guest_options = env.options("echo");
  guest_options.arguments = {"vsock_echo", std::to_string(echo_port.port)};
  guest_options.policy.listen = {echo_port};
  OSVM_TRY(auto guest, instance::create(env.loop.get_executor(), program, std::move(guest_options)));
  OSVM_TRY(const auto where, guest.wait_listening(echo_port, 10s));
  OSVM_CHECK(measure_echo(env, where, out, options.round_trips));
  OSVM_CHECK(env.proceed());
  OSVM_CHECK(measure_stream("stream.h2g", host_to_guest, where, out, options));
  OSVM_CHECK(env.proceed());
  OSVM_CHECK(measure_stream("stream.g2h", guest_to_host, where, out, options));
  return {};
}

}  // namespace osvm::cli::bench
