// Work that makes few system calls: its rate in a VM beside the native one. Each program measures itself.
#include <cstdlib>
#include <fstream>

#include "../../guest_programs.hpp"
#include "programs.hpp"

namespace osvm::cli::bench {
namespace {

struct work {
  std::string name, unit;
  task what;
  // The rate in what the program printed; a negative number when it is not there.
  double (*rate)(const std::string& output);
};

// The number behind the last `mark`.
double behind_last(const std::string& text, const char* mark) {
  const auto at = text.rfind(mark);
  return at == std::string::npos ? -1 : std::strtod(text.c_str() + at + std::string(mark).size(), nullptr);
}

// "sha256          983927.47k"
double openssl_rate(const std::string& output) {
  return behind_last(output, "\nsha256") / 1000;
}
// "... (x2.282),   11.8 MB/s,   70.6 MB/s": compression comes first.
double zstd_rate(const std::string& output) {
  return behind_last(output, "),");
}
double printed_rate(const std::string& output) {
  return behind_last(output, "rate ");
}

constexpr const char* python_loop = R"(import time
begin = time.perf_counter()
total = 0
for i in range(5000000):
    total += i * i % 7
print("rate", 5 / (time.perf_counter() - begin)))";

constexpr std::uint64_t touched_gib = 4;

result<std::vector<work>> all_work(const environment& env) {
  const std::string data = env.sockets.path() + "/data";
  {
    std::string bytes(std::size_t{8} << 20, '\0');
    std::ifstream self("/proc/self/exe", std::ios::binary);
    self.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(self.gcount()));
    std::ofstream(data, std::ios::binary) << bytes;
  }
  OSVM_TRY(const auto touch, find_guest("touch"));
  const std::string gib = std::to_string(touched_gib);
  unikernel::budgets roomy;
  roomy.memory_bytes = std::uint64_t{512} << 20;
  unikernel::budgets large;
  large.memory_bytes = (touched_gib << 30) + (std::uint64_t{256} << 20);
  return std::vector<work>{
      {"work.openssl_sha256",
       "MB/s",
       {{"/usr/bin/openssl", "speed", "-seconds", "1", "-bytes", "16384", "sha256"},
        read_only({"/usr/lib/ssl", "/etc/ssl"}),
        {}},
       openssl_rate},
      {"work.zstd",
       "MB/s",
       {{"/usr/bin/zstd", "-b3", "-i1", data}, read_only({env.sockets.path()}), roomy},
       zstd_rate},
      {"work.python_loop",
       "M/s",
       {{"/usr/bin/python3.11", "-S", "-c", python_loop}, read_only({"/usr/lib/python3.11"}), {}},
       printed_rate},
      {"work.touch_" + gib + "gib", "GiB/s", {{touch, gib}, {}, large}, printed_rate},
      {"work.touch_" + gib + "gib.huge", "GiB/s", {{touch, gib, "huge"}, {}, large}, printed_rate},
  };
}

result<double> rate_of(const work& w, const result<finished>& run) {
  if (!run) return run.error();
  const double rate = w.rate(run->output);
  if (rate <= 0) return error(errc::malformed, w.name + ": printed no rate");
  return rate;
}

result<void> measure_work(environment& env, report& out, const work& w, unsigned rounds) {
  OSVM_TRY(const auto image, unikernel::image::load(w.what.command.front()));
  comparison rates;
  for (unsigned i = 0; i < rounds; ++i) {
    OSVM_CHECK(env.proceed());
    OSVM_TRY(const double ours, rate_of(w, run_inside(env, image, w.what)));
    OSVM_TRY(const double native, rate_of(w, run_outside(env, w.what, nullptr)));
    rates.add(ours, native);
  }
  rates.print(out, w.name, w.unit);
  return {};
}

}  // namespace

result<void> measure_work(environment& env, report& out, unsigned rounds) {
  OSVM_TRY(const auto list, all_work(env));
  for (const auto& w : list)
    if (const auto r = measure_work(env, out, w, rounds); !r) out.fail(w.name + ": " + r.error().to_string());
  return env.proceed();
}

}  // namespace osvm::cli::bench
