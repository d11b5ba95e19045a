// A program of somebody else's: one thing of each module that it links.
#include <osvm/core/clock.hpp>
#include <osvm/core/config.hpp>
#include <osvm/core/log.hpp>
#include <osvm/core/metrics.hpp>
#include <osvm/core/runtime.hpp>
#if __has_include(<osvm/hotswap/proxy.hpp>) && defined(WITH_MODULES)
#include <osvm/hotswap/proxy.hpp>
#include <osvm/kvm/host_facts.hpp>
#include <osvm/unikernel/image.hpp>
#include <osvm/vsock/endpoint.hpp>
#endif

#include <boost/asio/post.hpp>

#include <cstdio>
#include <future>

namespace {

#if defined(WITH_MODULES)
bool modules_work() {
  const auto junk = osvm::unikernel::image::parse(osvm::as_bytes("no program"), "junk");
  const auto where = osvm::parse_endpoint("tcp:127.0.0.1:80");
  (void)osvm::kvm::probe_host();  // may fail here; that it links is what counts
  (void)&osvm::hotswap::proxy::stats;
  return !junk && where;
}
#else
bool modules_work() {
  return true;
}
#endif

}  // namespace

int main() {
  osvm::runtime loop;
  std::promise<int> answer;
  boost::asio::post(loop.get_executor(), [&] { answer.set_value(6 * 7); });
  osvm::metrics_registry metrics;
  metrics.get_counter("runs", "Runs.").value()->add();
  const auto config = osvm::parse_config("memory: 64MiB\n").value();
  const bool good = answer.get_future().get() == 42 &&
                    config.find("memory")->as_size().value() == 64u << 20 &&
                    metrics.prometheus().ends_with("runs 1\n") && modules_work();
  const auto sink = osvm::make_human_log(1);
  osvm::logger(*sink, "consumer").info(good ? "consumer works" : "consumer is broken");
  return good ? 0 : 1;
}
