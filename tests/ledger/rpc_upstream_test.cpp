// Subscriptions over a growing ledger, and the upstream that answers what a ledger cannot.
#include <osvm/ledger/rpc_server.hpp>
#include <osvm/ledger/rpc_upstream.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/rpc_socket.hpp>

#include <sys/eventfd.h>

#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <thread>

#include "ledger_writer.hpp"
#include "net/support.hpp"

namespace osvm::ledger::test {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using osvm::test::peer;
using osvm::test::test_server;

// Made and signed by solders; it names these keys.
constexpr std::string_view transfer =
    "ATVXUCqCyZgO2NbErY4Lpj7aPBaI52QRpu8O12KRpp7WiRvVHNhr6Tqja0DR9sS/ZRPh3PiunCUiBV5ow4oqJgkBAAEDA6EHv/"
    "POEL4dcN0Y50vAmWfk"
    "1jCbpQ1fHdyGZBJVMbgJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AwMDAwMDAwMD"
    "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMBAgIAAQwCAAAAKgAAAAAAAAA=";
constexpr const char* sender = "FAe4sisG95oZ42w7buUn5qEE4TAnfTTFPiguZUHmhiF";

// A server over a ledger of slots 0, 1 and 3, and the means to talk to it.
class live_rpc : public ::testing::Test {
 protected:
  live_rpc() {
    const auto bytes = *solana::base64_decode(transfer);
    wire.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    std::filesystem::create_directory(folder.path() + "/rocksdb");
    write([](ledger_writer& w) {
      w.block(0, 0, {});
      w.block(1, 0, {});
      w.block(3, 1, {});
    });
  }
  ~live_rpc() override { end(); }
  void end() {
    if (!thread.joinable()) return;
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(stop.get(), &one, sizeof one), 8);
    thread.join();
  }
  void write(const std::function<void(ledger_writer&)>& add) {
    ledger_writer w(folder.path() + "/rocksdb");
    add(w);
  }
  void serve(std::shared_ptr<rpc_upstream> upstream = nullptr, rpc_server_options options = {}) {
    options.refresh_every = 10ms;
    service.emplace(*blockstore::open(folder.path()), std::nullopt,
                    rpc_options{.upstream = std::move(upstream)});
    auto listener = listen_tcp("127.0.0.1:0");
    address = *local_address(listener->get());
    server.emplace(*service, std::move(*listener), options);
    thread = std::thread([this] { EXPECT_TRUE(server->run(stop.get())); });
  }
  std::string post(const std::string& body) {
    net::http_client c(loop.get_executor());
    net::http_request r{.where = *net::parse_url("http://" + address), .method = "POST", .body = body};
    auto answer = c.async_fetch(std::move(r), boost::asio::use_future).get();
    EXPECT_TRUE(answer) << answer.error().to_string();
    return answer ? answer->body : "";
  }
  solana::rpc_socket open() {
    auto s = solana::rpc_socket::async_open(loop.get_executor(), *net::parse_url("ws://" + address), {},
                                            boost::asio::use_future)
                 .get();
    EXPECT_TRUE(s) << s.error().error.to_string();
    return s ? std::move(*s) : solana::rpc_socket();
  }
  static solana::rpc_result<std::string> call(solana::rpc_socket& s, const std::string& method,
                                              const std::string& params = "[]") {
    return s.async_call(method, params, boost::asio::use_future).get();
  }
  static solana::rpc_result<solana::rpc_notification> next(solana::rpc_socket& s) {
    return s.async_next(boost::asio::use_future).get();
  }
  unique_fd dial() const {
    unique_fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    return fd;
  }
  const std::string opening =
      "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  std::string first_signature() const {
    solana::transaction_view tx;
    EXPECT_TRUE(solana::parse_transaction(as_bytes(wire), tx));
    return tx.signatures[0].to_string();
  }

  runtime loop{{.threads = 2}};
  temporary_folder folder;
  std::string wire, address;
  std::optional<rpc_service> service;
  std::optional<rpc_server> server;
  unique_fd stop{::eventfd(0, EFD_CLOEXEC)};
  std::thread thread;
};

TEST_F(live_rpc, a_growing_ledger_is_told) {
  serve();
  auto s = open();
  const auto slots = *call(s, "slotSubscribe"), roots = *call(s, "rootSubscribe");
  EXPECT_NE(slots, roots);
  write([](ledger_writer& w) { w.block(4, 3, {}); });
  std::vector<std::string> seen;
  for (int i = 0; i < 2; ++i) {
    const auto n = next(s);
    ASSERT_TRUE(n);
    // The slot may be seen a moment before its root is.
    const auto v = json::parse(n->result);
    seen.push_back(n->method + (v.is_object() ? json::serialize(v.at("slot")) : n->result));
    if (v.is_object()) {
      EXPECT_EQ(v.at("parent"), 3);
    }
    EXPECT_EQ(std::to_string(n->subscription), n->method == "slotNotification" ? slots : roots);
  }
  std::ranges::sort(seen);
  EXPECT_EQ(seen[0], "rootNotification4");
  EXPECT_EQ(seen[1], "slotNotification4");
  EXPECT_EQ(*call(s, "rootUnsubscribe", "[" + roots + "]"), "true");
  write([](ledger_writer& w) { w.block(5, 4, {}); });
  EXPECT_EQ(next(s)->method, "slotNotification");
  EXPECT_EQ(call(s, "rootUnsubscribe", "[" + roots + "]").error().answer->code, -32602);
}

TEST_F(live_rpc, blocks_logs_and_signatures) {
  serve();
  auto s = open();
  ASSERT_TRUE(
      call(s, "blockSubscribe", R"(["all",{"encoding":"base64","maxSupportedTransactionVersion":0}])"));
  ASSERT_TRUE(call(s, "logsSubscribe", R"(["all"])"));
  ASSERT_TRUE(call(s, "logsSubscribe", R"([{"mentions":["Stake11111111111111111111111111111111111111"]}])"));
  ASSERT_TRUE(call(s, "logsSubscribe", std::string(R"([{"mentions":[")") + sender + R"("]}])"));
  ASSERT_TRUE(call(s, "signatureSubscribe", "[\"" + first_signature() + "\"]"));
  write([&](ledger_writer& w) { w.block(4, 3, {wire}); });
  std::map<std::string, int> count;
  for (int i = 0; i < 4; ++i) {
    const auto n = next(s);
    ASSERT_TRUE(n);
    ++count[n->method];
    const auto v = json::parse(n->result);
    EXPECT_EQ(v.at("context").at("slot"), 4);
    if (n->method == "blockNotification") {
      EXPECT_EQ(v.at("value").at("block").at("transactions").at(0).at("transaction").at(0).as_string(),
                transfer);
      EXPECT_EQ(v.at("value").at("slot"), 4);
    } else if (n->method == "logsNotification") {
      EXPECT_EQ(v.at("value").at("signature").as_string(), first_signature());
      EXPECT_TRUE(v.at("value").at("err").is_null());
    } else {
      EXPECT_TRUE(v.at("value").at("err").is_null());
    }
  }
  EXPECT_EQ(count["logsNotification"], 2);
  EXPECT_EQ(count["blockNotification"], 1);
  EXPECT_EQ(count["signatureNotification"], 1);
  // It is there already: told at once, and only once.
  ASSERT_TRUE(call(s, "signatureSubscribe", "[\"" + first_signature() + "\"]"));
  EXPECT_EQ(next(s)->method, "signatureNotification");
}

TEST_F(live_rpc, what_a_ledger_does_not_hold_is_refused_by_name) {
  serve();
  auto s = open();
  for (const char* m : {"accountSubscribe", "programSubscribe", "voteSubscribe"}) {
    const auto r = call(s, m, R"(["11111111111111111111111111111111"])");
    EXPECT_EQ(r.error().answer->code, -32601);
    EXPECT_NE(r.error().answer->message.find("--upstream"), std::string::npos);
  }
  EXPECT_EQ(call(s, "getSlot").error().answer->code, -32601);
  EXPECT_EQ(call(s, "logsSubscribe").error().answer->code, -32602);
  EXPECT_EQ(call(s, "signatureSubscribe", R"(["x"])").error().answer->code, -32602);
  EXPECT_EQ(call(s, "slotUnsubscribe", "[77]").error().answer->code, -32602);
  const auto sent =
      json::parse(post(R"({"jsonrpc":"2.0","id":1,"method":"sendTransaction","params":["x"]})"));
  EXPECT_EQ(sent.at("error").at("code"), -32601);
  EXPECT_EQ(sent.at("error").at("message"), "sendTransaction needs an upstream: start with --upstream URL");
}

TEST_F(live_rpc, subscriptions_of_a_client_are_bounded) {
  serve(nullptr, {.sockets = {.max_subscriptions = 3}});
  auto s = open();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(call(s, "slotSubscribe"));
  EXPECT_EQ(call(s, "slotSubscribe").error().answer->code, -32603);
}

TEST_F(live_rpc, a_client_that_takes_nothing_is_dropped_with_a_reason) {
  serve(nullptr, {.sockets = {.max_queued = 200}});
  auto s = open();
  ASSERT_TRUE(call(s, "blockSubscribe", R"(["all",{"transactionDetails":"none","rewards":false}])"));
  write([](ledger_writer& w) { w.block(4, 3, {}); });
  const auto end = next(s);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().error.code, net::errc::closed_by_peer);
  EXPECT_NE(end.error().error.context.find("1008 too slow"), std::string::npos) << end.error().error.context;
  auto other = open();  // the others stay
  EXPECT_TRUE(call(other, "slotSubscribe"));
}

// A client that only sends: what it would have to answer and to take costs the server next to nothing.
TEST_F(live_rpc, a_client_that_pings_and_takes_nothing_costs_one_answer) {
  serve();
  peer p(dial());
  p.send(opening);
  ASSERT_NE(p.request().find("101 Switching"), std::string::npos);
  std::string pings;
  for (int i = 0; i < 1000; ++i)
    net::append_websocket_frame(pings, net::websocket_message::kind::ping, std::string(125, 'p'), 7U);
  std::size_t sent = 0;
  for (int i = 0; i < 200; ++i, sent += pings.size()) ASSERT_TRUE(p.send(pings));
  std::string last;
  net::append_websocket_frame(last, net::websocket_message::kind::text,
                              R"({"jsonrpc":"2.0","id":1,"method":"slotSubscribe"})", 7U);
  ASSERT_TRUE(p.send(last));
  net::websocket_reader in(net::websocket_role::client, 1000);
  std::size_t taken = 0;
  for (std::vector<char> buffer(1 << 16);;) {
    auto m = in.next();
    ASSERT_TRUE(m);
    if (*m && (**m).type == net::websocket_message::kind::text) break;
    if (*m) continue;
    const auto n = p.read_some(buffer.data(), buffer.size());
    ASSERT_GT(n, 0);
    in.feed({buffer.data(), static_cast<std::size_t>(n)});
    taken += static_cast<std::size_t>(n);
  }
  EXPECT_LT(taken, sent * 2 / 3);  // what the kernel's buffers held, not an answer to each
}

TEST_F(live_rpc, garbage_ends_one_client) {
  serve();
  const auto raw = [&](const std::string& bytes) {
    peer p(dial());
    p.send(opening + bytes);
    const auto head = p.request();
    EXPECT_NE(head.find("101 Switching"), std::string::npos);
    EXPECT_NE(head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos);
    net::websocket_reader in(net::websocket_role::client, 1000);
    char c[512];
    for (long n; (n = p.read_some(c, sizeof c)) > 0;) in.feed({c, static_cast<std::size_t>(n)});
    auto m = in.next();
    return m && *m && (**m).type == net::websocket_message::kind::close ? (**m).code : 0;
  };
  EXPECT_EQ(raw(std::string("\x81\x05hello", 7)), 1002);                              // not masked
  EXPECT_EQ(raw(std::string("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 10)), 1009);  // too large
  EXPECT_EQ(raw(std::string("\x82\x80"
                            "abcd",
                            6)),
            1003);  // binary
  EXPECT_EQ(raw(std::string("\x88\x80"
                            "abcd",
                            6)),
            1000);
  auto s = open();
  EXPECT_TRUE(call(s, "slotSubscribe"));
}

TEST_F(live_rpc, the_server_s_end_is_told) {
  serve();
  auto s = open();
  ASSERT_TRUE(call(s, "slotSubscribe"));
  end();
  EXPECT_NE(next(s).error().error.context.find("1001"), std::string::npos);
}

TEST_F(live_rpc, one_that_is_replaced_tells_its_websockets_and_answers_on) {
  const unique_fd leave(::eventfd(0, EFD_CLOEXEC));
  serve(nullptr, {.leave_fd = leave.get()});
  auto s = open();
  ASSERT_TRUE(call(s, "slotSubscribe"));
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(leave.get(), &one, sizeof one), 8);
  EXPECT_NE(next(s).error().error.context.find("1001"), std::string::npos);
  auto late = open();
  EXPECT_NE(next(late).error().error.context.find("1001"), std::string::npos) << "new ones at once";
  EXPECT_EQ(post(R"({"jsonrpc":"2.0","id":1,"method":"getSlot"})"), R"({"jsonrpc":"2.0","result":3,"id":1})");
}

// Over HTTP: what is not served here goes to a node that says what it was asked.
class upstream_rpc : public live_rpc {
 protected:
  upstream_rpc()
      : node([this](peer& p, int) {
          for (;;) {
            const auto head = p.request();
            if (head.empty()) return;
            if (head.find("Upgrade") != std::string::npos) return subscribe(p, head);
            const auto body = p.read_exactly(std::stoul(head.substr(head.find("Content-Length: ") + 16)));
            const auto id = json::serialize(json::parse(body).at("id"));
            const auto method = std::string(json::parse(body).at("method").as_string());
            ++asked;
            if (method == "hangUp") return;
            if (method == "waits") opened.wait();
            if (method == "large" || method == "huge") {
              const std::string filler((method == "huge" ? 9U : 2U) << 20, 'x');
              p.answer("{\"jsonrpc\":\"2.0\",\"result\":\"" + filler + "\",\"id\":" + id + "}");
              continue;
            }
            if (method == "garbage") {
              p.answer("what?");
            } else if (method == "other") {
              p.answer(R"({"jsonrpc":"2.0","result":1,"id":"not yours"})");
            } else {
              p.answer("{\"jsonrpc\":\"2.0\",\"result\": {\"from upstream\":\"" + method +
                       "\",\"x\":1.50},\"id\":" + id + "}");
            }
          }
        }) {}
  // A node whose account subscription 5 tells twice, then waits.
  void subscribe(peer& p, const std::string& head) {
    const std::string name = "Sec-WebSocket-Key: ";
    const auto at = head.find(name) + name.size();
    p.send("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
           net::websocket_accept(head.substr(at, head.find("\r\n", at) - at)) + "\r\n\r\n");
    net::websocket_reader in(net::websocket_role::server, 1 << 16);
    const auto say = [&](const std::string& text) {
      std::string frame;
      net::append_websocket_frame(frame, net::websocket_message::kind::text, text, std::nullopt);
      p.send(frame);
    };
    for (;;) {
      auto m = in.next();
      if (!m || (*m && (**m).type == net::websocket_message::kind::close)) return;
      if (!*m) {
        char c[512];
        const auto n = p.read_some(c, sizeof c);
        if (n <= 0) return;
        in.feed({c, static_cast<std::size_t>(n)});
        continue;
      }
      if ((**m).type != net::websocket_message::kind::text) continue;
      const auto v = json::parse((**m).data);
      if (v.at("method") == "voteSubscribe") return;  // hangs up
      say("{\"jsonrpc\":\"2.0\",\"result\":5,\"id\":" + json::serialize(v.at("id")) + "}");
      for (int i = 0; i < 2; ++i)
        say(R"({"jsonrpc":"2.0","method":"accountNotification","params":{"result":{"n":)" +
            std::to_string(i) + R"(},"subscription":5}})");
    }
  }
  void serve_with_upstream() { serve(make_rpc_upstream(loop.get_executor(), node.where())); }
  static std::string request(const std::string& method, const std::string& id = "1") {
    return "{\"jsonrpc\":\"2.0\",\"id\":" + id + ",\"method\":\"" + method + "\",\"params\":[]}";
  }
  std::atomic<int> asked = 0;
  std::promise<void> gate;  // what "waits" waits for
  std::shared_future<void> opened{gate.get_future()};
  test_server node;
};

TEST_F(upstream_rpc, answers_what_the_ledger_cannot_word_for_word) {
  serve_with_upstream();
  EXPECT_EQ(post(request("sendTransaction", "\"a b\"")),
            R"({"jsonrpc":"2.0","result": {"from upstream":"sendTransaction","x":1.50},"id":"a b"})");
  EXPECT_NE(post(request("getLatestBlockhash")).find("from upstream"), std::string::npos);
  EXPECT_NE(post(request("methodOfTomorrow")).find("from upstream"), std::string::npos);
  EXPECT_NE(post(request("getBalance")).find("from upstream"), std::string::npos);  // no accounts are loaded
  EXPECT_NE(post(request("getClusterNodes")).find("from upstream"),
            std::string::npos);  // only a live node knows
  EXPECT_EQ(asked, 5);
  EXPECT_EQ(post(request("getSlot")), R"({"jsonrpc":"2.0","result":3,"id":1})");
  EXPECT_EQ(asked, 5);
}

TEST_F(upstream_rpc, batches_are_answered_in_order_from_both) {
  serve_with_upstream();
  const auto got =
      json::parse(post("[" + request("getSlot", "1") + "," + request("simulateTransaction", "2") + ",7," +
                       request("getSlot", "3") + "," + request("requestAirdrop", "4") +
                       R"(,{"jsonrpc":"2.0","method":"sendTransaction"}])"));
  ASSERT_EQ(got.as_array().size(), 5U);  // the notification has no answer, and is not passed on
  EXPECT_EQ(got.at(0).at("result"), 3);
  EXPECT_EQ(got.at(1).at("result").at("from upstream"), "simulateTransaction");
  EXPECT_EQ(got.at(2).at("error").at("code"), -32600);
  EXPECT_EQ(got.at(3).at("id"), 3);
  EXPECT_EQ(got.at(4).at("result").at("from upstream"), "requestAirdrop");
  EXPECT_EQ(asked, 2);
  std::string many = "[" + request("x");
  for (int i = 0; i < 99; ++i) many += "," + request("x");
  const auto answers = json::parse(post(many + "]"));
  int refused = 0;
  for (const auto& a : answers.as_array()) refused += a.as_object().contains("error");
  EXPECT_EQ(refused, 36);  // 64 of a batch are passed on
}

TEST_F(upstream_rpc, its_failures_have_names_and_the_connection_lives) {
  serve_with_upstream();
  for (const char* m : {"hangUp", "garbage", "other"}) {
    const auto v = json::parse(post(request(m)));
    EXPECT_EQ(v.at("id"), 1);
    EXPECT_EQ(v.at("error").at("code"), -32603);
    EXPECT_NE(std::string(v.at("error").at("message").as_string()).find(std::string("could not answer ") + m),
              std::string::npos);
  }
  EXPECT_NE(post(request("fine")).find("from upstream"), std::string::npos);
}

TEST_F(upstream_rpc, calls_wait_for_their_turn) {
  serve_with_upstream();
  std::string batch = "[" + request("waits");
  for (int i = 1; i < 64; ++i) batch += "," + request("waits");
  batch += "]";
  const auto whole =
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(batch.size()) + "\r\n\r\n" + batch;
  peer one(dial()), two(dial());
  ASSERT_TRUE(one.send(whole));
  ASSERT_TRUE(two.send(whole));
  EXPECT_EQ(post(request("getSlot")), R"({"jsonrpc":"2.0","result":3,"id":1})");  // the others do not wait
  gate.set_value();
  for (auto* p : {&one, &two}) {
    const auto head = p->request();
    const auto body = p->read_exactly(std::stoul(head.substr(head.find("content-length: ") + 16)));
    int failed = 0;
    const auto answers = json::parse(body);
    for (const auto& a : answers.as_array()) failed += a.as_object().contains("error");
    EXPECT_EQ(failed, 0) << body.substr(0, 500);
  }
  EXPECT_EQ(asked, 128);
}

TEST_F(upstream_rpc, large_answers_have_a_budget) {
  serve(make_rpc_upstream(loop.get_executor(), node.where()),
        {.max_forwarded = 3 << 20, .max_forwarded_of_all = 4 << 20});
  EXPECT_GT(post(request("large")).size(), 2U << 20);
  for (int i = 0; i < 3; ++i) {  // what was taken makes room
    const auto got = post("[" + request("large", "1") + "," + request("large", "2") + "]");
    EXPECT_GT(got.size(), 2U << 20);
    EXPECT_LT(got.size(), 3U << 20);
    EXPECT_NE(got.find("its answers to this request are too large together"), std::string::npos);
  }
  EXPECT_NE(post(request("huge")).find("could not answer huge"), std::string::npos);
}

TEST_F(upstream_rpc, what_waits_for_a_bridge_is_bounded) {
  test_server mute([](peer& p, int) { p.wait_for_end(); });
  const auto up = make_rpc_upstream(loop.get_executor(), mute.where(), {.max_early = 1000});
  for (int i = 0; i < 11; ++i) up->send(7, std::string(100, 'x'));
  const auto events = up->take();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].type, upstream_event::kind::closed);
  EXPECT_EQ(events[0].id, 7U);
}

TEST_F(upstream_rpc, nothing_listens_there) {
  std::uint16_t closed;
  {
    test_server gone([](peer&, int) {});
    closed = gone.port();
  }
  serve(
      make_rpc_upstream(loop.get_executor(), *net::parse_url("http://127.0.0.1:" + std::to_string(closed))));
  EXPECT_NE(post(request("sendTransaction")).find("could not answer sendTransaction"), std::string::npos);
  EXPECT_EQ(post(request("getSlot")), R"({"jsonrpc":"2.0","result":3,"id":1})");
}

TEST_F(upstream_rpc, subscriptions_to_accounts_are_the_upstream_s) {
  serve_with_upstream();
  auto s = open();
  EXPECT_EQ(*call(s, "accountSubscribe", R"(["11111111111111111111111111111111"])"), "5");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(next(s)->result, "{\"n\":" + std::to_string(i) + "}");
  EXPECT_TRUE(call(s, "slotSubscribe"));                  // ours beside it
  EXPECT_EQ(*call(s, "accountUnsubscribe", "[5]"), "5");  // this node answers everything so
  // When the upstream's connection ends, the client must know.
  auto waiting = s.async_call("voteSubscribe", "[]", boost::asio::use_future);
  const auto end = waiting.get();
  ASSERT_FALSE(end);
  EXPECT_NE(end.error().error.context.find("the upstream ended"), std::string::npos)
      << end.error().error.to_string();
}

}  // namespace
}  // namespace osvm::ledger::test
