#include "trace_output.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <osvm/unikernel/identifiers.hpp>

#include <boost/json/object.hpp>
#include <cerrno>

#include "context.hpp"

namespace osvm::cli {
namespace {

double seconds(std::chrono::nanoseconds d) {
  return static_cast<double>(d.count()) / 1e9;
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

std::string event_text(const unikernel::event& e) {
  switch (e.kind) {
    case unikernel::event_kind::trace:
      return fmt::format("{} {} <{:.6f}>\n", e.thread, e.text, seconds(e.duration));
    case unikernel::event_kind::denial:
      return "---- denied: " + e.text + (e.rule.empty() ? "" : " (grant it with " + e.rule + ")") + "\n";
    case unikernel::event_kind::log: break;
  }
  return e.text + "\n";
}

std::string event_json_line(const unikernel::event& e) {
  return unikernel::to_json(e) + "\n";
}

result<trace_writer> trace_writer::open(const std::string& path, bool json) {
  trace_writer out;
  out.json_ = json;
  if (path == "-") return out;
  out.file_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600));
  if (!out.file_) return errno_error("--trace " + path);
  return out;
}

void trace_writer::write(std::span<const unikernel::event> events) {
  std::string text;
  for (const auto& e : events) text += json_ ? event_json_line(e) : event_text(e);
  write_all(file_ ? file_.get() : STDERR_FILENO, text);
}

void trace_writer::finish(std::uint64_t dropped) {
  if (dropped == 0) return;
  const std::string text =
      json_ ? to_json_line(boost::json::object{{"event", "dropped"}, {"count", dropped}})
            : "---- " + std::to_string(dropped) + " records were dropped: the reader was too slow\n";
  write_all(file_ ? file_.get() : STDERR_FILENO, text);
}

}  // namespace osvm::cli
