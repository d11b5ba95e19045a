#include "unikernel/worker/cgroup_host.hpp"

#include <osvm/core/unique_fd.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

namespace osvm::unikernel {
namespace {

std::vector<std::string_view> split_at(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

bool contains(std::string_view list, char separator, std::string_view word) {
  const auto parts = split_at(list, separator);
  return std::find(parts.begin(), parts.end(), word) != parts.end();
}

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t n) { return text[n] >= '0' && text[n] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

struct hierarchy {
  std::string root, point;  // the group that the mount shows at its top, and where
  bool unified = false;
};

// ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAGS...] - TYPE SOURCE SUPER-OPTIONS
std::vector<hierarchy> hierarchies_of(std::string_view mounts, controller c) {
  std::vector<hierarchy> found;
  for (const std::string_view line : split_at(mounts, '\n')) {
    const auto words = split_at(line, ' ');
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (dash - words.begin() < 6 || words.end() - dash < 4) continue;
    const bool unified = dash[1] == "cgroup2";
    if (!unified && !(dash[1] == "cgroup" && contains(dash[3], ',', to_string(c)))) continue;
    found.push_back({unescaped(words[3]), unescaped(words[4]), unified});
  }
  // A controller that v1 holds is not in v2.
  std::stable_sort(found.begin(), found.end(),
                   [](const hierarchy& a, const hierarchy& b) { return a.unified < b.unified; });
  return found;
}

// ID:CONTROLLERS:PATH; v2 is "0::PATH".
std::string_view own_group(std::string_view groups, controller c, bool unified) {
  for (const std::string_view line : split_at(groups, '\n')) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string_view names = line.substr(first + 1, second - first - 1);
    if (unified ? line.substr(0, first) == "0" && names.empty() : contains(names, ',', to_string(c)))
      return line.substr(second + 1);
  }
  return {};
}

// Where the mount shows `group`; none: outside of what it shows.
std::optional<std::string> folder_of(const hierarchy& h, std::string_view group) {
  if (h.root != "/") {
    if (!group.starts_with(h.root) || (group.size() > h.root.size() && group[h.root.size()] != '/'))
      return std::nullopt;
    group.remove_prefix(h.root.size());
  }
  while (group.ends_with('/')) group.remove_suffix(1);
  return h.point + std::string(group);
}

bool is_folder(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

// Of v2, children get only what their parent hands on.
result<void> hand_down(const std::string& folder, controller c) {
  const std::string name = to_string(c);
  if (contains(first_line(read_group_file(folder + "/cgroup.subtree_control")), ' ', name)) return {};
  if (!contains(first_line(read_group_file(folder + "/cgroup.controllers")), ' ', name)) {
    return error(osvm::errc::unsupported, "limits of a worker: neither cgroup v1 nor " + folder +
                                              " (v2) has the controller '" + name + "'");
  }
  const auto done = write_group_file(folder + "/cgroup.subtree_control", "+" + name);
  if (done) return {};
  std::string why = "limits of a worker: " + done.error().to_string();
  if (done.error().code.value() == EBUSY)
    why += ": processes are in that group; name one without any as the parent of workers";
  return error(osvm::errc::unsupported, std::move(why));
}

}  // namespace

const char* to_string(controller c) noexcept {
  switch (c) {
    case controller::memory: return "memory";
    case controller::cpu: return "cpu";
    case controller::pids: return "pids";
  }
  return "unknown";
}

std::optional<cgroup_place> find_place(std::string_view mounts, std::string_view own_groups, controller c,
                                       std::string_view parent) {
  for (const hierarchy& h : hierarchies_of(mounts, c)) {
    const std::string_view group = parent.empty() ? own_group(own_groups, c, h.unified) : parent;
    if (group.empty()) continue;
    if (auto folder = folder_of(h, group)) return cgroup_place{std::move(*folder), h.unified};
  }
  return std::nullopt;
}

result<cgroup_place> place_for(controller c, const std::string& parent) {
  if (!parent.empty() && (!parent.starts_with('/') || (parent + "/").find("/../") != std::string::npos)) {
    return error(osvm::errc::invalid_argument,
                 "the parent of workers' groups is a path as in /proc/self/cgroup, for example /osvm");
  }
  auto place =
      find_place(read_whole_file("/proc/self/mountinfo"), read_whole_file("/proc/self/cgroup"), c, parent);
  if (!place || !is_folder(place->folder)) {
    return error(osvm::errc::unsupported, "limits of a worker: no control group of '" +
                                              std::string(to_string(c)) + "' is mounted" +
                                              (place ? " at " + place->folder : ""));
  }
  if (place->unified) OSVM_CHECK(hand_down(place->folder, c));
  return std::move(*place);
}

std::string read_whole_file(const std::string& path) {
  std::string all;
  const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 4096> part;
  for (ssize_t n = 1; file && n > 0 && all.size() < (1 << 20);) {
    n = ::read(file.get(), part.data(), part.size());
    if (n > 0) all.append(part.data(), static_cast<std::size_t>(n));
  }
  return all;
}

std::string read_group_file(const std::string& path) {
  std::array<char, 4096> text;
  const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t n = file ? ::read(file.get(), text.data(), text.size()) : -1;
  return n > 0 ? std::string(text.data(), static_cast<std::size_t>(n)) : std::string();
}

result<void> write_group_file(const std::string& path, std::string_view text) {
  const unique_fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return errno_error(path);
  return {};
}

}  // namespace osvm::unikernel
