#include <osvm/unikernel/surface.hpp>

#include <algorithm>
#include <filesystem>

#include "../bench/bench.hpp"
#include "../bench/host_calls.hpp"
#include "../guest_programs.hpp"

namespace osvm::cli {
namespace {

namespace uk = unikernel;

void add_calls(const std::string& name, const uk::policy& granted, bench::report& out) {
  const auto s = uk::guest_surface(granted);
  out.value("calls.native", "system calls", s.known);
  out.value("calls." + name, "system calls", s.served);
  out.value("calls." + name + ".refused", "system calls", s.refused);
  out.value("exits", "kinds", s.exit_kinds);
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

result<void> add_host_calls(const std::string& name, std::vector<std::string> words, bench::report& out) {
  std::error_code ec;
  std::vector<std::string> command{std::filesystem::read_symlink("/proc/self/exe", ec).string(), "run"};
  command.insert(command.end(), words.begin(), words.end());
  OSVM_TRY(const auto counted, bench::count_host_calls(command));
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

class bench_surface final : public invocation {
 public:
  void declare(option_set&) override {}
  int run(context& ctx) override {
    auto done = bench::run(ctx, "surface", [](bench::environment&, bench::report& out) -> result<void> {
      add_calls("osvm", {}, out);
      add_text(out);
      OSVM_TRY(const auto hello, find_guest("hello"));
      OSVM_CHECK(add_host_calls("hello", {hello}, out));
      out.remark("calls of a container engine's default list and of gVisor: absent, neither is installed");
      return {};
    });
    return done;
  }
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
