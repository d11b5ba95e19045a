// link: osvm::unikernel
// What a debugger sends: frames, and requests to a target of three pages and two threads. The first byte says
// how the bytes are cut.
#include "unikernel/debug/commands.hpp"
#include "unikernel/debug/packet.hpp"

#include <algorithm>
#include <array>

extern "C" {
int osvm_fuzz_accepted = 0;
}

namespace {

using namespace osvm::unikernel;

class small_target final : public debug_target {
 public:
  int pid() const override { return 1000; }
  std::vector<int> threads() override { return {1000, 1001}; }
  std::shared_ptr<const saved_thread> thread(int tid) override {
    if (tid < 1000 || tid > 1001) return nullptr;
    return std::make_shared<const saved_thread>(threads_[static_cast<std::size_t>(tid - 1000)]);
  }
  std::string thread_name(int) override { return "a<b"; }
  bool change_thread(const saved_thread& now) override {
    threads_[static_cast<std::size_t>(now.tid - 1000)] = now;
    return true;
  }
  std::size_t read(std::uint64_t va, std::span<std::byte> out) override {
    if (va >= memory_.size()) return 0;
    const std::size_t n = std::min(out.size(), memory_.size() - va);
    std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(va), n, out.begin());
    return n;
  }
  bool write(std::uint64_t va, std::span<const std::byte> in) override {
    if (va >= memory_.size() || in.size() > memory_.size() - va) return false;
    std::copy(in.begin(), in.end(), memory_.begin() + static_cast<std::ptrdiff_t>(va));
    return true;
  }
  bool add_breakpoint(std::uint64_t va) override { return va < memory_.size(); }
  bool remove_breakpoint(std::uint64_t va) override { return va < memory_.size(); }
  std::vector<std::uint64_t> auxiliary() override { return {6, 4096, 0, 0}; }
  std::string executable() override { return "/app"; }
  int open_file(const std::string&) override { return -2; }
  const xstate_layout& layout() const override { return layout_; }
  void resume(std::span<const debug_resume> how) override {
    if (how.empty()) __builtin_trap();
  }
  int event() const override { return -1; }
  std::optional<debug_stop> take_stop() override { return std::nullopt; }
  osvm::result<void> interrupt() override { return {}; }
  std::optional<osvm::unikernel::exit_report> ended() override { return std::nullopt; }
  void kill() override {}

 private:
  const xstate_layout layout_{.features = 7, .size = 832};
  std::array<saved_thread, 2> threads_{saved_thread{.tid = 1000}, saved_thread{.tid = 1001}};
  std::vector<std::byte> memory_ = std::vector<std::byte>(3 * 4096);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size < 2) return 0;
  small_target target;
  debug_commands commands(target);
  packet_reader in;
  const std::size_t step = std::max<std::size_t>(data[0], 1);
  for (std::size_t at = 1; at < size && !in.broken(); at += step) {
    in.feed({reinterpret_cast<const char*>(data) + at, std::min(step, size - at)});
    while (const auto packet = in.next()) {
      if (packet->what != debug_packet::kind::body) continue;
      const debug_answer a = commands.handle(packet->body);
      if (a.body && a.body->size() > max_debug_packet) __builtin_trap();
      if (a.body && !a.body->empty() && (*a.body)[0] != 'E') ++osvm_fuzz_accepted;
      if (a.next == debug_answer::then::detaches) return 0;
    }
    if (in.take_answer().size() > size) __builtin_trap();
  }
  return 0;
}
