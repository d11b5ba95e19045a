// The control socket of `osvm rpc local`: who asks, who answers, and who is not believed.
#include "../../tools/osvm/rpc_control.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>

#include "../../tools/osvm/private_dir.hpp"

namespace osvm::cli {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

class control : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/osvm-control-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root = name;
    ASSERT_EQ(::setenv("XDG_RUNTIME_DIR", name, 1), 0);
  }
  ~control() override {
    std::error_code ignored;
    std::filesystem::remove_all(root, ignored);
  }
  std::unique_ptr<rpc_control> listen(rpc_control_handlers handlers) {
    auto made = private_dir::make("rpc");
    EXPECT_TRUE(made) << made.error().to_string();
    folder.emplace(std::move(*made));
    auto c = rpc_control::listen(folder->path(), std::move(handlers));
    EXPECT_TRUE(c) << c.error().to_string();
    return std::move(*c);
  }
  std::string socket() const { return folder->path() + "/control"; }
  std::string root;
  std::optional<private_dir> folder;
};

TEST_F(control, a_reset_keeps_nobody_waiting) {
  std::promise<void> go_on;
  std::atomic<int> stops{0};
  auto c = listen({.status =
                       [] {
                         return json::object{{"listen", "here"}};
                       },
                   .reset = [done = go_on.get_future().share()]() -> result<json::object> {
                     done.wait();
                     return json::object{{"version", "vm-2"}};
                   },
                   .stop = [&] { ++stops; }});
  auto asked = std::async(std::launch::async, [&] { return ask_rpc_node(socket(), "reset", 60s); });
  // Until the first one has got its turn the second one may be it: it is given up soon.
  for (;;) {
    const auto second = ask_rpc_node(socket(), "reset", 200ms);
    ASSERT_FALSE(second);
    if (second.error().context.find("under way") != std::string::npos) break;
  }
  const auto nodes = find_rpc_nodes();
  ASSERT_TRUE(nodes) << nodes.error().to_string();
  ASSERT_EQ(nodes->size(), 1u);
  EXPECT_FALSE(nodes->at(0).busy);
  EXPECT_EQ(nodes->at(0).status.at("listen"), "here");
  EXPECT_TRUE(ask_rpc_node(socket(), "stop", 60s));
  EXPECT_EQ(stops, 1);
  go_on.set_value();
  (void)asked.get();
  // The next one gets its turn when that one has been answered.
  for (;;) {
    const auto again = ask_rpc_node(socket(), "reset", 60s);
    if (again) {
      EXPECT_EQ(again->at("version"), "vm-2");
      break;
    }
    ASSERT_NE(again.error().context.find("under way"), std::string::npos) << again.error().to_string();
  }
}

// It takes connections, as a listening socket does by itself, and says nothing.
TEST_F(control, who_does_not_answer_is_busy_and_not_gone) {
  auto made = private_dir::make("rpc");
  ASSERT_TRUE(made);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  const auto path = made->path() + "/control";
  std::memcpy(at.sun_path, path.c_str(), path.size() + 1);
  unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(::listen(fd.get(), 0), 0);
  // Also when it takes no further one.
  for (int i = 0; i < 4; ++i) {
    const auto nodes = find_rpc_nodes(50ms);
    ASSERT_TRUE(nodes);
    ASSERT_EQ(nodes->size(), 1u) << i;
    EXPECT_TRUE(nodes->at(0).busy);
    EXPECT_EQ(nodes->at(0).socket, path);
  }
  fd.reset();  // one that was killed
  const auto nodes = find_rpc_nodes(50ms);
  ASSERT_TRUE(nodes);
  EXPECT_TRUE(nodes->empty());
}

TEST_F(control, a_folder_that_others_may_write_to_is_not_believed) {
  const auto none = find_rpc_nodes();
  ASSERT_TRUE(none) << none.error().to_string();
  EXPECT_TRUE(none->empty());
  const auto c = listen({.status = [] { return json::object{}; }, .reset = {}, .stop = {}});
  ASSERT_TRUE(find_rpc_nodes());
  ASSERT_EQ(::chmod(private_dir::base().c_str(), 0777), 0);
  const auto open = find_rpc_nodes();
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().code, errc::denied);
  ASSERT_EQ(::chmod(private_dir::base().c_str(), 0700), 0);
  if (::geteuid() != 0) GTEST_SKIP() << "NOT APPLICABLE: only root can give a folder away";
  ASSERT_EQ(::chown(private_dir::base().c_str(), 65534, 65534), 0);
  EXPECT_FALSE(find_rpc_nodes());
}

}  // namespace
}  // namespace osvm::cli
