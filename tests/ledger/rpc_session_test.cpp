// One WebSocket client's session, and what forwarding makes of answers, without sockets.
#include <osvm/ledger/rpc_service.hpp>
#include <osvm/solana/base64.hpp>

#include <boost/json.hpp>

#include "ledger/rpc/forward.hpp"
#include "ledger/rpc/ws_session.hpp"
#include "ledger_writer.hpp"

namespace osvm::ledger::test {
namespace {

namespace json = boost::json;
using message = net::websocket_message;

// Keeps what it is given.
class recorder final : public rpc_upstream {
 public:
  int ready_fd() const noexcept override { return -1; }
  std::vector<upstream_event> take() override { return {}; }
  void call(std::uint64_t, std::string) override {}
  void send(std::uint64_t, std::string text) override { sent.push_back(std::move(text)); }
  void drop_bridge(std::uint64_t) override {}
  std::vector<std::string> sent;
};

class session_test : public ::testing::Test {
 protected:
  session_test() {
    std::filesystem::create_directory(folder.path() + "/rocksdb");
    write([](ledger_writer& w) {
      w.block(0, 0, {});
      w.block(1, 0, {});
      w.block(6, 1, {});
    });
    service.emplace(*blockstore::open(folder.path()), std::nullopt, rpc_options{.upstream = upstream});
  }
  void write(const std::function<void(ledger_writer&)>& add) {
    ledger_writer w(folder.path() + "/rocksdb");
    add(w);
  }
  void grow(const std::function<void(ledger_writer&)>& add) {
    write(add);
    ASSERT_TRUE(service->refresh());
  }
  static std::string frame(message::kind type, const std::string& data) {
    std::string out;
    net::append_websocket_frame(out, type, data, 0x01020304U);
    return out;
  }
  static std::string call(const std::string& method, const std::string& params = "[]") {
    return frame(message::kind::text,
                 R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":)" + params + "}");
  }
  // What the session has to send.
  static std::vector<message> taken(ws_session& s) {
    std::vector<message> out;
    net::websocket_reader in(net::websocket_role::client, 1 << 20);
    for (auto f = s.next_frame(); !f.empty(); f = s.next_frame()) in.feed(f);
    for (auto m = in.next(); m && *m; m = in.next()) out.push_back(std::move(**m));
    return out;
  }
  std::shared_ptr<recorder> upstream = std::make_shared<recorder>();
  temporary_folder folder;
  std::optional<rpc_service> service;
};

TEST_F(session_test, pings_without_end_cost_one_answer) {
  ws_session s(service->parts(), 1, {});
  for (int i = 0; i < 20'000; ++i) {
    s.feed(frame(message::kind::ping, std::to_string(i) + std::string(100, 'x')));
    while (s.unread()) s.feed({});
    if (i % 100 == 0) s.ping();
    ASSERT_LT(s.queued(), 300U);
  }
  const auto got = taken(s);
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(got[0].type, message::kind::pong);
  EXPECT_EQ(got[0].data, "19999" + std::string(100, 'x'));
  EXPECT_EQ(got[1].type, message::kind::ping);
  s.feed(frame(message::kind::ping, "again"));
  s.ping();
  EXPECT_EQ(taken(s).size(), 2U);
}

TEST_F(session_test, one_turn_handles_so_many_messages) {
  ws_session s(service->parts(), 1, {});
  std::string all;
  for (int i = 0; i < 1000; ++i) all += call("slotSubscribe");
  s.feed(all);
  std::size_t seen = taken(s).size();
  EXPECT_EQ(seen, ws_session::most_at_once);
  for (int turns = 0; s.unread() && turns < 100; ++turns) {
    s.feed({});
    const auto now = taken(s).size();
    EXPECT_LE(now, ws_session::most_at_once);
    seen += now;
  }
  EXPECT_EQ(seen, 1000U);
}

TEST_F(session_test, a_message_looks_for_its_own_signature_only) {
  const auto bytes = *solana::base64_decode(
      "ATVXUCqCyZgO2NbErY4Lpj7aPBaI52QRpu8O12KRpp7WiRvVHNhr6Tqja0DR9sS/ZRPh3PiunCUiBV5ow4oqJgkBAAEDA6EHv/"
      "POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbgJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQAAAAAAAAAAAAAAAAAAAAAA"
      "AAAAAAAAAAAAAAAAAAAAAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMBAgIAAQwCAAAAKgAAAAAAAAA=");
  const std::string wire(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  solana::transaction_view tx;
  ASSERT_TRUE(solana::parse_transaction(as_bytes(wire), tx));
  const auto wanted = "[\"" + tx.signatures[0].to_string() + "\"]";
  ledger_feed feed(service->parts());
  ws_session s(service->parts(), 1, {});
  s.feed(call("signatureSubscribe", wanted));
  EXPECT_EQ(taken(s).size(), 1U);
  grow([&](ledger_writer& w) { w.block(7, 6, {wire}); });
  s.feed(call("slotSubscribe"));
  EXPECT_EQ(taken(s).size(), 1U);  // the growing ledger tells the other one
  s.feed(call("signatureSubscribe", wanted));
  EXPECT_EQ(taken(s).size(), 2U);
  int told = 0;
  for (const auto& piece : feed.advance().pieces()) {
    text_cache cache;
    s.advance(piece, cache);
    for (const auto& m : taken(s)) told += m.data.find("signatureNotification") != std::string::npos;
  }
  EXPECT_EQ(told, 1);
}

TEST_F(session_test, a_step_is_told_slot_by_slot) {
  ledger_feed feed(service->parts());
  grow([](ledger_writer& w) {
    for (slot_t i = 7; i < 20; ++i) w.block(i, i - 1, {});
  });
  const auto step = feed.advance();
  ASSERT_EQ(step.processed.size(), 13U);
  const auto pieces = step.pieces();
  ASSERT_EQ(pieces.size(), step.processed.size() + step.confirmed.size() + step.finalized.size());
  for (const auto& p : pieces) {
    EXPECT_EQ(p.processed.size() + p.confirmed.size() + p.finalized.size(), 1U);
    EXPECT_EQ(p.last, &p == &pieces.back());
    EXPECT_EQ(p.root, step.root);
  }
}

TEST_F(session_test, slots_that_become_full_late_are_told_once) {
  ledger_feed feed(service->parts());
  const auto slots = [&] {
    std::vector<slot_t> out;
    for (const auto& s : feed.advance().processed) out.push_back(s.slot);
    return out;
  };
  grow([](ledger_writer& w) { w.block(4, 1, {}); });
  EXPECT_EQ(slots(), std::vector<slot_t>{4});  // below the highest
  grow([](ledger_writer& w) {
    w.block(9, 6, {});
    w.block(5, 4, {});
  });
  EXPECT_EQ(slots(), (std::vector<slot_t>{5, 9}));
  grow([](ledger_writer& w) { w.block(10, 9, {}); });
  EXPECT_EQ(slots(), std::vector<slot_t>{10});
}

TEST_F(session_test, the_upstream_s_subscriptions_end_and_make_room) {
  ws_session s(service->parts(), 1, {.max_subscriptions = 4});
  const auto own = (s.feed(call("slotSubscribe")), taken(s));
  ASSERT_EQ(own.size(), 1U);
  const auto number = json::serialize(json::parse(own[0].data).at("result"));
  s.feed(call("slotUnsubscribe", "[" + number + "]"));
  EXPECT_EQ(taken(s).size(), 1U);
  for (int round = 0; round < 10; ++round) {
    s.feed(call("accountSubscribe", R"(["11111111111111111111111111111111"])"));
    EXPECT_EQ(upstream->sent.size(), 2U * static_cast<std::size_t>(round) + 1);
    s.feed(call("slotUnsubscribe", "[" + number + "]"));  // was ours: known to be gone
    EXPECT_NE(taken(s).at(0).data.find("-32602"), std::string::npos);
    s.feed(call("accountUnsubscribe", "[2199023255552]"));  // 2^41: a number as the upstream may give
    EXPECT_EQ(upstream->sent.size(), 2U * static_cast<std::size_t>(round) + 2);
    EXPECT_TRUE(taken(s).empty());
  }
  for (int i = 0; i < 5; ++i) s.feed(call("accountSubscribe", R"(["11111111111111111111111111111111"])"));
  EXPECT_NE(taken(s).at(0).data.find("limit reached"), std::string::npos);
  EXPECT_EQ(upstream->sent.size(), 24U);
}

TEST(checked_answer, takes_what_carries_the_id) {
  const rpc_plan::part p{.id = "\"a/b\"", .method = "m", .request = "{}", .answer = {}};
  const auto kept = [&](const std::string& text) { return checked_answer(p, text) == text; };
  EXPECT_TRUE(kept(R"({"result":{"x":[1.50,null,true]},"id":"a/b"})"));
  EXPECT_TRUE(kept(R"( {"id" : "\u0061\/b" , "error":{}} )"));  // the same id in other words
  EXPECT_TRUE(kept(R"({"error":{},"id":null})"));
  for (const char* bad :
       {"", "what?", "[1]", R"({"result":1})", R"({"id":"a/b"})", R"({"result":1,"id":"a/c"})",
        R"({"result":1,"id":"a/b"},7)", R"({"result":1,"id":"a/b"} x)", R"({"result":[1,"id":"a/b"})",
        R"({"result":01,"id":"a/b"})", R"({"result":{"id":"a/b"}})"})
    EXPECT_FALSE(kept(bad)) << bad;
  EXPECT_FALSE(kept("{\"id\":\"a/b\",\"result\":" + std::string(100, '[') + std::string(100, ']') + "}"));
}

}  // namespace
}  // namespace osvm::ledger::test
