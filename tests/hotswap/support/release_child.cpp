// A process to kill: a proxy whose releases are endpoints, with its state in a file. Goes on with what the
// last one left, says "ready VERSION", and then replaces the release by the next one for as long as it lives,
// saying "active VERSION" each time. usage: release_child STATE LISTEN ENDPOINT...
#include <osvm/core/runtime.hpp>
#include <osvm/hotswap/proxy.hpp>
#include <osvm/hotswap/release.hpp>

#include <boost/asio/use_future.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

using namespace osvm;
using namespace std::chrono_literals;

namespace {

hotswap::release_spec spec_of(int n, char** endpoints, int count) {
  hotswap::release_spec s;
  s.version = "v" + std::to_string(n % count);
  s.artifact = endpoints[n % count];
  s.probe.interval = 1ms;
  s.probe.deadline = 20s;
  s.warmup.requests = 1;
  s.bake.check = 1ms;
  s.bake.window = n % 2 == 0 ? 3ms : 0ms;  // both ways to commit
  if (n % 3 == 0) s.canary = {{50, 1ms}};
  return s;
}

void say(const char* what, const std::string& version) {
  std::printf("%s %s\n", what, version.c_str());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  runtime loop({.threads = 1});
  hotswap::proxy_options o;
  o.listen = unix_endpoint{argv[2]};
  auto front = hotswap::proxy::listen(loop.get_executor(), o);
  auto store = hotswap::open_file_store(argv[1]);
  if (!front || !store) return 3;
  hotswap::service_options options;
  options.store = *store;
  hotswap::service service(loop.get_executor(), *front, hotswap::make_endpoint_source(loop.get_executor()),
                           options);
  const int count = argc - 3;
  auto first = service.async_recover(spec_of(1, argv + 3, count), boost::asio::use_future).get();
  if (!first && first.error().code != errc::not_found) {
    std::fprintf(stderr, "recover: %s\n", first.error().to_string().c_str());
    return 4;
  }
  if (first && first->state != hotswap::release_state::active) return 5;
  say("ready", first ? first->version : "none");
  for (int n = first ? std::atoi(first->version.c_str() + 1) + 1 : 0;; ++n) {
    auto r = service.async_deploy(spec_of(n, argv + 3, count), boost::asio::use_future).get();
    if (!r || r->state != hotswap::release_state::active) return 6;
    say("active", r->version);
  }
}
