#include "hotswap/proxy/access_log.hpp"

#include <osvm/core/text.hpp>

#include <cstdio>
#include <ctime>

namespace osvm::hotswap::detail {
namespace {

constexpr std::size_t enough = 32 * 1024;
constexpr std::size_t longest_text = 1024;
constexpr std::chrono::milliseconds patience{200};

void add_number(std::string& out, const char* name, std::uint64_t v) {
  out.append(",\"").append(name).append("\":").append(std::to_string(v));
}

}  // namespace

void add_member(std::string& out, std::string_view name, std::string_view value) {
  out.append(",\"")
      .append(name)
      .append("\":\"")
      .append(json_escape(value.substr(0, longest_text)))
      .append("\"");
}

// The text of a second is made once.
void access_log::add_time() {
  const auto now = std::chrono::system_clock::now();
  const auto second = std::chrono::system_clock::to_time_t(now);
  if (second != second_ || second_text_.empty()) {
    std::tm parts{};
    ::gmtime_r(&second, &parts);
    char text[32];
    const auto n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    second_text_.assign(text, n);
    second_ = second;
  }
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  char text[8];
  std::snprintf(text, sizeof text, ".%03dZ", static_cast<int>(ms < 0 ? 0 : ms));
  lines_.append(second_text_).append(text);
}

void access_log::write(const access_entry& e) {
  lines_.append("{\"time\":\"");
  add_time();
  lines_.append("\"").append(e.request);
  if (e.status != 0) add_number(lines_, "status", e.status);
  if (!e.service.empty()) add_member(lines_, "service", e.service);
  if (!e.release.empty()) add_member(lines_, "release", e.release);
  if (!e.backend.empty()) add_member(lines_, "backend", e.backend);
  if (!e.end.empty()) add_member(lines_, "end", e.end);
  add_number(lines_, "received", e.received);
  add_number(lines_, "sent", e.sent);
  if (e.attempts > 1) add_number(lines_, "attempts", e.attempts);
  add_number(lines_, "us", static_cast<std::uint64_t>(e.took.count() < 0 ? 0 : e.took.count() / 1000));
  lines_.append("}\n");
  if (lines_.size() >= enough) return flush();
  if (!timer_.armed()) shard_.arm_in(timer_, patience);
}

void access_log::flush() {
  timer_.cancel();
  if (lines_.empty()) return;
  out_(lines_);
  lines_.clear();
}

}  // namespace osvm::hotswap::detail
