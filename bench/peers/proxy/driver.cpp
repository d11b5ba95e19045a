// The library's proxy as a process, for benches beside other proxies: prints the port, runs until its input
// ends.
//   osvm_proxy_driver l4|l7|tls PORT BACKEND_SOCKET THREADS [shared|PEM]
// Each thread has a loop of its own, or, with "shared", all run one loop. PEM: a file with chain and key.
#include <osvm/core/runtime.hpp>
#include <osvm/hotswap/proxy.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string_view>
#include <vector>

int main(int argc, char** argv) {
  using namespace osvm;
  if (argc < 5) return 2;
  const auto threads = static_cast<unsigned>(std::atoi(argv[4]));
  const bool shared = argc > 5 && std::string_view(argv[5]) == "shared";
  std::vector<std::unique_ptr<runtime>> loops;
  std::vector<executor> executors;
  for (unsigned i = 0; i < (shared ? 1 : threads); ++i) {
    loops.push_back(std::make_unique<runtime>(runtime_options{.threads = shared ? threads : 1}));
    executors.push_back(loops.back()->get_executor());
  }
  hotswap::proxy_options options;
  options.listen = tcp_endpoint{"127.0.0.1", static_cast<std::uint16_t>(std::atoi(argv[2]))};
  options.mode = std::string_view(argv[1]) == "l4" ? hotswap::proxy_mode::l4 : hotswap::proxy_mode::l7;
  options.shards = threads;
  options.http2_clear_text = true;
  options.max_connections = 19'000;
  options.timeouts.idle = std::chrono::minutes(10);
  if (std::string_view(argv[1]) == "tls") {
    std::ostringstream pem;
    pem << std::ifstream(argv[5]).rdbuf();
    options.tls = hotswap::tls_termination{.certificates = {{pem.str(), pem.str()}}};
  }
  auto front = hotswap::proxy::listen(executors, options);
  if (!front) {
    std::fprintf(stderr, "%s\n", front.error().to_string().c_str());
    return 1;
  }
  const auto routed = front->shift({"bench", unix_endpoint{argv[3]}});
  if (!routed) {
    std::fprintf(stderr, "%s\n", routed.error().to_string().c_str());
    return 1;
  }
  std::printf("%u\n", std::get<tcp_endpoint>(front->local_endpoint()).port);
  std::fflush(stdout);
  char byte = 0;
  while (::read(0, &byte, 1) > 0) {
  }
  const auto s = front->stats();
  std::printf(
      "accepted %lu requests %lu answered %lu failed %lu aborted %lu retried %lu handshakes %lu resumed "
      "%lu\n",
      s.accepted, s.requests, s.answered, s.failed(), s.client_aborted, s.retried, s.tls_handshakes,
      s.tls_resumed);
}
