// A warm guest of many open files (guests/clones.c), and what is asked of it and of its clones.
#pragma once

#include "unikernel/guest_fixture.hpp"

#include <osvm/unikernel/template.hpp>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace osvm::test {

using unikernel::instance_template;
using unikernel::spawn_options;

inline const unikernel::listener http{transport::tcp, 8080};

// One connection to a guest, with a receive timeout so that no test hangs.
class conversation {
 public:
  explicit conversation(const endpoint& where) {
    const auto* at = std::get_if<unix_endpoint>(&where);
    if (!at) return;
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patient{60, 0};
    (void)::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patient, sizeof patient);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, at->path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << at->path;
  }
  conversation(const conversation&) = delete;
  conversation& operator=(const conversation&) = delete;
  ~conversation() {
    if (fd_ >= 0) ::close(fd_);
  }
  std::string ask(const std::string& command) {
    const std::string line = command + "\n";
    if (::send(fd_, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
      return "gone";
    std::string text;
    for (char c = 0; text.size() < 4096 && ::recv(fd_, &c, 1, 0) == 1 && c != '\n';) text += c;
    return text;
  }

 private:
  int fd_ = -1;
};

class template_test : public guest_test {
 protected:
  void SetUp() override {
    guest_test::SetUp();
    if (IsSkipped()) return;
    std::ofstream(dir + "/file") << "0123456789abcdef";
  }
  result<instance> start_warm(const tweak& change = {}, const std::string& mebibytes = "3") {
    return start("clones", {"/data/file", mebibytes}, [&](instance_options& o) {
      o.policy.listen = {http};
      o.policy.mounts = {{.host_path = dir, .guest_path = "/data"}};
      if (change) change(o);
    });
  }
  result<instance> spawn(const instance_template& from, const std::string& name = "clone") {
    spawn_options o;
    o.output = stdio::capture(1 << 20);
    o.error = stdio::capture(1 << 20);
    o.name = name;
    return from.spawn(loop().get_executor(), std::move(o));
  }
  std::string ask(instance& guest, const std::string& command) {
    auto where = guest.wait_listening(http, patience);
    if (!where) return "not listening: " + where.error().to_string();
    return conversation(*where).ask(command);
  }
};

}  // namespace osvm::test
