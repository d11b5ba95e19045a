#include <osvm/hotswap/release.hpp>

#include <cstdio>

namespace osvm::hotswap {
namespace {

std::string ms(std::chrono::nanoseconds d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f ms", std::chrono::duration<double, std::milli>(d).count());
  return text;
}

}  // namespace

const char* to_string(release_state state) noexcept {
  switch (state) {
    case release_state::starting: return "starting";
    case release_state::probing: return "probing";
    case release_state::warming: return "warming";
    case release_state::active: return "active";
    case release_state::draining: return "draining";
    case release_state::retired: return "retired";
    case release_state::rejected: return "rejected";
    case release_state::rolled_back: return "rolled_back";
  }
  return "?";
}

std::string shift_report::describe() const {
  const std::string old = replaced.empty() ? "nothing" : replaced;
  if (state == release_state::active) {
    return version + " is active in place of " + old + " (start " + ms(start) + ", probe " + ms(probe) +
           ", shift " + ms(shift) + ", drain " + ms(drain) + ", " + std::to_string(drained) + " drained, " +
           std::to_string(cut) + " cut)";
  }
  std::string text = version + " was ";
  text += state == release_state::rejected      ? "rejected"
          : state == release_state::rolled_back ? "rolled back"
                                                : "retired";
  text += std::string(" while ") + to_string(failed_at) + ": " + reason + "; ";
  if (state == release_state::retired || replaced.empty()) return text + "nothing is served";
  return text + replaced + (state == release_state::rejected ? " serves on" : " serves again");
}

}  // namespace osvm::hotswap
