// The RPC node: osvm-rpc in VMs behind the proxy, over a ledger that librocksdb writes while it is served.
#include <osvm/ledger/rpc_service.hpp>
#include <osvm/ledger/side_index.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/rpc_socket.hpp>

#include <fcntl.h>

#include <atomic>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <fstream>
#include <future>
#include <thread>

#include "../../tools/osvm/rpc_node.hpp"
#include "ledger_writer.hpp"
#include "rpc_client.hpp"

namespace osvm::ledger::test {
namespace {

using namespace std::chrono_literals;
using cli::rpc_node;

// Made and signed by solders.
constexpr std::string_view transfer =
    "ATVXUCqCyZgO2NbErY4Lpj7aPBaI52QRpu8O12KRpp7WiRvVHNhr6Tqja0DR9sS/ZRPh3PiunCUiBV5ow4oqJgkBAAEDA6EHv/"
    "POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbgJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQAAAAAAAAAAAAAAAAAAAAAAAA"
    "AA"
    "AAAAAAAAAAAAAAAAAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMBAgIAAQwCAAAAKgAAAAAAAAA=";

class node : public ::testing::Test {
 protected:
  void SetUp() override {
    const unique_fd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
    if (!kvm) GTEST_SKIP() << "SKIPPED: /dev/kvm cannot be opened: " << std::strerror(errno);
    const auto bytes = *solana::base64_decode(transfer);
    wire.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    std::filesystem::create_directories(live() + "/rocksdb");
    std::filesystem::create_directories(sockets());
    writer.emplace(live() + "/rocksdb");
    grow(0);
    writer->block(1, 0, {wire});
    last = 1;
    auto probed = kvm::probe_host();
    ASSERT_TRUE(probed) << probed.error().to_string();
    facts = *probed;
  }
  std::string live() const { return folder.path() + "/ledger"; }
  std::string sockets() const { return folder.path() + "/sockets"; }
  void grow(slot_t slot) {
    writer->block(slot, last, {});
    last = slot;
  }
  cli::rpc_node_options options(unsigned vms) {
    cli::rpc_node_options o;
    o.program = OSVM_RPC_PROGRAM;
    o.folders = {live()};
    o.vms = vms;
    o.listen = tcp_endpoint{"127.0.0.1", 0};
    o.socket_dir = sockets();
    o.facts = facts;
    o.patience = 10s;  // this machine may be loaded: a slow VM is not a hung one
    o.say = [this](const std::string& line) {
      const std::lock_guard lock(said_mutex);
      said += line + "\n";
    };
    return o;
  }
  std::unique_ptr<rpc_node> start(cli::rpc_node_options o) {
    auto made = rpc_node::start(loop.get_executor(), std::move(o));
    EXPECT_TRUE(made) << made.error().to_string() << "\n" << log();
    return made ? std::move(*made) : nullptr;
  }
  static std::uint16_t port_of(const rpc_node& n) { return std::get<tcp_endpoint>(n.local_endpoint()).port; }
  std::string log() {
    const std::lock_guard lock(said_mutex);
    return said;
  }
  // Waits for a state of the node; the test's own time limit ends what never comes.
  template <class F>
  static void until(F reached) {
    while (!reached()) std::this_thread::sleep_for(5ms);
  }

  temporary_folder folder;
  std::string wire;
  std::optional<ledger_writer> writer;
  slot_t last = 0;
  kvm::host_facts facts;
  std::mutex said_mutex;
  std::string said;
  runtime loop{{.threads = 2}};
};

// Asks for the last slot without pause, on connections of its own, and counts what must not be.
class watcher {
 public:
  watcher(std::uint16_t port, unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this, port] { ask(rpc_client(port)); });
  }
  ~watcher() { stop(); }
  void stop() {
    ending_ = true;
    for (auto& t : threads_)
      if (t.joinable()) t.join();
  }
  std::atomic<std::uint64_t> asked{0}, failed{0}, regressions{0}, highest{0};
  std::string first_failure;

 private:
  void ask(rpc_client client) {
    while (!ending_) {
      // Of any client: whoever saw a slot before this question was asked.
      const std::uint64_t seen = highest;
      const auto slot = client.number("getSlot");
      ++asked;
      if (!slot) {
        if (failed++ == 0) first_failure = client.last_error;
        continue;
      }
      if (*slot < seen) ++regressions;
      for (std::uint64_t now = highest; now < *slot && !highest.compare_exchange_weak(now, *slot);) {
      }
    }
  }
  std::atomic<bool> ending_{false};
  std::vector<std::thread> threads_;
};

TEST_F(node, answers_as_the_host_does) {
  const auto n = start(options(1));
  ASSERT_TRUE(n);
  EXPECT_EQ(n->isolation().substr(0, 8), "hardware");
  const rpc_service here(*blockstore::open(live()), std::nullopt);
  rpc_client client(port_of(*n));
  for (
      const char* body :
      {R"({"jsonrpc":"2.0","id":1,"method":"getSlot"})",
       R"({"jsonrpc":"2.0","id":2,"method":"getBlock","params":[1,{"encoding":"jsonParsed"}]})",
       R"({"jsonrpc":"2.0","id":3,"method":"getBlock","params":[1,{"encoding":"base64"}]})",
       R"({"jsonrpc":"2.0","id":4,"method":"getBlock","params":[77]})",
       R"([{"jsonrpc":"2.0","id":5,"method":"getBlocks","params":[0]},{"jsonrpc":"2.0","id":6,"method":"no"}])",
       "garbage"})
    EXPECT_EQ(client.post(body).value_or(client.last_error), here.handle(body)) << body;
}

TEST_F(node, a_side_index_answers_what_the_ledger_lacks) {
  writer.reset();
  const auto bare = folder.path() + "/bare";
  std::filesystem::create_directories(bare + "/rocksdb");
  {
    ledger_writer w(bare + "/rocksdb");
    w.histories = false;
    w.block(0, 0, {});
    w.block(1, 0, {wire});
  }
  auto how = options(1);
  how.folders = {bare};
  const char* history = R"({"jsonrpc":"2.0","id":1,"method":"getSignaturesForAddress",)"
                        R"("params":["FAe4sisG95oZ42w7buUn5qEE4TAnfTTFPiguZUHmhiF"]})";
  {
    const auto without = start(how);
    ASSERT_TRUE(without);
    EXPECT_EQ(rpc_client(port_of(*without)).post(history), R"({"jsonrpc":"2.0","result":[],"id":1})")
        << "the control: without an index nobody knows";
  }
  how.index = folder.path() + "/index";
  ASSERT_TRUE(build_side_index(*blockstore::open(bare), how.index));
  {
    const auto with = start(how);
    ASSERT_TRUE(with);
    const auto answer = rpc_client(port_of(*with)).post(history);
    ASSERT_TRUE(answer);
    EXPECT_NE(answer->find(R"("slot":1)"), std::string::npos) << *answer << "\n" << log();
    EXPECT_NE(log().find("with the side index"), std::string::npos) << log();
  }
  std::ofstream(how.index + "/CURRENT") << "nonsense";
  const auto broken = start(how);
  ASSERT_TRUE(broken) << "an index is no reason not to answer";
  EXPECT_TRUE(rpc_client(port_of(*broken)).post(history));
  EXPECT_NE(log().find("without the side index"), std::string::npos) << log();
}

TEST_F(node, sees_what_a_validator_adds) {
  const auto n = start(options(1));
  ASSERT_TRUE(n);
  rpc_client client(port_of(*n));
  EXPECT_EQ(client.number("getSlot"), 1u);
  for (const slot_t slot : {2, 5, 9}) {
    grow(slot);
    until([&] { return client.number("getSlot") == slot; });
  }
}

TEST_F(node, a_reset_loses_no_request_and_no_slot_goes_back) {
  const auto n = start(options(1));
  ASSERT_TRUE(n);
  watcher clients(port_of(*n), 3);
  for (int i = 0; i < 5; ++i) {
    const auto before = n->vms().at(0).first;
    for (int k = 0; k < 3; ++k) grow(last + 1);
    const auto done = n->reset();
    ASSERT_TRUE(done) << done.error().to_string();
    EXPECT_EQ(done->state, hotswap::release_state::active) << done->describe();
    EXPECT_EQ(done->replaced, before);
    EXPECT_EQ(done->cut, 0u);
  }
  until([&] { return clients.highest == last; });
  clients.stop();
  EXPECT_EQ(clients.failed, 0u) << clients.first_failure << " of " << clients.asked << "\n" << log();
  EXPECT_EQ(clients.regressions, 0u);
}

// A WebSocket stays at the VM that it began at: when that one is replaced, its client is told to come again.
TEST_F(node, websockets_are_told_when_their_vm_is_replaced) {
  const auto n = start(options(1));
  ASSERT_TRUE(n);
  const auto open = [&] {
    auto s = solana::rpc_socket::async_open(loop.get_executor(),
                                            *net::parse_url("ws://127.0.0.1:" + std::to_string(port_of(*n))),
                                            {}, boost::asio::use_future)
                 .get();
    EXPECT_TRUE(s) << s.error().error.to_string();
    EXPECT_TRUE(s->async_call("slotSubscribe", "[]", boost::asio::use_future).get());
    return s;
  };
  auto first = open(), second = open();
  auto first_hears = first->async_next(boost::asio::use_future);
  auto second_hears = second->async_next(boost::asio::use_future);
  const auto done = n->reset();
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ(done->cut, 0u) << "nothing was left to be cut: " << done->describe();
  for (auto* hears : {&first_hears, &second_hears}) {
    const auto told = hears->get();
    ASSERT_FALSE(told);
    EXPECT_NE(told.error().error.context.find("1001"), std::string::npos) << told.error().error.to_string();
  }
  // Who comes again hears of the slots that follow, until the node ends.
  auto again = open();
  grow(last + 1);
  const auto slot = again->async_next(boost::asio::use_future).get();
  ASSERT_TRUE(slot) << slot.error().error.to_string();
  EXPECT_NE(slot->result.find("\"slot\":" + std::to_string(last)), std::string::npos) << slot->result;
  auto hears = again->async_next(boost::asio::use_future);
  n->stop();
  const auto end = hears.get();
  ASSERT_FALSE(end);
  EXPECT_NE(end.error().error.context.find("1001"), std::string::npos) << end.error().error.to_string();
}

// The first VM reads a copy that does not grow: it stops where its successor goes on.
TEST_F(node, a_vm_that_does_not_advance_leaves) {
  writer.reset();
  std::filesystem::copy(live(), folder.path() + "/copy", std::filesystem::copy_options::recursive);
  writer.emplace(live() + "/rocksdb");
  auto o = options(2);
  o.folders = {folder.path() + "/copy", live()};
  const auto n = start(std::move(o));
  ASSERT_TRUE(n);
  until([&] { return n->vms().size() == 2; });
  const auto stuck = n->vms().at(0).first;
  EXPECT_EQ(stuck, "vm-1");
  watcher clients(port_of(*n), 3);
  const auto began = std::chrono::steady_clock::now();
  do {
    grow(last + 1);
    std::this_thread::sleep_for(10ms);
  } while (n->vms().at(0).first == stuck);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
  until([&] { return clients.highest == last; });
  until([&] { return n->vms().size() == 2; });  // the place is taken again
  clients.stop();
  std::printf("left the pool after %.0f ms\n", took.count());
  RecordProperty("left_after_ms", std::to_string(took.count()));
  EXPECT_EQ(clients.failed, 0u) << clients.first_failure << " of " << clients.asked << "\n" << log();
  EXPECT_EQ(clients.regressions, 0u);
  for (const auto& [name, slots] : n->vms()) EXPECT_NE(name, stuck);
}

// What the rule above is there for: asked in turn, such VMs do let the slot go back.
TEST_F(node, without_the_rule_the_slot_would_go_back) {
  writer.reset();
  std::filesystem::copy(live(), folder.path() + "/copy", std::filesystem::copy_options::recursive);
  writer.emplace(live() + "/rocksdb");
  grow(2);
  auto program = unikernel::image::load(OSVM_RPC_PROGRAM);
  ASSERT_TRUE(program);
  std::vector<std::shared_ptr<cli::rpc_vm>> both;
  for (const auto& at : {live(), folder.path() + "/copy"}) {
    auto vm = cli::rpc_vm::start(loop.get_executor(), *program,
                                 {.name = "vm-" + std::to_string(both.size()),
                                  .folder = at,
                                  .socket_dir = sockets(),
                                  .facts = &facts});
    ASSERT_TRUE(vm) << vm.error().to_string();
    both.push_back(*vm);
    until([&] { return both.back()->ready(); });
  }
  std::uint64_t seen = 0, regressions = 0;
  for (int i = 0; i < 4; ++i) {
    rpc_client client(std::get<unix_endpoint>(both[static_cast<std::size_t>(i % 2)]->where()).path);
    const auto slot = client.number("getSlot");
    ASSERT_TRUE(slot) << client.last_error;
    regressions += *slot < seen;
    seen = std::max(seen, *slot);
  }
  EXPECT_EQ(regressions, 2u);
}

TEST_F(node, a_vm_that_ends_is_replaced) {
  const auto n = start(options(2));
  ASSERT_TRUE(n);
  until([&] { return n->vms().size() == 2; });
  const auto first = n->vms().at(0).first;
  ASSERT_TRUE(n->kill(first));
  EXPECT_FALSE(n->kill("vm-99"));
  until([&] {
    const auto now = n->vms();
    return now.size() == 2 && now.at(0).first != first && now.at(1).first != first;
  });
  rpc_client client(port_of(*n));
  EXPECT_EQ(client.number("getSlot"), 1u) << client.last_error;
}

TEST_F(node, a_reset_whose_vm_ends_is_told_so_and_the_next_one_works) {
  const auto n = start(options(1));
  ASSERT_TRUE(n);
  auto done = std::async(std::launch::async, [&] { return n->reset(); });
  until([&] { return n->kill("vm-2"); });
  const auto how = done.get();
  EXPECT_TRUE(!how || how->state != hotswap::release_state::active) << how->describe();
  EXPECT_EQ(n->vms().at(0).first, "vm-1");
  const auto next = n->reset();
  ASSERT_TRUE(next) << next.error().to_string();
  EXPECT_EQ(next->state, hotswap::release_state::active) << next->describe();
  rpc_client client(port_of(*n));
  EXPECT_EQ(client.number("getSlot"), 1u) << client.last_error;
}

// The fresh VM would be waited for for start_deadline, two minutes.
TEST_F(node, who_asks_to_stop_does_not_wait_for_a_reset) {
  const auto n = start(options(1));
  ASSERT_TRUE(n);
  auto done = std::async(std::launch::async, [&] { return n->reset(); });
  until([&] { return n->signal("vm-2", SIGSTOP); });
  EXPECT_NE(done.wait_for(0s), std::future_status::ready);
  EXPECT_EQ(n->reset().error().code, osvm::errc::busy);
  const auto began = std::chrono::steady_clock::now();
  n->ask_to_stop();
  const auto how = done.get();
  ASSERT_FALSE(how) << how->describe();
  EXPECT_EQ(how.error().code, osvm::errc::cancelled) << how.error().to_string();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 100s);
  EXPECT_EQ(n->reset().error().code, osvm::errc::closed);
}

// One that was told to advance and has not answered could do so after its successor looked at the ledger.
TEST_F(node, a_vm_that_holds_an_order_ends_before_it_is_replaced) {
  auto o = options(1);
  o.patience = 1s;  // hung after five orders: the fresh one is ready long before
  const auto n = start(std::move(o));
  ASSERT_TRUE(n);
  ASSERT_TRUE(n->signal("vm-1", SIGSTOP));
  const auto done = n->reset();
  ASSERT_TRUE(done) << done.error().to_string() << log();
  EXPECT_EQ(done->state, hotswap::release_state::active) << done->describe();
  const auto said_now = log();
  const auto ended = said_now.find("vm-1 leaves: "), shifted = said_now.find("vm-2 is active");
  EXPECT_NE(ended, std::string::npos) << said_now;
  EXPECT_LT(ended, shifted) << said_now;
}

// The old one has told less than the new one by then: the route must not go back to it.
TEST_F(node, no_slot_goes_back_when_the_new_vm_ends_while_the_old_one_finishes) {
  const auto n = start(options(1));
  ASSERT_TRUE(n);
  // A connection that was upgraded keeps the old VM until the drain deadline.
  const unique_fd held(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port_of(*n));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(held.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  constexpr std::string_view upgrade =
      "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  ASSERT_EQ(::send(held.get(), upgrade.data(), upgrade.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(upgrade.size()));
  char answer[64] = {};
  ASSERT_GT(::recv(held.get(), answer, sizeof answer - 1, 0), 12);
  ASSERT_TRUE(std::string_view(answer).starts_with("HTTP/1.1 101")) << answer;

  auto done = std::async(std::launch::async, [&] { return n->reset(); });
  // vm-2 is routed to as soon as a new slot is seen: vm-1 is not told to advance any more.
  rpc_client client(port_of(*n));
  until([&] {
    const auto now = n->vms();
    return !now.empty() && now.at(0).first == "vm-2";
  });
  grow(2);
  until([&] { return client.number("getSlot") == 2u; });
  ASSERT_TRUE(n->kill("vm-2"));
  const auto how = done.get();
  ASSERT_TRUE(how) << how.error().to_string();
  EXPECT_EQ(how->state, hotswap::release_state::retired) << how->describe();
  for (int answered = 0; answered < 20;) {
    const auto slot = client.number("getSlot");
    if (!slot) continue;  // between the two
    ASSERT_EQ(*slot, 2u) << log();
    ++answered;
  }
  EXPECT_EQ(n->vms().at(0).first, "vm-3") << log();
}

TEST_F(node, what_cannot_be_served_is_said) {
  auto o = options(1);
  o.folders = {sockets()};
  const auto none = rpc_node::start(loop.get_executor(), o);
  ASSERT_FALSE(none);
  EXPECT_NE(log().find("CURRENT"), std::string::npos) << log() << none.error().to_string();
  const auto n = start(options(1));
  ASSERT_TRUE(n);
  o = options(1);
  o.listen = n->local_endpoint();
  const auto taken = rpc_node::start(loop.get_executor(), o);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, boost::system::errc::address_in_use) << taken.error().to_string();
}

}  // namespace
}  // namespace osvm::ledger::test
