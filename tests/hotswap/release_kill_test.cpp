// SIGKILL at any moment of a deployment: the next process finds exactly one active release.
#include "hotswap/support/sockets.hpp"

#include "hotswap/release/journal.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

namespace osvm::test {
namespace {

// The process under test, and the lines it says.
class child {
 public:
  child(const std::string& state, const std::string& listen, const std::vector<std::string>& endpoints) {
    int out[2];
    if (::pipe(out) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(out[1], 1);
      std::vector<std::string> words{OSVM_RELEASE_CHILD, state, listen};
      words.insert(words.end(), endpoints.begin(), endpoints.end());
      std::vector<char*> argv;
      for (auto& w : words) argv.push_back(w.data());
      argv.push_back(nullptr);
      ::close(out[0]);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(out[1]);
    in_ = ::fdopen(out[0], "r");
  }
  ~child() {
    kill();
    if (in_) ::fclose(in_);
  }
  child(const child&) = delete;
  child& operator=(const child&) = delete;

  // Empty when it has ended.
  std::string line() {
    char text[256];
    if (!in_ || !::fgets(text, sizeof text, in_)) return {};
    std::string s(text);
    if (!s.empty() && s.back() == '\n') s.pop_back();
    return s;
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  FILE* in_ = nullptr;
};

int rounds() {
  const char* all = std::getenv("OSVM_TEST_ALL");
  return all && *all ? 100 : 20;
}

TEST(release_kill, exactly_one_release_is_active_after_sigkill_at_any_moment) {
  std::vector<std::unique_ptr<server>> servers;
  std::vector<std::string> endpoints;
  for (int i = 0; i < 4; ++i) {
    servers.push_back(std::make_unique<server>(release_script("v" + std::to_string(i))));
    endpoints.push_back("unix:" + servers.back()->path());
  }
  const std::string dir = temp_folder(), state = dir + "/state", listen = dir + "/front";
  std::mt19937 random(20'240'611);
  std::string last;  // what was said to be active last
  int changed = 0;
  for (int i = 0; i < rounds(); ++i) {
    child c(state, listen, endpoints);
    const auto ready = c.line();
    ASSERT_TRUE(ready.starts_with("ready ")) << ready << " in round " << i;
    const auto version = ready.substr(6);
    if (!last.empty()) {
      // What was told is not lost; a deployment that was under way may have come through.
      const auto next = "v" + std::to_string((std::atoi(last.c_str() + 1) + 1) % 4);
      EXPECT_TRUE(version == last || version == next) << version << " after " << last;
      client asks(unix_endpoint{listen});
      const auto answer = asks.get("/");
      EXPECT_EQ(answer.status, 200U) << answer.head;
    }
    last = version == "none" ? "" : version;
    const auto words = random() % 4;  // so many deployments are awaited, then comes the kill
    for (unsigned n = 0; n < words || last.empty(); ++n) {
      const auto said = c.line();
      ASSERT_TRUE(said.starts_with("active ")) << said;
      last = said.substr(7);
      ++changed;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 9'000));  // any moment
    c.kill();
    std::ifstream file(state);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto found = hotswap::detail::read_journal(text);
    ASSERT_TRUE(found) << found.error().to_string();
    EXPECT_NE(found->marks.to_recover(), 0U);
    // It may have said more between the last line that was read and the kill.
    for (auto more = c.line(); !more.empty(); more = c.line()) last = more.substr(7);
  }
  EXPECT_GT(changed, 0);
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace osvm::test
