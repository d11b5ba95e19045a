#include "peers.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

#include <boost/json.hpp>

#include "../child_process.hpp"

namespace osvm::cli::bench {
namespace {

using words = std::vector<std::string>;

words joined(words front, const words& program) {
  front.insert(front.end(), program.begin(), program.end());
  return front;
}

words bubblewrap(const environment& env, const words& program) {
  const std::string& shared = env.sockets.path();
  return joined({"bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--bind", shared, shared,
                 "--unshare-pid", "--unshare-net", "--die-with-parent"},
                program);
}

boost::json::object mount(const std::string& path, bool writable) {
  return {{"destination", path},
          {"type", "bind"},
          {"source", path},
          {"options", boost::json::array{"rbind", writable ? "rw" : "ro"}}};
}

boost::json::value bundle_config(const environment& env, const words& program) {
  boost::json::array mounts{
      boost::json::object{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}}};
  for (const char* folder : {"/usr", "/lib", "/lib64", "/bin", "/etc"}) {
    std::error_code ignored;
    if (std::filesystem::is_directory(folder, ignored)) mounts.push_back(mount(folder, false));
  }
  mounts.push_back(mount(env.sockets.path(), true));
  boost::json::array namespaces;
  for (const char* type : {"pid", "mount", "network", "ipc", "uts"})
    namespaces.push_back(boost::json::object{{"type", type}});
  return {{"ociVersion", "1.0.2"},
          {"process",
           {{"terminal", false},
            {"user", {{"uid", 0}, {"gid", 0}}},
            {"args", boost::json::array(program.begin(), program.end())},
            {"env", boost::json::array{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}},
            {"cwd", "/"}}},
          {"root", {{"path", "rootfs"}, {"readonly", false}}},
          {"mounts", std::move(mounts)},
          {"linux", {{"namespaces", std::move(namespaces)}}}};
}

// crun refuses a host with both cgroup versions mounted, so it gets a mount namespace without the second.
words crun(const environment& env, const words& program) {
  static constexpr const char* folders[] = {"dev", "proc", "usr", "lib", "lib64", "bin", "etc"};
  const std::string bundle = env.sockets.path() + "/bundle";
  for (const char* folder : folders) std::filesystem::create_directories(bundle + "/rootfs/" + folder);
  std::filesystem::create_directories(bundle + "/rootfs" + env.sockets.path());
  std::ofstream(bundle + "/config.json") << boost::json::serialize(bundle_config(env, program));
  const std::string name = "osvm-" + std::to_string(::getpid());
  return {
      "unshare",
      "-m",
      "--propagation",
      "private",
      "sh",
      "-c",
      "umount /sys/fs/cgroup/unified 2>/dev/null; exec crun --cgroup-manager=disabled run -b \"$0\" \"$1\"",
      bundle,
      name};
}

words gvisor(const environment&, const words& program) {
  return joined(
      {"runsc", "--network=none", "--ignore-cgroups", "--host-uds=all", "do", "-force-overlay=false"},
      program);
}

bool installed(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path ? path : "/usr/bin:/bin";
  while (!rest.empty()) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const std::string file = std::string(rest.substr(0, colon)) + "/" + program;
    if (::access(file.c_str(), X_OK) == 0) return true;
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return false;
}

}  // namespace

std::vector<sandbox> usable_sandboxes(const environment& env, report& out) {
  std::vector<sandbox> usable;
  for (const sandbox& s : {sandbox{"bwrap", bubblewrap}, {"crun", crun}, {"runsc", gvisor}}) {
    if (!installed(s.name)) {
      out.remark(s.name + ": absent, not installed");
      continue;
    }
    auto child = child_process::start(s.wrap(env, {"/bin/true"}));
    const auto ended = child ? child->finish() : result<std::string>(child.error());
    if (ended) {
      usable.push_back(s);
    } else {
      out.remark(s.name + ": absent, cannot run /bin/true here: " + ended.error().to_string());
    }
  }
  return usable;
}

}  // namespace osvm::cli::bench
