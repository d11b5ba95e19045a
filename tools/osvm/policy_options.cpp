#include "policy_options.hpp"

#include <osvm/core/unique_fd.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace osvm::cli {

std::string config_folder() {
  const char* base = std::getenv("XDG_CONFIG_HOME");
  if (base != nullptr && base[0] == '/') return std::string(base) + "/osvm";
  const char* home = std::getenv("HOME");
  return home != nullptr && home[0] == '/' ? std::string(home) + "/.config/osvm" : std::string();
}

result<std::string> mounts_file() {
  const std::string folder = config_folder();
  if (folder.empty())
    return error(errc::not_found, "no folder for named mounts: set HOME or XDG_CONFIG_HOME");
  return folder + "/mounts.yaml";
}

result<std::vector<unikernel::named_mount>> known_mounts() {
  OSVM_TRY(const auto path, mounts_file());
  return unikernel::load_mounts(path);
}

result<void> add_named_mounts(const std::vector<std::string>& names, unikernel::policy& out) {
  if (names.empty()) return {};
  OSVM_TRY(const auto known, known_mounts());
  for (const auto& name : names) {
    const auto* found = unikernel::find_mount(known, name);
    if (found == nullptr)
      return error(errc::not_found, "--mount '" + name + "': no such mount (see: osvm mount list)");
    out.mounts.push_back(found->grant);
  }
  return {};
}

result<unikernel::policy_file> read_policy_file(const std::string& path, const unikernel::budgets& defaults) {
  std::vector<unikernel::named_mount> named;
  if (!config_folder().empty()) {
    OSVM_TRY(named, known_mounts());
  }
  unikernel::policy_file_options options;
  options.named = named;
  options.defaults.limits = defaults;
  return unikernel::load_policy(path, options);
}

result<void> write_learned(const std::string& path, const unikernel::learned_policy& learned,
                           unikernel::learning mode) {
  const bool all = mode == unikernel::learning::allow_all;
  std::string comment =
      all ? "Learned by osvm run --learn --allow-all: what the run used."
          : "Learned by osvm run --learn: what the run was granted, and what it was denied.";
  comment += "\nBudgets are what was used, with a quarter on top.";
  for (const auto& note : learned.notes) comment += "\nNot granted: " + note;
  const std::string text = unikernel::format_policy(learned.policy, comment);
  const unique_fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return errno_error("--learn " + path);
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return errno_error("write " + path);
  return {};
}

}  // namespace osvm::cli
