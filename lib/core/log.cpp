#include <osvm/core/log.hpp>
#include <osvm/core/text.hpp>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <iterator>
#include <mutex>

namespace osvm {
namespace {

constexpr std::size_t value_limit = 4096;  // a longer value is cut: one record must not fill a disk

// Blocks SIGPIPE for this thread while it lives, and eats one that arose meanwhile: the embedder's
// disposition of that signal is not ours to change, nor may a closed log reader end its process.
class no_sigpipe {
 public:
  no_sigpipe() noexcept {
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &old_);
  }
  ~no_sigpipe() {
    const timespec now{};
    if (!was_pending_) {
      while (::sigtimedwait(&pipe_, nullptr, &now) < 0 && errno == EINTR) {
      }
    }
    ::pthread_sigmask(SIG_SETMASK, &old_, nullptr);
  }
  no_sigpipe(const no_sigpipe&) = delete;
  no_sigpipe& operator=(const no_sigpipe&) = delete;

 private:
  sigset_t pipe_;
  sigset_t old_;
  bool was_pending_;
};

using buffer = fmt::memory_buffer;

std::tm split_utc(std::chrono::system_clock::time_point time) {
  const std::time_t seconds =
      std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(time));
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return parts;
}

template <class Unit>
long fraction(std::chrono::system_clock::time_point time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  return static_cast<long>(std::chrono::duration_cast<Unit>(time - whole).count());
}

std::string cut_json(std::string_view s) {
  if (s.size() <= value_limit) return json_escape(s);
  return fmt::format("{}...(+{} bytes)", json_escape(s.substr(0, value_limit)), s.size() - value_limit);
}

void json_value(buffer& out, const log_field::value_type& value) {
  auto to = std::back_inserter(out);
  if (const auto* s = std::get_if<std::string_view>(&value)) {
    fmt::format_to(to, "\"{}\"", cut_json(*s));
  } else if (const auto* d = std::get_if<double>(&value); d && !std::isfinite(*d)) {
    fmt::format_to(to, "null");  // JSON has no infinity
  } else {
    std::visit([&](const auto& v) { fmt::format_to(to, "{}", v); }, value);
  }
}

void json_line(buffer& out, const log_record& r, const fd_log_options&) {
  auto to = std::back_inserter(out);
  fmt::format_to(to, R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:06}Z","level":"{}","component":"{}","message":"{}")",
                 split_utc(r.time), fraction<std::chrono::microseconds>(r.time), to_string(r.level),
                 cut_json(r.component), cut_json(r.message));
  const char* separator = R"(,"fields":{)";
  for (const auto& field : r.fields) {
    fmt::format_to(to, R"({}"{}":)", separator, json_escape(field.key));
    json_value(out, field.value);
    separator = ",";
  }
  fmt::format_to(to, "{}", r.fields.empty() ? "}\n" : "}}\n");
}

const char* color_of(log_level level) {
  switch (level) {
    case log_level::error: return "\x1b[31m";
    case log_level::warning: return "\x1b[33m";
    case log_level::info: return "\x1b[32m";
    default: return "\x1b[2m";
  }
}

// Quoted when a space or quote would make the end of the value ambiguous.
std::string human_text(std::string_view s) {
  std::string text = printable(s, value_limit);
  if (!text.empty() && text.find_first_of(" \"=") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

void human_line(buffer& out, const log_record& r, const fd_log_options& options) {
  auto to = std::back_inserter(out);
  fmt::format_to(to, "{:%H:%M:%S}.{:03} {}{:<7}{} ", split_utc(r.time),
                 fraction<std::chrono::milliseconds>(r.time), options.color ? color_of(r.level) : "",
                 to_string(r.level), options.color ? "\x1b[0m" : "");
  if (!r.component.empty()) fmt::format_to(to, "{}: ", printable(r.component));
  fmt::format_to(to, "{}", printable(r.message, value_limit));
  for (const auto& field : r.fields) {
    fmt::format_to(to, " {}=", printable(field.key));
    if (const auto* s = std::get_if<std::string_view>(&field.value)) {
      fmt::format_to(to, "{}", human_text(*s));
    } else {
      std::visit([&](const auto& v) { fmt::format_to(to, "{}", v); }, field.value);
    }
  }
  out.push_back('\n');
}

using formatter = void (*)(buffer&, const log_record&, const fd_log_options&);

class line_sink final : public fd_log_sink {
 public:
  line_sink(int fd, fd_log_options options, formatter format) : fd_(fd), options_(options), format_(format) {}

  bool enabled(log_level level) const noexcept override { return level >= options_.minimum; }
  std::uint64_t dropped() const noexcept override { return dropped_.load(std::memory_order_relaxed); }

  void write(const log_record& record) noexcept override {
    if (!enabled(record.level)) return;
    try {
      buffer line;
      format_(line, record, options_);
      put({line.data(), line.size()});
    } catch (...) {  // out of memory: a lost line is counted, the caller goes on
      dropped_.fetch_add(1, std::memory_order_relaxed);
    }
  }

 private:
  void put(std::string_view line) {
    const std::lock_guard lock(mutex_);
    const no_sigpipe guard;
    if (torn_ && write_all("\n") != 0) return lose();
    torn_ = false;
    const std::size_t left = write_all(line);
    if (left == 0) return;
    torn_ = left < line.size();  // the next record must not continue a half line
    lose();
  }

  void lose() { dropped_.fetch_add(1, std::memory_order_relaxed); }

  // How many bytes the descriptor would not take.
  std::size_t write_all(std::string_view rest) const {
    while (!rest.empty()) {
      const ssize_t n = ::write(fd_, rest.data(), rest.size());
      if (n >= 0) {
        rest.remove_prefix(static_cast<std::size_t>(n));
      } else if (errno != EINTR) {
        break;
      }
    }
    return rest.size();
  }

  const int fd_;
  const fd_log_options options_;
  const formatter format_;
  std::mutex mutex_;
  bool torn_ = false;
  std::atomic<std::uint64_t> dropped_ = 0;
};

class nothing final : public log_sink {
 public:
  bool enabled(log_level) const noexcept override { return false; }
  void write(const log_record&) noexcept override {}
};

}  // namespace

std::string_view to_string(log_level level) noexcept {
  switch (level) {
    case log_level::trace: return "trace";
    case log_level::debug: return "debug";
    case log_level::info: return "info";
    case log_level::warning: return "warning";
    case log_level::error: return "error";
  }
  return "unknown";
}

std::unique_ptr<fd_log_sink> make_json_log(int fd, fd_log_options options) {
  return std::make_unique<line_sink>(fd, options, json_line);
}

std::unique_ptr<fd_log_sink> make_human_log(int fd, fd_log_options options) {
  return std::make_unique<line_sink>(fd, options, human_line);
}

log_sink& null_log() noexcept {
  static nothing sink;
  return sink;
}

void logger::log(log_level level, std::string_view message, fields f) const noexcept {
  if (!sink_->enabled(level)) return;
  sink_->write({std::chrono::system_clock::now(), level, component_, message, {f.begin(), f.size()}});
}

}  // namespace osvm
