#include <algorithm>

#include "../bench/bench.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class bench_vsock final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("round-trips", "N", round_trips_, "64-byte messages there and back");
    o.value("stream", "SIZE", stream_, "bytes of each stream");
  }
  int run(context& ctx) override {
    auto done = measure(ctx);
    return done ? *done : ctx.fail(done.error());
  }

 private:
  result<int> measure(const context& ctx) const {
    bench::vsock_options options;
    OSVM_TRY(const auto round_trips, named("--round-trips", parse_count(round_trips_, 1, 10'000'000)));
    OSVM_TRY(options.stream_bytes, named("--stream", parse_size(stream_)));
    if (options.stream_bytes < (std::uint64_t{256} << 10))
      return error(errc::invalid_argument, "--stream: at least 256KiB, or there is nothing to measure");
    options.round_trips = static_cast<unsigned>(round_trips);
    return bench::run(ctx, "vsock", [&](bench::environment& env, bench::report& out) -> result<void> {
      OSVM_CHECK(bench::measure_floor(env, out, 20));
      OSVM_CHECK(bench::measure_vsock(env, out, options));
      OSVM_CHECK(env.proceed());
      OSVM_CHECK(bench::measure_vm2vm(env, out, std::max(options.round_trips, 10U)));
      return {};
    });
  }
  std::string round_trips_ = "5000", stream_ = "64MiB";
};

}  // namespace

extern const command cmd_bench_vsock_entry;
const command cmd_bench_vsock_entry{
    .path = "bench vsock",
    .summary = "round trips and streams between host and guest, and between guests",
    .examples = "  osvm bench vsock\n  osvm bench vsock --stream 1GiB --json",
    .make = make_invocation<bench_vsock>,
};

}  // namespace osvm::cli
