// Certificates: the client against nginx with good and bad ones, and each check switched off as its control.
#include <osvm/net/http_client.hpp>

#include <boost/asio/use_future.hpp>

#include <fstream>

#include "net/controls.hpp"
#include "net/support.hpp"

namespace osvm::net {
namespace {

using namespace std::chrono_literals;
using osvm::test::child;

constexpr const char* nginx_path = "/usr/sbin/nginx";
constexpr const char* openssl_path = "/usr/bin/openssl";

// An authority and servers' certificates, made by the openssl program.
class authority {
 public:
  explicit authority(const std::string& prefix) : prefix_(prefix) {
    run({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
         "/CN=test authority", "-days", "2", "-keyout", prefix + "ca.key", "-out", prefix + "ca.pem"});
  }
  // prefix + name + ".pem" and ".key"
  void issue(const std::string& name, const std::string& alternative, const std::string& days = "1") {
    const auto at = prefix_ + name;
    std::ofstream(at + ".ext") << "subjectAltName=" + alternative + "\n";
    run({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
         "-keyout", at + ".key", "-out", at + ".csr"});
    run({"x509", "-req", "-in", at + ".csr", "-CA", prefix_ + "ca.pem", "-CAkey", prefix_ + "ca.key",
         "-CAcreateserial", "-days", days, "-extfile", at + ".ext", "-out", at + ".pem"});
  }
  std::string file() const { return prefix_ + "ca.pem"; }

 private:
  static void run(std::vector<std::string> words) {
    words.insert(words.begin(), openssl_path);
    words.push_back("-batch");
    if (words[1] == "x509") words.pop_back();
    EXPECT_EQ(child(std::move(words)).wait(), 0);
  }
  std::string prefix_;
};

// nginx with TLS on one unix socket for each certificate.
class nginx_tls final {
 public:
  nginx_tls(const osvm::test::folder& f, const std::vector<std::string>& certificates) {
    std::string servers;
    for (const auto& c : certificates)
      servers += "server { listen unix:" + (f / (c + ".sock")) + " ssl; ssl_certificate " +
                 (f / (c + ".pem")) + "; ssl_certificate_key " + (f / (c + ".key")) + "; root " + f.path() +
                 "; location = / { return 200 'hello over TLS'; } }\n";
    std::ofstream(f / "n.conf") << "daemon off; master_process off; pid " + (f / "pid") + "; error_log " +
                                       (f / "err") +
                                       ";\nevents {} http { access_log off; client_body_temp_path " +
                                       (f / "a") + "; proxy_temp_path " + (f / "b") + "; fastcgi_temp_path " +
                                       (f / "c") + "; uwsgi_temp_path " + (f / "d") + "; scgi_temp_path " +
                                       (f / "e") + ";\n" + servers + "}\n";
    process_.emplace(std::vector<std::string>{nginx_path, "-c", f / "n.conf", "-p", f.path() + "/"});
    last_ = f / (certificates.back() + ".sock");
  }
  // Until the last socket takes connections.
  bool ready() const {
    for (int i = 0; i < 2000; ++i) {
      const unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_un at{};
      at.sun_family = AF_UNIX;
      last_.copy(at.sun_path, sizeof at.sun_path - 1);
      if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

 private:
  std::optional<child> process_;
  std::string last_;
};

class tls_peer : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* p : {nginx_path, openssl_path})
      if (::access(p, X_OK) != 0) GTEST_SKIP() << p << " is not installed (tools/dev/packages.txt)";
    authority ca(files / "");
    ca.issue("good", "DNS:localhost,DNS:node.example,IP:127.0.0.1");
    ca.issue("other", "DNS:other.example");
    ca.issue("old", "DNS:localhost", "-1");  // expired
    server.emplace(files, std::vector<std::string>{"good", "other", "old"});
    ASSERT_TRUE(server->ready());
  }
  void TearDown() override { rules = {}; }

  // Over the socket of the named certificate, expecting `host`.
  result<http_response> fetch(const std::string& certificate, const std::string& host, tls_options tls,
                              const std::string& target = "/") {
    auto made = tls_client::make(tls);
    if (!made) return made.error();
    http_client_options o;
    o.dial.tls = *made;
    o.dial.dial = [path = files / (certificate + ".sock")](executor, std::chrono::milliseconds,
                                                           dial_handler done) {
      unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_un at{};
      at.sun_family = AF_UNIX;
      path.copy(at.sun_path, sizeof at.sun_path - 1);
      if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
        return std::move(done)(errno_error("connect"));
      std::move(done)(std::move(fd));
    };
    http_client c(loop.get_executor(), std::move(o));
    return c.async_fetch({.where = *parse_url("https://" + host + target)}, boost::asio::use_future).get();
  }
  tls_options ours() const { return {.authority_files = {files / "ca.pem"}}; }
  runtime loop;
  osvm::test::folder files;
  std::optional<nginx_tls> server;
};

TEST_F(tls_peer, a_good_certificate_is_taken) {
  for (const char* host : {"localhost", "node.example", "127.0.0.1"}) {
    const auto r = fetch("good", host, ours());
    ASSERT_TRUE(r) << r.error().to_string();
    EXPECT_EQ(r->body, "hello over TLS");
  }
  std::ofstream(files / "big") << std::string(3'000'000, 'b');
  EXPECT_EQ(fetch("good", "localhost", ours(), "/big")->body.size(), 3'000'000U);
}

TEST_F(tls_peer, several_files_of_authorities_are_all_trusted) {
  const authority another(files / "another-");
  const tls_options both{.system_authorities = false,
                         .authority_files = {another.file(), files / "ca.pem", another.file()}};
  EXPECT_TRUE(fetch("good", "localhost", both));
  EXPECT_EQ(fetch("good", "localhost", {.authority_files = {another.file()}}).error().code,
            errc::certificate);
}

TEST_F(tls_peer, an_unknown_authority_is_refused) {
  EXPECT_EQ(fetch("good", "localhost", {}).error().code, errc::certificate);
  EXPECT_EQ(fetch("good", "localhost", {.system_authorities = false}).error().code, errc::certificate);
}
TEST_F(tls_peer, control_without_the_chain_check_an_unknown_authority_is_taken) {
  rules.verify_chain = false;
  EXPECT_TRUE(fetch("good", "localhost", {}));
}

TEST_F(tls_peer, a_certificate_for_another_name_is_refused) {
  EXPECT_EQ(fetch("other", "localhost", ours()).error().code, errc::certificate);
  EXPECT_EQ(fetch("good", "127.0.0.2", ours()).error().code, errc::certificate);
  EXPECT_EQ(fetch("good", "sub.localhost", ours()).error().code, errc::certificate);
}
TEST_F(tls_peer, control_without_the_name_check_another_name_is_taken) {
  rules.verify_name = false;
  EXPECT_TRUE(fetch("other", "localhost", ours()));
}

TEST_F(tls_peer, an_expired_certificate_is_refused) {
  EXPECT_EQ(fetch("old", "localhost", ours()).error().code, errc::certificate);
}
TEST_F(tls_peer, control_without_the_chain_check_an_expired_one_is_taken) {
  rules.verify_chain = false;
  EXPECT_TRUE(fetch("old", "localhost", ours()));
}

TEST_F(tls_peer, a_plain_server_is_no_tls_server) {
  osvm::test::test_server plain([](osvm::test::peer& p, int) { p.send("HTTP/1.1 400 plain\r\n\r\n"); });
  http_client_options o;
  o.dial.tls = *tls_client::make(ours());
  http_client c(loop.get_executor(), std::move(o));
  const auto where = *parse_url("https://127.0.0.1:" + std::to_string(plain.port()));
  const auto r = c.async_fetch({.where = where}, boost::asio::use_future).get();
  EXPECT_EQ(r.error().code.category(), net_category()) << r.error().to_string();
}

TEST_F(tls_peer, files_that_are_no_certificates_have_an_error) {
  EXPECT_FALSE(tls_client::make({.authority_files = {"/no/such/file"}}));
  EXPECT_FALSE(tls_client::make({.authority_files = {files / "n.conf"}}));
  EXPECT_EQ(tls_client::make({.certificate_file = files / "good.pem"}).error().code,
            osvm::errc::invalid_argument);
  EXPECT_TRUE(tls_client::make({.certificate_file = files / "good.pem", .key_file = files / "good.key"}));
}

}  // namespace
}  // namespace osvm::net
