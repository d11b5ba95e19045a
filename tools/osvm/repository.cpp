#include "repository.hpp"

#include <osvm/core/text.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include "child_process.hpp"

namespace osvm::cli {
namespace {

constexpr int clone_patience_ms = 300'000;

bool holds_only_letters_or(std::string_view text, std::string_view more) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || more.find(c) != std::string_view::npos;
  });
}

// As no configuration of the machine, the user or the repository changes it.
std::vector<std::string> git_environment() {
  return {"GIT_CONFIG_NOSYSTEM=1",  "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
          "GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false",      "GIT_LFS_SKIP_SMUDGE=1"};
}

std::vector<std::string> git_settings(std::string_view url) {
  const std::string_view transport =
      url.starts_with("file://") ? "protocol.file.allow=always" : "protocol.https.allow=always";
  std::vector<std::string> out{"git"};
  for (const std::string_view s :
       {std::string_view("core.hooksPath=/dev/null"), std::string_view("core.symlinks=false"),
        std::string_view("core.fsmonitor=false"), std::string_view("submodule.recurse=false"),
        std::string_view("protocol.allow=never"), transport, std::string_view("http.lowSpeedLimit=1000"),
        std::string_view("http.lowSpeedTime=30"), std::string_view("http.followRedirects=initial"),
        std::string_view("credential.helper=")}) {
    out.emplace_back("-c");
    out.emplace_back(s);
  }
  return out;
}

result<std::string> run_git(std::vector<std::string> arguments) {
  child_options options;
  options.patience_ms = clone_patience_ms;
  options.environment = git_environment();
  options.clean = true;  // GIT_DIR, GIT_ALLOW_PROTOCOL and their like
  OSVM_TRY(auto git, child_process::start(arguments, std::move(options)));
  return git.finish(1u << 20);
}

}  // namespace

std::optional<repository_name> parse_repository_name(const std::string& text) {
  const auto hash = text.find('#');
  const auto name = text.substr(0, hash);
  const auto slash = name.find('/');
  if (slash == std::string::npos || name.find('/', slash + 1) != std::string::npos) return {};
  repository_name out{name.substr(0, slash), name.substr(slash + 1), {}};
  if (out.owner.empty() || out.owner.size() > 39 || !holds_only_letters_or(out.owner, "-") ||
      out.owner[0] == '-')
    return {};
  if (out.name.empty() || out.name.size() > 100 || !holds_only_letters_or(out.name, "-_.") ||
      out.name[0] == '.')
    return {};
  if (hash == std::string::npos) return out;
  out.branch = text.substr(hash + 1);
  if (out.branch.empty() || out.branch.size() > 200 || out.branch[0] == '-' ||
      !holds_only_letters_or(out.branch, "-_./+@") || out.branch.find("..") != std::string::npos)
    return {};
  return out;
}

result<cloned_repository> cloned_repository::clone(const repository_name& what, const std::string& url) {
  const std::string from = url.empty() ? "https://github.com/" + what.owner + "/" + what.name : url;
  if (!from.starts_with("https://") && !from.starts_with("file://"))
    return error(errc::invalid_argument,
                 "repositories come from https:// (or file://), not from " + printable(from));
  std::error_code ignored;
  auto pattern = (std::filesystem::temp_directory_path(ignored) / "osvm-audit-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return errno_error("a folder for the clone");
  cloned_repository out(pattern);
  out.path_ = pattern + "/" + what.name;
  auto arguments = git_settings(from);
  for (const char* a : {"clone", "--quiet", "--depth=1", "--single-branch", "--no-tags",
                        "--no-recurse-submodules", "--no-local", "--template="})
    arguments.emplace_back(a);
  if (!what.branch.empty()) arguments.insert(arguments.end(), {"--branch", what.branch});
  arguments.insert(arguments.end(), {"--", from, out.path_});
  if (const auto cloned = run_git(arguments); !cloned) {
    if (cloned.error().code == errc::timed_out)
      return error(errc::timed_out, "cloning " + printable(from) + " takes longer than five minutes");
    return error(errc::not_found, "git cannot clone " + printable(from) +
                                      (what.branch.empty() ? "" : " at " + what.branch) +
                                      " (no such public repository or branch, no network, or no git)");
  }
  arguments = git_settings(from);
  arguments.insert(arguments.end(), {"-C", out.path_, "rev-parse", "HEAD"});
  OSVM_TRY(out.commit_, run_git(arguments));
  while (out.commit_.ends_with('\n')) out.commit_.pop_back();
  return out;
}

cloned_repository::cloned_repository(cloned_repository&& o) noexcept
    : folder_(std::exchange(o.folder_, {})), path_(std::move(o.path_)), commit_(std::move(o.commit_)) {}

cloned_repository::~cloned_repository() {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

}  // namespace osvm::cli
