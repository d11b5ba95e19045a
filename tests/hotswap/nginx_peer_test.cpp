// The proxy in front of real nginx servers, as releases that are replaced under load.
#include "hotswap/support/fixture.hpp"

#include <osvm/hotswap/load_client.hpp>
#include <osvm/hotswap/probe.hpp>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

extern char** environ;

namespace osvm::test {
namespace {

using namespace hotswap;

constexpr const char* nginx_path = "/usr/sbin/nginx";

// One nginx process on a unix socket in a folder of its own; ended by its id.
class nginx {
 public:
  nginx(const std::string& version, const std::string& extra = {}) : dir_(temp_folder()) {
    std::ofstream(dir_ + "/big") << std::string(5 << 20, 'b');
    std::ofstream(dir_ + "/n.conf")
        << "daemon off; master_process off; pid " + dir_ + "/pid; error_log " + dir_ +
               "/err warn;\nevents { worker_connections 1024; }\nhttp { access_log off; " +
               "client_body_temp_path " + dir_ + "/a; proxy_temp_path " + dir_ + "/b; fastcgi_temp_path " +
               dir_ + "/c; uwsgi_temp_path " + dir_ + "/d; scgi_temp_path " + dir_ + "/e; " + extra +
               "\nserver { listen unix:" + dir_ + "/s; root " + dir_ + ";\n add_header X-Osvm-Release " +
               version + " always; add_header X-Osvm-Nonce $http_x_osvm_nonce always;\n" +
               " location = / { return 200 'hello " + version + "'; } } }\n";
    const std::string conf = dir_ + "/n.conf", prefix = dir_ + "/";
    const char* argv[] = {nginx_path, "-c", conf.c_str(), "-p", prefix.c_str(), nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (::posix_spawn(&pid_, nginx_path, &actions, nullptr, const_cast<char**>(argv), environ) != 0)
      pid_ = -1;
    ::posix_spawn_file_actions_destroy(&actions);
  }
  ~nginx() {
    if (pid_ > 0) {
      ::kill(pid_, SIGTERM);
      ::waitpid(pid_, nullptr, 0);
    }
    std::filesystem::remove_all(dir_);
  }
  nginx(const nginx&) = delete;
  nginx& operator=(const nginx&) = delete;
  endpoint where() const { return unix_endpoint{dir_ + "/s"}; }

 private:
  std::string dir_;
  pid_t pid_ = -1;
};

class nginx_peer : public proxy_fixture {
 protected:
  void SetUp() override {
    if (::access(nginx_path, X_OK) != 0)
      GTEST_SKIP() << nginx_path << " is not installed (tools/dev/packages.txt)";
  }
  void ready(const nginx& n) {
    const auto r = async_probe(loop_->get_executor(), n.where(), {}, {}, boost::asio::use_future).get();
    ASSERT_TRUE(r) << r.error().to_string();
  }
  // Shifts to and fro between two nginx servers under load.
  void shifts(bool keep_alive, const std::string& extra) {
    nginx one("v1", extra), two("v2", extra);
    start(proxy_mode::l7, 2);
    ready(one);
    ready(two);
    auto before = route_to("v1", one.where());
    load_options o;
    o.target = proxy_->local_endpoint();
    o.rate = 1'000;
    o.duration = 20s;
    o.keep_alive = keep_alive;
    o.initial_version = "v1";
    load_client load(loop_->get_executor(), o);
    auto done = load.async_run(boost::asio::use_future);
    for (int i = 0; i < 20; ++i) {
      const auto seen = load.progress().answered;
      ASSERT_TRUE(eventually([&] { return load.progress().answered > seen + 30; }));
      const std::string version = i % 2 == 0 ? "v2" : "v1";
      load.shift_starting(version);
      const auto next = route_to(version, i % 2 == 0 ? two.where() : one.where());
      load.shift_returned(version);
      EXPECT_EQ(drain(before, 5s)->cut, 0U);
      before = next;
    }
    load.stop();
    const auto r = done.get();
    ASSERT_TRUE(r);
    for (const auto& s : r->samples) ADD_FAILURE() << s;
    EXPECT_EQ(r->failed(), 0U);
    EXPECT_EQ(r->answered, r->scheduled);
    EXPECT_EQ(r->by_version.size(), 2U);
    EXPECT_EQ(stats().failed(), 0U);
  }
};

TEST_F(nginx_peer, keep_alive_clients_lose_nothing_over_twenty_shifts) {
  shifts(true, "");
}
TEST_F(nginx_peer, close_clients_lose_nothing_over_twenty_shifts) {
  shifts(false, "");
}
// nginx closes each kept-alive connection after seven requests: the proxy's pool meets that all the time.
TEST_F(nginx_peer, a_release_that_closes_connections_often_costs_nothing) {
  shifts(true, "keepalive_requests 7;");
}

TEST_F(nginx_peer, files_ranges_conditions_and_heads_pass_unchanged) {
  nginx one("v1");
  start(proxy_mode::l7);
  ready(one);
  route_to("v1", one.where());
  auto c = connect();
  const auto big = c.get("/big");
  EXPECT_EQ(big.status, 200U);
  EXPECT_EQ(big.body, std::string(5 << 20, 'b'));
  const auto part = c.get("/big", "Range: bytes=10-19\r\n");
  EXPECT_EQ(part.status, 206U);
  EXPECT_EQ(part.body, std::string(10, 'b'));
  EXPECT_EQ(c.get("/big", "If-None-Match: " + big.header("ETag") + "\r\n").status, 304U);
  c.send("HEAD /big HTTP/1.1\r\nHost: t\r\n\r\n");
  EXPECT_EQ(c.receive(true).header("Content-Length"), std::to_string(5 << 20));
  EXPECT_EQ(c.get("/missing").status, 404U);
}

TEST_F(nginx_peer, l4_passes_the_same_bytes) {
  nginx one("v1");
  start(proxy_mode::l4, 2);
  ready(one);
  route_to("v1", one.where());
  for (int i = 0; i < 5; ++i) {
    auto c = connect();
    EXPECT_EQ(c.get("/big").body.size(), 5U << 20);
    EXPECT_EQ(c.get("/").body, "hello v1");
  }
  EXPECT_TRUE(eventually([&] { return stats().active == 0; }));
}

}  // namespace
}  // namespace osvm::test
