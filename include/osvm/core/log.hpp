// Structured logging without globals: the embedder makes a sink, parts get it passed in. The library itself
// never chooses a destination.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace osvm {

enum class log_level {
  trace,    // every step
  debug,    // for whoever develops the part
  info,     // what an operator wants to see in normal work
  warning,  // worked, but somebody should look
  error,    // something asked for did not happen
};
std::string_view to_string(log_level level) noexcept;

// One key with one typed value. Borrows strings: they must live until the log call returns. Values may be
// foreign text: sinks escape them.
struct log_field {
  using value_type = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;
  std::string_view key;
  value_type value;

  template <class T>
  log_field(std::string_view k, const T& v) : key(k), value(convert(v)) {}

 private:
  template <class T>
  static value_type convert(const T& v) {
    if constexpr (std::is_same_v<T, bool>)
      return v;
    else if constexpr (std::is_floating_point_v<T>)
      return static_cast<double>(v);
    else if constexpr (std::is_unsigned_v<T>)
      return static_cast<std::uint64_t>(v);
    else if constexpr (std::is_integral_v<T>)
      return static_cast<std::int64_t>(v);
    else
      return std::string_view(v);
  }
};

// What a sink gets. Everything is borrowed for the call.
struct log_record {
  std::chrono::system_clock::time_point time{};
  log_level level = log_level::info;
  std::string_view component{};  // the part that speaks, for example "hotswap"
  std::string_view message{};    // our own words; foreign text belongs into fields
  std::span<const log_field> fields{};
};

// Extension interface: where records go. write() and enabled() are called from any thread, must not throw and
// should not block for long.
class log_sink {
 public:
  virtual ~log_sink() = default;
  virtual bool enabled(log_level level) const noexcept = 0;
  virtual void write(const log_record& record) noexcept = 0;
};

struct fd_log_options {
  log_level minimum = log_level::info;
  bool color = false;  // human sinks only: ANSI colours for the level
};

// A sink that writes lines to a descriptor. Thread-safe; each record is one line, whole lines in order.
// A record that a non-blocking descriptor cannot take is dropped and counted. A closed reader raises no
// SIGPIPE.
class fd_log_sink : public log_sink {
 public:
  virtual std::uint64_t dropped() const noexcept = 0;
};

// One JSON object a line: time (RFC 3339, UTC, microseconds), level, component, message, fields.
// `fd` is borrowed and must stay open while the sink lives.
std::unique_ptr<fd_log_sink> make_json_log(int fd, fd_log_options options = {});
// For people: "12:34:56.789 info  hotswap: message key=value". Text is shown as printable() shows it.
std::unique_ptr<fd_log_sink> make_human_log(int fd, fd_log_options options = {});
// Takes nothing. Lives for ever, holds nothing.
log_sink& null_log() noexcept;

// The handle that a part keeps: a sink and the part's name, both borrowed and to outlive it. Cheap to copy.
// As thread-safe as the sink.
class logger {
 public:
  using fields = std::initializer_list<log_field>;

  logger() noexcept : sink_(&null_log()) {}
  logger(log_sink& sink, std::string_view component) noexcept : sink_(&sink), component_(component) {}

  bool enabled(log_level level) const noexcept { return sink_->enabled(level); }
  void log(log_level level, std::string_view message, fields f = {}) const noexcept;
  void trace(std::string_view message, fields f = {}) const noexcept { log(log_level::trace, message, f); }
  void debug(std::string_view message, fields f = {}) const noexcept { log(log_level::debug, message, f); }
  void info(std::string_view message, fields f = {}) const noexcept { log(log_level::info, message, f); }
  void warning(std::string_view message, fields f = {}) const noexcept {
    log(log_level::warning, message, f);
  }
  void error(std::string_view message, fields f = {}) const noexcept { log(log_level::error, message, f); }

 private:
  log_sink* sink_;
  std::string_view component_;
};

}  // namespace osvm
