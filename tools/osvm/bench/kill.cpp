// How long it takes to end a guest that does not cooperate: kill, and every thread of it joined.
#include <fcntl.h>
#include <unistd.h>

#include <osvm/core/unique_fd.hpp>

#include <optional>
#include <random>
#include <thread>

#include "../guest_programs.hpp"
#include "../stream_io.hpp"
#include "bench.hpp"

namespace osvm::cli::bench {
namespace {

using namespace std::chrono_literals;
using unikernel::instance;

struct pipe_pair {
  unique_fd reader, writer;
  static result<pipe_pair> make() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
    return pipe_pair{unique_fd(ends[0]), unique_fd(ends[1])};
  }
};

// The time that destroying the handle takes while the guest does what `mode` says.
result<double> kill_once(const environment& env, const unikernel::image& program, const char* mode,
                         std::chrono::microseconds after) {
  OSVM_TRY(auto output, pipe_pair::make());
  OSVM_TRY(auto input, pipe_pair::make());  // its writer stays open: the guest's read() blocks
  auto options = env.options("stall");
  options.arguments = {"stall", mode};
  options.input = unikernel::stdio::from_fd(input.reader.get());
  options.output = unikernel::stdio::from_fd(output.writer.get());
  OSVM_TRY(auto made, instance::create(env.loop.get_executor(), program, std::move(options)));
  std::optional<instance> guest(std::move(made));
  output.writer.reset();
  std::string ready;
  OSVM_TRY(const auto said, receive_some(output.reader.get(), ready, deadline(10s)));
  if (!said) return error(errc::malformed, std::string("stall ") + mode + " ended by itself");
  std::this_thread::sleep_for(after);  // not for readiness: it spreads the kill over the guest's life
  const stopwatch watch;
  guest.reset();
  return watch.ms();
}

}  // namespace

result<void> measure_kill(environment& env, report& out, unsigned rounds) {
  OSVM_TRY(const auto path, find_guest("stall"));
  OSVM_TRY(const auto program, unikernel::image::load(path));
  std::mt19937 random{std::random_device{}()};
  std::vector<double> all;
  for (const char* mode : {"spin", "read", "futex", "epoll", "threads"}) {
    std::vector<double> samples;
    for (unsigned i = 0; i < rounds; ++i) {
      OSVM_CHECK(env.proceed());
      OSVM_TRY(const auto ms, kill_once(env, program, mode, std::chrono::microseconds(random() % 3000)));
      samples.push_back(ms);
    }
    out.samples(std::string("kill.latency.") + mode, "ms", samples);
    all.insert(all.end(), samples.begin(), samples.end());
  }
  out.samples("kill.latency", "ms", all);
  return {};
}

}  // namespace osvm::cli::bench
