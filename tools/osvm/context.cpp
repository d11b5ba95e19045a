#include "context.hpp"

#include <unistd.h>

#include <osvm/core/text.hpp>
#include <osvm/kvm/host_facts.hpp>
#include <osvm/unikernel/error.hpp>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace osvm::cli {
namespace {

bool wants_color(bool refused) {
  if (refused || ::isatty(STDOUT_FILENO) == 0) return false;
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return (no_color == nullptr || *no_color == '\0') && term != nullptr && std::string_view(term) != "dumb";
}

// Width on a terminal: colour codes take no room, and a UTF-8 continuation byte none of its own.
std::size_t shown_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      i = std::min(text.find('m', i), text.size());
    } else if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) {
      ++width;
    }
  }
  return width;
}

bool is_number(std::string_view text) {
  // The whole cell: a sentence that begins with a figure reads from the left.
  return !text.empty() && text.find_first_not_of("+-.0123456789") == std::string_view::npos;
}

}  // namespace

exit_code classify(const error_code& code) noexcept {
  if (code.category() == kvm::kvm_category()) return exit_code::environment;
  if (code == errc::unsupported || code == unikernel::errc::isolation_unsupported)
    return exit_code::environment;
  if (code == errc::invalid_argument) return exit_code::usage;
  return exit_code::failed;
}

std::string render(const text_table& table) {
  std::vector<std::size_t> widths;
  // A column of figures stands right, under its heading; one sentence in it makes it text.
  std::vector<bool> numeric;
  for (const auto& row : table) {
    widths.resize(std::max(widths.size(), row.size()));
    numeric.resize(widths.size(), true);
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], shown_width(row[i]));
      if (&row != &table.front() && !row[i].empty() && !is_number(row[i])) numeric[i] = false;
    }
  }
  std::string out;
  for (const auto& row : table) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - shown_width(row[i]), ' ');
      const bool right = i > 0 && numeric[i] && (is_number(row[i]) || &row == &table.front());
      out += right ? pad + row[i] : row[i];
      if (i + 1 < row.size()) out += (right ? "" : pad) + std::string("  ");
    }
    out += '\n';
  }
  return out;
}

std::string to_json_line(const boost::json::value& value) {
  return boost::json::serialize(value) + "\n";
}

context::context(const global_options& options) : options_(options), color_(wants_color(options.no_color)) {}

void context::print(std::string_view text) const {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written && errno != EPIPE && lost_output_ == 0) lost_output_ = errno;
}

int context::settle(int status) const {
  if (lost_output_ == 0) return status;
  note("osvm: writing to stdout: " + error_code(lost_output_, boost::system::system_category()).message());
  return status == static_cast<int>(exit_code::done) ? static_cast<int>(exit_code::failed) : status;
}

void context::print_json(const boost::json::value& value) const {
  print(to_json_line(value));
}

void context::print_table(const text_table& table) const {
  print(render(table));
}

void context::note(std::string_view text) const {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
}

void context::detail(std::string_view text) const {
  if (options_.verbose) note(text);
}

void context::report(const error& e) const {
  note("osvm: " + e.to_string());
  if (!options_.json) return;
  print_json({{"error",
               {{"code", e.code.value()},
                {"category", e.code.category().name()},
                {"message", e.code.message()},
                {"context", printable(e.context, 4096)}}}});
}

int context::fail(const error& e) const {
  return fail(e, classify(e.code));
}

int context::fail(const error& e, exit_code code) const {
  report(e);
  return static_cast<int>(code);
}

std::string context::paint(const char* code, std::string_view text) const {
  if (!color_) return std::string(text);
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

}  // namespace osvm::cli
