// The JSON-RPC service and server over a ledger that the test writes with librocksdb: three rooted slots, a
// skipped one.
#include <osvm/ledger/rpc_server.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/hashing.hpp>

#include <arpa/inet.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <charconv>
#include <thread>

#include "ledger_writer.hpp"

namespace osvm::ledger::test {
namespace {

namespace json = boost::json;

// Made and signed by solders.
constexpr std::string_view transfer =
    "ATVXUCqCyZgO2NbErY4Lpj7aPBaI52QRpu8O12KRpp7WiRvVHNhr6Tqja0DR9sS/ZRPh3PiunCUiBV5ow4oqJgkBAAEDA6EHv/"
    "POEL4dcN0Y50vAmWfk"
    "1jCbpQ1fHdyGZBJVMbgJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AwMDAwMDAwMD"
    "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMBAgIAAQwCAAAAKgAAAAAAAAA=";

class rpc : public ::testing::TestWithParam<bool> {
 protected:
  rpc() {
    const auto bytes = *solana::base64_decode(transfer);
    wire.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    std::filesystem::create_directory(folder.path() + "/rocksdb");
    ledger_writer w(folder.path() + "/rocksdb", GetParam());
    w.block(0, 0, {});
    w.block(1, 0, {wire});
    w.block(3, 1, {});
  }
  rpc_service open() { return {*blockstore::open(folder.path()), std::nullopt, {}}; }
  json::value ask(const std::string& method, const std::string& params = "[]") {
    auto service = open();
    return json::parse(
        service.handle(R"({"jsonrpc":"2.0","id":7,"method":")" + method + R"(","params":)" + params + "}"));
  }
  std::int64_t code(const json::value& answer) { return answer.at("error").at("code").as_int64(); }
  std::string first_signature() const {
    solana::transaction_view tx;
    EXPECT_TRUE(solana::parse_transaction(as_bytes(wire), tx));
    return tx.signatures[0].to_string();
  }
  temporary_folder folder;
  std::string wire;
};

TEST_P(rpc, blocks_and_slots) {
  EXPECT_EQ(ask("getSlot").at("result"), 3);
  EXPECT_EQ(ask("getBlockHeight").at("result"), 3);
  EXPECT_EQ(ask("getBlocks", "[0]").at("result"), json::parse("[0,1,3]"));
  EXPECT_EQ(ask("getBlocks", "[1,2]").at("result"), json::parse("[1]"));
  EXPECT_EQ(ask("getBlocksWithLimit", "[1,2]").at("result"), json::parse("[1,3]"));
  EXPECT_EQ(ask("getFirstAvailableBlock").at("result"), 0);
  EXPECT_EQ(ask("getBlockTime", "[3]").at("result"), 1700000003);
  const auto b = ask("getBlock", R"([1,{"encoding":"base64"}])").at("result");
  EXPECT_EQ(b.at("parentSlot"), 0);
  EXPECT_EQ(b.at("blockHeight"), 1);
  EXPECT_EQ(b.at("transactions").at(0).at("transaction").at(0).as_string(), transfer);
  EXPECT_EQ(b.at("transactions").at(0).at("meta").at("fee"), 5000);
  EXPECT_EQ(b.at("previousBlockhash"), ask("getBlock", "[0]").at("result").at("blockhash"));
  const auto parsed = ask("getBlock", R"([1,"jsonParsed"])").at("result").at("transactions").at(0);
  EXPECT_EQ(
      parsed.at("transaction").at("message").at("instructions").at(0).at("parsed").at("info").at("lamports"),
      42);
}

// Rows of validators before 1.5.
TEST_P(rpc, statuses_and_rewards_from_before_protobuf) {
  std::string status, rewards;
  put<std::uint32_t>(status, 1), put<std::uint32_t>(status, 8), put<std::uint8_t>(status, 0);
  put<std::uint32_t>(status, 25), put<std::uint32_t>(status, 7);  // instruction 0: custom 7
  put<std::uint64_t>(status, 4321);
  for (int i = 0; i < 2; ++i) put<std::uint64_t>(status, 1), put<std::uint64_t>(status, 9);
  const std::string address(43, '1');
  put<std::uint64_t>(rewards, 1), put<std::uint64_t>(rewards, address.size());
  rewards += address;
  put<std::int64_t>(rewards, -5);
  solana::transaction_view tx;
  ASSERT_TRUE(solana::parse_transaction(as_bytes(wire), tx));
  const auto& s = tx.signatures[0];
  {
    ledger_writer w(folder.path() + "/rocksdb", GetParam());
    w.row("transaction_status", GetParam() ? keys::old_status(0, s, 1) : keys::status(s, 1), status);
    w.row("rewards", keys::slot(1), rewards);
  }
  const auto error = json::parse(R"({"InstructionError":[0,{"Custom":7}]})");
  const auto found = ask("getTransaction", "[\"" + first_signature() + "\"]").at("result");
  EXPECT_EQ(found.at("meta").at("fee"), 4321);
  EXPECT_EQ(found.at("meta").at("err"), error);
  EXPECT_EQ(found.at("meta").at("preBalances"), json::parse("[9]"));
  EXPECT_TRUE(found.at("meta").at("logMessages").is_null());
  const auto b = ask("getBlock", "[1]").at("result");
  EXPECT_EQ(b.at("transactions").at(0).at("meta"), found.at("meta"));
  EXPECT_EQ(b.at("rewards").at(0).at("lamports"), -5);
  EXPECT_EQ(b.at("rewards").at(0).at("pubkey").as_string(), address);
  const auto history = ask("getSignaturesForAddress", "[\"" + tx.message.keys[0].to_string() + "\"]");
  EXPECT_EQ(history.at("result").at(0).at("err"), error);
  const auto known =
      ask("getSignatureStatuses", "[[\"" + first_signature() + R"("],{"searchTransactionHistory":true}])");
  EXPECT_EQ(known.at("result").at("value").at(0).at("err"), error);
}

TEST_P(rpc, errors_are_a_validator_s) {
  EXPECT_EQ(code(ask("getBlock", "[2]")), -32007);
  EXPECT_EQ(code(ask("getBlock", "[99]")), -32004);
  EXPECT_EQ(code(ask("getBlock")), -32602);
  EXPECT_EQ(code(ask("getBlock", R"(["x"])")), -32602);
  EXPECT_EQ(code(ask("getBlock", R"([1,{"commitment":"processed"}])")), -32602);
  EXPECT_EQ(code(ask("getTransaction", R"(["not a signature"])")), -32602);
  EXPECT_EQ(code(ask("getProgramAccounts")), -32601);
  EXPECT_EQ(code(ask("getSlot", R"([{"minContextSlot":4}])")), -32016);
  auto s = open();
  EXPECT_EQ(code(json::parse(s.handle("garbage"))), -32700);
  EXPECT_EQ(code(json::parse(s.handle("[]"))), -32600);
  EXPECT_EQ(code(json::parse(s.handle("{}"))), -32600);
  EXPECT_EQ(code(json::parse(s.handle(std::string(40, '[') + std::string(40, ']')))), -32700);
  EXPECT_EQ(code(json::parse(s.handle(std::string(60000, ' ') + "{}"))), -32600);
  EXPECT_EQ(s.handle(R"({"jsonrpc":"2.0","method":"getSlot"})"), "");
  const auto batch = json::parse(s.handle(R"([{"jsonrpc":"2.0","id":1,"method":"getSlot"},7])"));
  EXPECT_EQ(batch.at(0).at("result"), 3);
  EXPECT_EQ(code(batch.at(1)), -32600);
}

TEST_P(rpc, transactions_and_histories) {
  const auto s = first_signature();
  const auto tx = ask("getTransaction", "[\"" + s + "\",\"base64\"]").at("result");
  EXPECT_EQ(tx.at("slot"), 1);
  EXPECT_EQ(tx.at("blockTime"), 1700000001);
  EXPECT_EQ(tx.at("transaction").at(0).as_string(), transfer);
  EXPECT_TRUE(ask("getTransaction", "[\"" + std::string(64, '1') + "\"]").at("result").is_null());
  const auto history =
      ask("getSignaturesForAddress", R"(["FAe4sisG95oZ42w7buUn5qEE4TAnfTTFPiguZUHmhiF"])").at("result");
  ASSERT_EQ(history.as_array().size(), 1u);
  EXPECT_EQ(history.at(0).at("signature").as_string(), s);
  EXPECT_EQ(history.at(0).at("confirmationStatus").as_string(), "finalized");
  // Old ledgers do not record a transaction's place in its block.
  EXPECT_EQ(history.at(0).as_object().contains("transactionIndex"), !GetParam());
  for (const char* edge : {"before", "until"}) {
    const auto none = ask("getSignaturesForAddress", R"(["FAe4sisG95oZ42w7buUn5qEE4TAnfTTFPiguZUHmhiF",{")" +
                                                         std::string(edge) + "\":\"" + s + "\"}]");
    EXPECT_TRUE(none.at("result").as_array().empty());
  }
  const auto statuses = ask("getSignatureStatuses", "[[\"" + s + "\",\"" + std::string(64, '1') + "\"]]")
                            .at("result")
                            .at("value");
  EXPECT_EQ(statuses.at(0).at("slot"), 1);
  EXPECT_TRUE(statuses.at(1).is_null());
}

INSTANTIATE_TEST_SUITE_P(keys, rpc, ::testing::Bool(),
                         [](const auto& which) { return std::string(which.param ? "old" : "current"); });

// the server

class rpc_http : public rpc {
 protected:
  rpc_http() : service(open()) {
    auto listener = listen_tcp("127.0.0.1:0");
    const auto address = *local_address(listener->get());
    std::from_chars(address.data() + address.rfind(':') + 1, address.data() + address.size(), port);
    server.emplace(service, std::move(*listener),
                   rpc_server_options{.refresh_every = std::chrono::milliseconds(10), .release = "v7"});
    thread = std::thread([this] { EXPECT_TRUE(server->run(stop.get())); });
  }
  ~rpc_http() override {
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(stop.get(), &one, sizeof one), 8);
    thread.join();
  }
  unique_fd connect() const {
    unique_fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    return fd;
  }
  // Sends in pieces of `piece` bytes, gives everything that comes until the server closes.
  std::string talk(const std::string& request, std::size_t piece = 1 << 20) const {
    const auto fd = connect();
    for (std::size_t at = 0; at < request.size(); at += piece)
      EXPECT_GT(::send(fd.get(), request.data() + at, std::min(piece, request.size() - at), MSG_NOSIGNAL), 0);
    std::string out;
    char buffer[4096];
    for (ssize_t n; (n = ::recv(fd.get(), buffer, sizeof buffer, 0)) > 0;)
      out.append(buffer, static_cast<std::size_t>(n));
    return out;
  }
  static std::string post(const std::string& body, bool close) {
    return "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) +
           (close ? "\r\nConnection: close" : "") + "\r\n\r\n" + body;
  }
  static constexpr const char* slot = R"({"jsonrpc":"2.0","id":1,"method":"getSlot"})";
  rpc_service service;
  std::optional<rpc_server> server;
  std::uint16_t port = 0;
  unique_fd stop{::eventfd(0, EFD_CLOEXEC)};
  std::thread thread;
};

TEST_P(rpc_http, answers_pipelined_and_split_requests) {
  const auto twice = post(slot, false) + post(slot, true);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{100000}}) {
    const auto got = talk(twice, piece);
    EXPECT_EQ(got.find("200 OK"), 9u);
    EXPECT_NE(got.find("\"result\":3", got.find("\"result\":3") + 1), std::string::npos) << got;
  }
}

TEST_P(rpc_http, refuses_what_is_no_request) {
  EXPECT_EQ(talk("nonsense\r\n\r\n").substr(9, 3), "400");
  EXPECT_EQ(talk("POST / HTTP/1.1\r\n\r\n").substr(9, 3), "411");
  EXPECT_EQ(talk("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n").substr(9, 3), "413");
  EXPECT_EQ(talk("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n").substr(9, 3), "400");
  EXPECT_EQ(talk("GET /health HTTP/1.0\r\n\r\n").substr(9, 3), "200");
  EXPECT_EQ(talk("PUT / HTTP/1.0\r\n\r\n").substr(9, 3), "405");
  EXPECT_EQ(talk(std::string(20000, 'x')).substr(9, 3), "413");
}

TEST_P(rpc_http, every_answer_names_the_release) {
  for (const auto& request : {post(slot, true), std::string("GET /health HTTP/1.0\r\n\r\n"),
                              std::string("PUT / HTTP/1.0\r\n\r\n"), std::string("nonsense\r\n\r\n")})
    EXPECT_NE(talk(request).find("\r\nx-osvm-release: v7\r\n"), std::string::npos) << request;
}

TEST_P(rpc_http, a_release_that_would_break_the_head_is_refused) {
  for (const auto& name : {std::string("a\r\nb: c"), std::string("a b"), std::string(65, 'x')}) {
    rpc_server other(service, *listen_tcp("127.0.0.1:0"), {.release = name});
    const auto done = other.run(stop.get());
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, osvm::errc::invalid_argument);
  }
}

TEST_P(rpc_http, sees_what_a_validator_adds) {
  {
    ledger_writer w(folder.path() + "/rocksdb", GetParam());
    w.block(4, 3, {});
  }
  std::string got;
  do got = talk(post(slot, true));
  while (got.find("\"result\":4") == std::string::npos && !HasFailure());
}

INSTANTIATE_TEST_SUITE_P(keys, rpc_http, ::testing::Values(false),
                         [](const auto&) { return std::string("current"); });

}  // namespace
}  // namespace osvm::ledger::test
