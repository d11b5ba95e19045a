// Request smuggling lives on two parsers that read the same bytes differently. Each piece of this corpus is
// sent to the proxy; what it passes on is sent to haproxy and to nginx as well, and they have to see the same
// requests in it. The corpus itself, sent to them directly, is what shows that readers do differ.
#include "hotswap/support/fixture.hpp"
#include "hotswap/support/process.hpp"

#include <array>
#include <filesystem>
#include <fstream>

namespace osvm::test {
namespace {

using namespace hotswap;

// A backend that writes down which requests it has read, and their bytes.
class recorder {
 public:
  recorder()
      : server_([this](client& c) {
          while (take(c)) c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }) {}
  endpoint where() const { return server_.where(); }
  const std::string& path() const { return server_.path(); }
  struct seen {
    std::vector<std::string> requests;  // "GET /path|body"
    std::string bytes;
  };
  seen collect() {
    std::lock_guard lock(mutex_);
    return std::exchange(seen_, {});
  }

 private:
  bool take(client& c) {
    const auto head = c.read_until("\r\n\r\n", 30s);
    if (head.empty()) return false;
    std::string raw = head, body;
    bool whole = true;
    std::string coding = header_of(head, "transfer-encoding");
    for (auto& ch : coding) ch = static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
    if (coding == "chunked") {
      for (;;) {
        const auto line = c.read_until("\r\n", 30s);
        raw += line;
        const auto size = std::strtoul(line.c_str(), nullptr, 16);
        if (size == 0) {  // trailers, up to an empty line
          for (auto t = c.read_until("\r\n", 30s); whole; t = c.read_until("\r\n", 30s)) {
            raw += t;
            whole = !t.empty();
            if (t == "\r\n") break;
          }
          break;
        }
        const auto data = c.read(size + 2, 30s);
        raw += data;
        whole = !line.empty() && data.size() == size + 2;
        if (!whole) break;
        body += data.substr(0, size);
      }
    } else if (const auto length = header_of(head, "content-length"); !length.empty()) {
      body = c.read(std::strtoul(length.c_str(), nullptr, 10), 30s);
      raw += body;
    }
    std::lock_guard lock(mutex_);
    const auto line = head.substr(0, head.find("\r\n"));
    if (!whole) return false;
    seen_.requests.push_back(line.substr(0, line.rfind(' ')) + "|" + body);
    seen_.bytes += raw;
    return true;
  }
  std::mutex mutex_;
  seen seen_;
  server server_;
};

struct piece {
  const char* name;
  std::string bytes;
};

std::string post(const std::string& fields, const std::string& rest) {
  return "POST /one HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + rest;
}

std::vector<piece> corpus() {
  const std::string second = "GET /two HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string empty_chunks = "0\r\n\r\n" + second;
  return {
      {"plain", "GET /one HTTP/1.1\r\nHost: a\r\n\r\n" + second},
      {"length", post("Content-Length: 3\r\n", "abc" + second)},
      {"chunked", post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n" + empty_chunks)},
      {"chunked in capitals", post("Transfer-Encoding: CHUNKED\r\n", "3\r\nabc\r\n" + empty_chunks)},
      {"CL.TE", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", empty_chunks)},
      {"TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", empty_chunks)},
      {"two lengths", post("Content-Length: 3\r\nContent-Length: 0\r\n", "abc" + second)},
      {"the same length twice", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc" + second)},
      {"list of lengths", post("Content-Length: 3, 3\r\n", "abc" + second)},
      {"length with plus", post("Content-Length: +3\r\n", "abc" + second)},
      {"length with minus", post("Content-Length: -3\r\n", "abc" + second)},
      {"hexadecimal length", post("Content-Length: 0x3\r\n", "abc" + second)},
      {"length with a space inside", post("Content-Length: 3 0\r\n", "abc" + second)},
      {"length beyond 64 bits", post("Content-Length: 18446744073709551619\r\n", "abc" + second)},
      {"empty length", post("Content-Length: \r\n", second)},
      {"length with tab", post("Content-Length:\t3\r\n", "abc" + second)},
      {"length with vertical tab", post("Content-Length: \v3\r\n", "abc" + second)},
      {"space before the colon", post("Content-Length : 3\r\n", "abc" + second)},
      {"space before the colon of TE", post("Transfer-Encoding : chunked\r\n", empty_chunks)},
      {"folded length", post("Content-Length:\r\n 3\r\n", "abc" + second)},
      {"folded TE", post("Transfer-Encoding:\r\n chunked\r\n", empty_chunks)},
      {"field that begins with space", post(" Transfer-Encoding: chunked\r\n", empty_chunks)},
      {"xchunked", post("Transfer-Encoding: xchunked\r\n", empty_chunks)},
      {"chunked twice", post("Transfer-Encoding: chunked, chunked\r\n", empty_chunks)},
      {"identity, chunked", post("Transfer-Encoding: identity, chunked\r\n", empty_chunks)},
      {"chunked, identity", post("Transfer-Encoding: chunked, identity\r\n", empty_chunks)},
      {"two TE fields", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", empty_chunks)},
      {"quoted chunked", post("Transfer-Encoding: \"chunked\"\r\n", empty_chunks)},
      {"TE with vertical tab", post("Transfer-Encoding: \vchunked\r\n", empty_chunks)},
      {"TE with NUL", post(std::string("Transfer-Encoding: chunked\0\r\n", 29), empty_chunks)},
      {"TE behind a bare CR", post("X: a\rTransfer-Encoding: chunked\r\n", empty_chunks)},
      {"TE behind a bare LF", post("X: a\nTransfer-Encoding: chunked\r\n", empty_chunks)},
      {"underscore", post("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n", empty_chunks)},
      {"HTTP/1.0 with TE",
       "POST /one HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + empty_chunks},
      {"bare LF lines", "GET /one HTTP/1.1\nHost: a\n\n" + second},
      {"bare CR lines", "GET /one HTTP/1.1\rHost: a\r\r" + second},
      {"LF in the end of the head", "GET /one HTTP/1.1\r\nHost: a\r\n\n" + second},
      {"chunk size with plus", post("Transfer-Encoding: chunked\r\n", "+3\r\nabc\r\n" + empty_chunks)},
      {"chunk size with 0x", post("Transfer-Encoding: chunked\r\n", "0x3\r\nabc\r\n" + empty_chunks)},
      {"chunk size with spaces", post("Transfer-Encoding: chunked\r\n", "3 \r\nabc\r\n" + empty_chunks)},
      {"chunk size beyond 64 bits",
       post("Transfer-Encoding: chunked\r\n", "10000000000000003\r\nabc\r\n" + empty_chunks)},
      {"chunk extension", post("Transfer-Encoding: chunked\r\n", "3;a=b\r\nabc\r\n" + empty_chunks)},
      {"chunk extension with bare LF", post("Transfer-Encoding: chunked\r\n", "3;a\nabc\r\n" + empty_chunks)},
      {"chunk that ends in LF", post("Transfer-Encoding: chunked\r\n", "3\r\nabc\n" + empty_chunks)},
      {"chunk longer than it says", post("Transfer-Encoding: chunked\r\n", "3\r\nabcd\r\n" + empty_chunks)},
      {"last chunk with bare LF", post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\n\n" + second)},
      {"trailer", post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\nX: y\r\n\r\n" + second)},
      {"trailer that frames",
       post("Transfer-Encoding: chunked\r\n", "0\r\nContent-Length: 40\r\n\r\n" + second)},
      {"GET with a body", "GET /one HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + second},
      {"Connection hides Content-Length",
       post("Connection: Content-Length\r\nContent-Length: 3\r\n", "abc" + second)},
      {"Connection hides TE",
       post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", empty_chunks)},
      {"Upgrade with a body",
       post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n", "abc" + second)},
      {"h2c upgrade",
       "GET /one HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
       "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n" +
           second},
      {"request line with tab", "GET\t/one\tHTTP/1.1\r\nHost: a\r\n\r\n" + second},
      {"request line with two spaces", "GET  /one HTTP/1.1\r\nHost: a\r\n\r\n" + second},
      {"request line in the target", "GET /one HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n" + second},
      {"no version", "GET /one\r\n" + second},
      {"version 1.2", "GET /one HTTP/1.2\r\nHost: a\r\n\r\n" + second},
      {"version 2.0", "GET /one HTTP/2.0\r\nHost: a\r\n\r\n" + second},
      {"two hosts", "GET /one HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + second},
      {"absolute form", "GET http://b/one HTTP/1.1\r\nHost: a\r\n\r\n" + second},
      {"empty line first", "\r\nGET /one HTTP/1.1\r\nHost: a\r\n\r\n" + second},
      {"8 bit in a name", post("X-\xc3\xa9: y\r\nContent-Length: 3\r\n", "abc" + second)},
      {"expectation", post("Expect: 100-continue\r\nContent-Length: 3\r\n", "abc" + second)},
  };
}

class smuggling : public proxy_fixture {
 protected:
  void SetUp() override {
    for (const auto* p : {"/usr/sbin/haproxy", "/usr/sbin/nginx"}) {
      ASSERT_EQ(::access(p, X_OK), 0) << p << " is missing (tools/dev/packages.txt)";
    }
    dir_ = temp_folder();
    proxy_options o;
    o.listen = unix_endpoint{dir_ + "/ours"};
    start(o);
    route_to("v1", ours_.where());
    std::ofstream(dir_ + "/h.cfg")
        << "defaults\n mode http\n timeout connect 5s\n timeout client 20s\n timeout "
           "server 20s\nlisten all\n bind unix@" +
               dir_ + "/haproxy\n server s unix@" + haproxy_.path() + "\n";
    std::ofstream(dir_ + "/n.conf")
        << "daemon off; master_process off; pid " + dir_ + "/pid; error_log " + dir_ +
               "/err crit;\nevents {}\nhttp { access_log off; client_header_timeout 1s; client_body_timeout "
               "1s; client_body_temp_path " +
               dir_ + "/a; proxy_temp_path " + dir_ + "/b; fastcgi_temp_path " + dir_ +
               "/c; uwsgi_temp_path " + dir_ + "/d; scgi_temp_path " + dir_ +
               "/e;\nserver { listen unix:" + dir_ +
               "/nginx; location / { proxy_pass http://unix:" + nginx_.path() +
               ":; proxy_http_version 1.1; } } }\n";
    peers_.emplace_back(std::make_unique<process>(
        std::vector<std::string>{"/usr/sbin/haproxy", "-db", "-f", dir_ + "/h.cfg"}));
    peers_.emplace_back(std::make_unique<process>(
        std::vector<std::string>{"/usr/sbin/nginx", "-c", dir_ + "/n.conf", "-p", dir_ + "/"}));
    for (const auto* name : {"haproxy", "nginx"}) {
      ASSERT_TRUE(eventually([&] { return client(unix_endpoint{dir_ + "/" + name}).connected(); }, 30s))
          << name;
    }
  }
  void TearDown() override {
    peers_.clear();
    proxy_fixture::TearDown();
    std::filesystem::remove_all(dir_);
  }
  // What the one behind `front` sees of these bytes, behind which one more request asks for the end: when the
  // front has closed, everything has come through.
  recorder::seen through(const char* front, recorder& behind, const std::string& bytes,
                         std::chrono::milliseconds limit = 20s) {
    (void)behind.collect();
    client c(unix_endpoint{dir_ + "/" + front});
    EXPECT_TRUE(c.connected()) << front;
    c.send(bytes + "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    answer_ = c.read_all(limit);
    auto seen = behind.collect();
    if (!seen.requests.empty() && seen.requests.back() == "GET /last|") {
      seen.requests.pop_back();
      seen.bytes.resize(seen.bytes.rfind("GET /last"));
    }
    return seen;
  }

  recorder ours_, haproxy_, nginx_;
  std::string dir_, answer_;
  std::vector<std::unique_ptr<process>> peers_;
};

TEST_F(smuggling, what_is_passed_on_has_one_reading) {
  std::size_t refused = 0, passed = 0, differ = 0;
  for (const auto& [name, bytes] : corpus()) {
    SCOPED_TRACE(name);
    // How the peers read the piece itself: the control of this test.
    const auto h = through("haproxy", haproxy_, bytes, 1s), n = through("nginx", nginx_, bytes, 1s);
    differ += h.requests != n.requests ? 1 : 0;

    const auto seen = through("ours", ours_, bytes);
    (seen.requests.empty() ? refused : passed) += 1;
    EXPECT_FALSE(answer_.empty());
    if (seen.requests.empty()) continue;
    EXPECT_EQ(through("haproxy", haproxy_, seen.bytes).requests, seen.requests);
    EXPECT_EQ(through("nginx", nginx_, seen.bytes).requests, seen.requests);
  }
  EXPECT_GT(refused, 30U);
  EXPECT_GT(passed, 8U);
  EXPECT_GT(differ, 3U);
}

// Valid requests are not refused for the sake of it.
TEST_F(smuggling, what_has_one_reading_is_passed_on) {
  const std::vector<std::string> valid{
      "plain",   "length",          "chunked",         "chunked in capitals", "chunk extension",
      "trailer", "length with tab", "GET with a body", "absolute form",       "expectation"};
  std::size_t found = 0;
  for (const auto& [name, bytes] : corpus()) {
    if (std::find(valid.begin(), valid.end(), name) == valid.end()) continue;
    ++found;
    EXPECT_EQ(through("ours", ours_, bytes).requests.size(), 2U) << name;
  }
  EXPECT_EQ(found, valid.size());
}

}  // namespace
}  // namespace osvm::test
