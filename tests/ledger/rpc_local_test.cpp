// `osvm rpc local` as people use it: started, asked, replaced, stopped, interrupted, killed.
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <osvm/solana/rpc_socket.hpp>

#include <atomic>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <fstream>
#include <thread>

#include "ledger_writer.hpp"
#include "net/support.hpp"
#include "rpc_client.hpp"

namespace osvm::ledger::test {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

class rpc_local : public ::testing::Test {
 protected:
  void SetUp() override {
    const unique_fd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
    if (!kvm) GTEST_SKIP() << "SKIPPED: /dev/kvm cannot be opened: " << std::strerror(errno);
    std::filesystem::create_directories(folder.path() + "/ledger/rocksdb");
    std::filesystem::create_directory(folder.path() + "/run");
    ASSERT_EQ(::chmod((folder.path() + "/run").c_str(), 0700), 0);
    ledger_writer w(folder.path() + "/ledger/rocksdb");
    w.block(0, 0, {});
    w.block(1, 0, {});
  }
  ~rpc_local() override {
    for (const pid_t p : running) ::kill(p, SIGKILL), ::waitpid(p, nullptr, 0);
  }
  std::string out(const char* name) const { return folder.path() + "/" + name; }
  static std::string read(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Output goes to files, standard input is empty or a terminal, which is the program's own then.
  pid_t launch(std::vector<std::string> words, const char* name, const char* input = "/dev/null") {
    words.insert(words.begin(), OSVM_BINARY);
    std::vector<char*> argv;
    for (auto& w : words) argv.push_back(w.data());
    argv.push_back(nullptr);
    std::string runtime = "XDG_RUNTIME_DIR=" + folder.path() + "/run", path = "PATH=/usr/bin:/bin";
    char* environment[] = {runtime.data(), path.data(), nullptr};
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, 0, input, O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&files, 1, out(name).c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    ::posix_spawn_file_actions_addopen(&files, 2, (out(name) + ".err").c_str(), O_CREAT | O_TRUNC | O_WRONLY,
                                       0600);
    posix_spawnattr_t session;
    ::posix_spawnattr_init(&session);
    ::posix_spawnattr_setflags(&session, POSIX_SPAWN_SETSID);
    pid_t pid = -1;
    EXPECT_EQ(::posix_spawn(&pid, OSVM_BINARY, &files, &session, argv.data(), environment), 0);
    ::posix_spawnattr_destroy(&session);
    ::posix_spawn_file_actions_destroy(&files);
    running.push_back(pid);
    return pid;
  }
  int wait(pid_t pid) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    std::erase(running, pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  int osvm(std::vector<std::string> words) { return wait(launch(std::move(words), "answer")); }
  json::value answer() const { return json::parse(read(out("answer"))); }
  // Starts a server and waits until it says where it listens.
  pid_t serve(std::vector<std::string> more = {}, const char* input = "/dev/null") {
    std::vector<std::string> words{"rpc",      "local",      "--json", "--ledger", folder.path() + "/ledger",
                                   "--listen", "127.0.0.1:0"};
    words.insert(words.end(), more.begin(), more.end());
    const auto pid = launch(words, "server", input);
    while (read(out("server")).find('\n') == std::string::npos) {
      if (::waitpid(pid, nullptr, WNOHANG) == pid) {
        std::erase(running, pid);
        ADD_FAILURE() << read(out("server.err"));
        return -1;
      }
      std::this_thread::sleep_for(5ms);
    }
    said = json::parse(read(out("server")));
    const std::string at(said.at("listen").as_string());
    std::from_chars(at.data() + at.rfind(':') + 1, at.data() + at.size(), port);
    return pid;
  }
  std::size_t left_over() const {
    std::size_t n = 0;
    for (const auto& e : std::filesystem::directory_iterator(folder.path() + "/run/osvm"))
      n += e.path().filename().string().starts_with("rpc-");
    return n;
  }
  temporary_folder folder;
  std::vector<pid_t> running;
  json::value said;
  std::uint16_t port = 0;
};

TEST_F(rpc_local, serves_is_replaced_and_stops) {
  EXPECT_EQ(osvm({"rpc", "local", "--status"}), 1);
  EXPECT_EQ(osvm({"rpc", "local", "--stop"}), 1);
  const auto server = serve();
  ASSERT_GT(server, 0);
  EXPECT_TRUE(said.at("isolation").as_string().starts_with("hardware")) << said;
  rpc_client client(port);
  EXPECT_EQ(client.number("getSlot"), 1u) << client.last_error;

  ASSERT_EQ(osvm({"rpc", "local", "--status", "--json"}), 0);
  const auto state = answer().at("nodes").at(0);
  EXPECT_EQ(state.at("listen"), said.at("listen"));
  EXPECT_EQ(state.at("pid"), server);
  EXPECT_EQ(state.at("vms").at(0).at("role"), "serving");
  EXPECT_EQ(state.at("vms").at(0).at("finalized"), 1);

  ASSERT_EQ(osvm({"rpc-manager", "local", "--reset", "--json"}), 0) << read(out("answer.err"));
  EXPECT_EQ(answer().at("replaced"), state.at("vms").at(0).at("name"));
  EXPECT_EQ(client.number("getSlot"), 1u) << client.last_error;  // on the same connection

  ASSERT_EQ(osvm({"rpc", "local", "--stop", "--listen", "127.0.0.1:1"}), 1);  // another's address
  ASSERT_EQ(osvm({"rpc", "local", "--stop", "--ledger", folder.path() + "/ledger"}), 0)
      << read(out("answer.err"));
  EXPECT_EQ(wait(server), 0) << read(out("server.err"));
  EXPECT_EQ(left_over(), 0u);
}

TEST_F(rpc_local, sighup_starts_anew_and_an_interrupt_leaves_nothing) {
  const auto server = serve({"--vms", "2"});
  ASSERT_GT(server, 0);
  ASSERT_EQ(::kill(server, SIGHUP), 0);
  rpc_client client(port);
  do {
    EXPECT_EQ(client.number("getSlot"), 1u) << client.last_error;
    ASSERT_EQ(osvm({"rpc", "local", "--status", "--json"}), 0);
  } while (answer().at("nodes").at(0).at("shifts").as_int64() < 2 && !HasFailure());
  ASSERT_EQ(::kill(server, SIGINT), 0);
  EXPECT_EQ(wait(server), 0);
  EXPECT_EQ(left_over(), 0u);
}

// A folder of accounts, and then an archive in it that takes hours to read: what starts anew does not get up.
class rpc_local_that_starts_anew : public rpc_local {
 protected:
  void SetUp() override {
    rpc_local::SetUp();
    if (IsSkipped()) return;
    std::filesystem::create_directory(accounts());
    std::ofstream(accounts() + "/one.json")
        << R"({"pubkey":"11111111111111111111111111111111","account":{"lamports":1,"data":["","base64"],)"
           R"("owner":"11111111111111111111111111111111","executable":false,"rentEpoch":0}})";
    server = serve({"--accounts", accounts()});
    ASSERT_GT(server, 0);
    const auto archive = accounts() + "/snapshot-1-x.tar";
    std::string header(512, '\0');
    header.replace(0, 1, "x");
    header[124] = static_cast<char>(0x80);  // the size, in base 256
    header[130] = 4;                        // 4 TiB
    header[156] = 'x';
    header.replace(148, 8, "        ");
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    char digits[8];
    std::snprintf(digits, sizeof digits, "%06o", sum);
    header.replace(148, 7, digits, 7);
    std::ofstream(archive, std::ios::binary) << header;
    std::filesystem::resize_file(archive, std::uint64_t{4} << 40);
  }
  std::string accounts() const { return folder.path() + "/accounts"; }
  // Until a fresh VM is seen to start: by who is asked meanwhile, that is.
  void until_it_starts() {
    do {
      ASSERT_EQ(osvm({"rpc", "local", "--status", "--json"}), 0) << read(out("answer"));
    } while (answer().at("nodes").at(0).at("vms").as_array().size() < 2);
  }
  pid_t server = -1;
};

TEST_F(rpc_local_that_starts_anew, answers_meanwhile_and_stops) {
  const auto asked = launch({"rpc", "local", "--reset"}, "reset");
  ASSERT_NO_FATAL_FAILURE(until_it_starts());
  EXPECT_EQ(osvm({"rpc", "local", "--reset"}), 1);
  EXPECT_NE(read(out("answer.err")).find("under way"), std::string::npos) << read(out("answer.err"));
  rpc_client client(port);
  EXPECT_EQ(client.number("getSlot"), 1u) << client.last_error;
  EXPECT_EQ(osvm({"rpc", "local", "--stop"}), 0) << read(out("answer.err"));
  EXPECT_EQ(wait(server), 0);
  EXPECT_EQ(wait(asked), 1);
  EXPECT_NE(read(out("reset.err")).find("being stopped"), std::string::npos) << read(out("reset.err"));
  EXPECT_EQ(left_over(), 0u);
}

TEST_F(rpc_local_that_starts_anew, a_signal_ends_it_before_that_is_over) {
  ASSERT_EQ(::kill(server, SIGHUP), 0);
  ASSERT_NO_FATAL_FAILURE(until_it_starts());
  ASSERT_EQ(::kill(server, SIGTERM), 0);
  EXPECT_EQ(wait(server), 0);
  EXPECT_NE(read(out("server.err")).find("is being stopped"), std::string::npos);
  EXPECT_EQ(left_over(), 0u);
}

// With a terminal SIGHUP says that it has gone. It is none any more when the signal comes.
TEST_F(rpc_local, ends_with_its_terminal) {
  unique_fd terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(terminal);
  ASSERT_EQ(::grantpt(terminal.get()), 0);
  ASSERT_EQ(::unlockpt(terminal.get()), 0);
  char name[128];
  ASSERT_EQ(::ptsname_r(terminal.get(), name, sizeof name), 0);
  const auto server = serve({}, name);
  ASSERT_GT(server, 0);
  terminal.reset();
  EXPECT_EQ(wait(server), 0) << read(out("server.err"));
  EXPECT_EQ(left_over(), 0u);
}

TEST_F(rpc_local, what_a_killed_one_leaves_goes_with_the_next) {
  const auto killed = serve();
  ASSERT_GT(killed, 0);
  ASSERT_EQ(::kill(killed, SIGKILL), 0);
  EXPECT_EQ(wait(killed), 128 + SIGKILL);
  EXPECT_EQ(osvm({"rpc", "local", "--status"}), 1);
  const auto server = serve({"--on-host"});
  ASSERT_GT(server, 0);
  EXPECT_EQ(said.at("isolation"), "none");
  EXPECT_EQ(left_over(), 1u);
  EXPECT_NE(osvm({"rpc", "local", "--reset"}), 0);
  EXPECT_EQ(osvm({"rpc", "local", "--stop"}), 0);
  EXPECT_EQ(wait(server), 0);
  EXPECT_EQ(left_over(), 0u);
}

TEST_F(rpc_local, refuses_what_it_cannot_do) {
  EXPECT_EQ(osvm({"rpc", "local"}), 2);
  EXPECT_EQ(osvm({"rpc", "local", "--stop", "--reset"}), 2);
  EXPECT_EQ(osvm({"rpc", "local", "--ledger", folder.path() + "/nowhere"}), 1);
  EXPECT_EQ(osvm({"rpc", "local", "--ledger", folder.path() + "/run", "--listen", "127.0.0.1:0"}), 1);
  EXPECT_NE(read(out("answer.err")).find("CURRENT"), std::string::npos) << read(out("answer.err"));
}

// A node of this process; what the guest of the VM may reach, and nothing else.
TEST_F(rpc_local, an_upstream_answers_what_the_ledger_cannot) {
  osvm::test::test_server node([](osvm::test::peer& p, int) {
    for (;;) {
      const auto head = p.request();
      if (head.empty()) return;
      (void)p.read_exactly(std::stoul(head.substr(head.find("Content-Length: ") + 16)));
      p.answer(R"({"jsonrpc":"2.0","result":4711,"id":1})");
    }
  });
  // A guest's localhost is its own.
  const auto port_text = std::to_string(node.port());
  for (const std::string host : {"127.0.0.1", "localhost", ""}) {
    std::vector<std::string> words{"--upstream",
                                   "http://" + (host.empty() ? "127.0.0.1" : host) + ":" + port_text};
    if (host.empty()) words.emplace_back("--on-host");
    const auto server = serve(words);
    ASSERT_GT(server, 0);
    rpc_client client(port);
    EXPECT_EQ(client.number("sendTransaction", "[\"x\"]"), 4711u)
        << client.last_error << read(out("server.err"));
    EXPECT_EQ(client.number("getSlot"), 1u) << client.last_error;
    EXPECT_EQ(client.number("getBalance", "[\"x\"]"), 4711u) << client.last_error;
    EXPECT_EQ(osvm({"rpc", "local", "--stop"}), 0);
    EXPECT_EQ(wait(server), 0);
  }
  EXPECT_EQ(osvm({"rpc", "local", "--ledger", folder.path() + "/ledger", "--upstream", "nonsense"}), 2);
  EXPECT_NE(
      osvm({"rpc", "local", "--ledger", folder.path() + "/ledger", "--upstream", "https://localhost:1"}), 0);
  EXPECT_NE(read(out("answer.err")).find("localhost"), std::string::npos) << read(out("answer.err"));
}

// Another VM's port is behind its hybrid socket: the guest asks for it itself.
TEST_F(rpc_local, an_upstream_in_another_vm) {
  const auto path = folder.path() + "/vm.sock";
  std::atomic<int> greeted = 0;
  osvm::test::test_server node(path, [&](osvm::test::peer& p, int) {
    if (p.read_until("\n") != "CONNECT 8899\n") return;
    ++greeted;
    p.send("OK 1073741824\n");
    for (;;) {
      const auto head = p.request();
      if (head.empty()) return;
      (void)p.read_exactly(std::stoul(head.substr(head.find("Content-Length: ") + 16)));
      p.answer(R"({"jsonrpc":"2.0","result":4711,"id":1})");
    }
  });
  for (const bool on_host : {false, true}) {
    std::vector<std::string> words{"--upstream", "vsock://" + path + ":8899"};
    if (on_host) words.emplace_back("--on-host");
    const auto server = serve(words);
    ASSERT_GT(server, 0) << read(out("server.err"));
    rpc_client client(port);
    const int before = greeted;
    EXPECT_EQ(client.number("sendTransaction", "[\"x\"]"), 4711u)
        << client.last_error << read(out("server.err"));
    EXPECT_GT(greeted, before);
    EXPECT_EQ(client.number("getSlot"), 1u) << client.last_error;
    EXPECT_EQ(osvm({"rpc", "local", "--stop"}), 0);
    EXPECT_EQ(wait(server), 0);
  }
}

// The proxy in front of the VMs passes WebSockets through.
TEST_F(rpc_local, subscriptions_come_out_of_the_vm) {
  const auto server = serve();
  ASSERT_GT(server, 0);
  runtime loop;
  auto socket = solana::rpc_socket::async_open(loop.get_executor(),
                                               *net::parse_url("ws://127.0.0.1:" + std::to_string(port)), {},
                                               boost::asio::use_future)
                    .get();
  ASSERT_TRUE(socket) << socket.error().error.to_string();
  ASSERT_TRUE(socket->async_call("slotSubscribe", "[]", boost::asio::use_future).get());
  {
    ledger_writer w(folder.path() + "/ledger/rocksdb");
    w.block(2, 1, {});
  }
  const auto told = socket->async_next(boost::asio::use_future).get();
  ASSERT_TRUE(told) << told.error().error.to_string();
  const auto slot = json::parse(told->result);
  EXPECT_EQ(slot.at("slot"), 2);
  EXPECT_EQ(slot.at("parent"), 1);
  EXPECT_EQ(osvm({"rpc", "local", "--stop"}), 0);
  EXPECT_EQ(wait(server), 0);
}

}  // namespace
}  // namespace osvm::ledger::test
