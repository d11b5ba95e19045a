#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace osvm::cli {
namespace {

constexpr auto interval = std::chrono::milliseconds(100);
constexpr std::uint64_t bar_width = 24;

void draw(const std::string& line) {
  while (::write(STDERR_FILENO, line.data(), line.size()) < 0 && errno == EINTR) {  // by a signal: again
  }
}

}  // namespace

progress::progress(const context& ctx, std::string what)
    : what_(std::move(what)), active_(!ctx.json() && ::isatty(STDERR_FILENO) == 1) {}

progress::~progress() {
  if (shown_) draw("\r\x1b[K");
}

void progress::update(std::uint64_t done, std::uint64_t total, const std::string& detail) {
  const auto now = std::chrono::steady_clock::now();
  if (!active_ || now < next_) return;
  next_ = now + interval;
  shown_ = true;
  std::string line = "\r\x1b[K" + what_ + " ";
  if (total) {
    const auto filled = std::min(bar_width, done * bar_width / total);
    line += "[" + std::string(filled, '=') + std::string(bar_width - filled, ' ') + "] " +
            std::to_string(std::min<std::uint64_t>(100, done * 100 / total)) + " % ";
  }
  draw(line + detail);
}

}  // namespace osvm::cli
