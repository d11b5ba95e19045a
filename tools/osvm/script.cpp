#include "script.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <osvm/core/unique_fd.hpp>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace osvm::cli {
namespace {

constexpr std::size_t longest_line = 256;  // as Linux
constexpr std::string_view blanks = " \t";

std::string first_line(const std::string& path) {
  const unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat st {};
  std::array<char, longest_line> buffer{};
  if (!fd || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
  const ssize_t n = ::pread(fd.get(), buffer.data(), buffer.size(), 0);
  const std::string_view text(buffer.data(), n < 0 ? 0 : static_cast<std::size_t>(n));
  return std::string(text.substr(0, text.find('\n')));
}

std::string_view trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(blanks);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(blanks) + 1 - from);
}

std::string find_in_path(const std::string& name) {
  const char* variable = std::getenv("PATH");
  std::string_view rest = variable ? variable : "/usr/bin:/bin";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string candidate = std::string(rest.substr(0, end)) + "/" + name;
    if (candidate.front() == '/' && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

}  // namespace

result<std::optional<script>> read_script(const std::string& path) {
  const std::string line = first_line(path);
  if (!line.starts_with("#!")) return std::optional<script>{};
  // The interpreter, and everything behind it as one word.
  std::string_view words = trimmed(std::string_view(line).substr(2));
  const std::size_t end = std::min(words.find_first_of(blanks), words.size());
  script s;
  s.interpreter = words.substr(0, end);
  std::string argument(trimmed(words.substr(end)));
  if (s.interpreter.empty())
    return error(errc::invalid_argument, path + ": its first line names no interpreter");
  if (s.interpreter.ends_with("/env") && !argument.empty()) {
    const std::string name = argument;
    s.interpreter = name.find_first_of(" \t=-/") == std::string::npos ? find_in_path(name) : "";
    if (s.interpreter.empty())
      return error(
          errc::invalid_argument,
          path + ": \"env " + name + "\" names no program in PATH (try: osvm run PROGRAM " + path + ")");
    argument.clear();
  }
  std::error_code failed;
  s.path = std::filesystem::absolute(path, failed).lexically_normal();
  s.arguments = {s.interpreter};
  if (!argument.empty()) s.arguments.push_back(std::move(argument));
  s.arguments.push_back(s.path);
  return std::optional(std::move(s));
}

}  // namespace osvm::cli
