// osvm bench load: the load client of the tests and benches, against any server.
#include <osvm/core/runtime.hpp>

#include <boost/asio/use_future.hpp>

#include <fstream>
#include <sstream>

#include "../bench/load.hpp"
#include "../interrupts.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

result<std::string> pem_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return error(errc::not_found, "--ca " + path + " cannot be read");
  return text.str();
}

class bench_load final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("TARGET", target_, {}, "tcp:ADDRESS:PORT, unix:PATH, or a vsock endpoint");
    o.value("rate", "N", rate_,
            "requests per second, sent when due whether or not earlier ones are answered");
    o.value("time", "TIME", time_, "how long");
    o.value("connections", "N", connections_, "at most so many requests are under way");
    o.value("timeout", "TIME", timeout_, "of one request, from the moment it is due");
    o.flag("close", close_, "a connection for each request");
    o.flag("http2", http2_, "HTTP/2, in clear text from the first byte");
    o.value("streams", "N", streams_, "requests at a time on one HTTP/2 connection");
    o.flag("tls", tls_, "TLS; the server's certificate has to be for --host");
    o.value("ca", "FILE", ca_, "trust these authorities (PEM) instead of the host's");
    o.value("host", "NAME", request_host_, "the Host field, and the name in TLS");
    o.value("method", "NAME", request_.method, "of the request");
    o.value("path", "PATH", request_.path, "of the request");
    o.value("body", "TEXT", request_.body, "of the request, or each WebSocket message: {nonce} {n}");
    o.value("content-type", "TYPE", request_.content_type, "of the body");
    o.value("upload", "SIZE", upload_, "a body of that size: the nonce again and again");
    o.value("expect", "TEXT", request_.expected,
            "the right answer, event or message, byte for byte: {nonce} {n} {size}");
    o.value("events", "N", events_, "read so many server-sent events, then leave");
    o.value("websocket", "N", websocket_, "a session: open, so many messages answered one by one, close");
    o.value("nonce-header", "NAME", nonce_header_, "sent with a fresh value, which the answer must have too");
    o.value("version-header", "NAME", version_header_, "where the answer names its release");
    o.value("release", "NAME", release_, "the only release that may answer");
  }
  int run(context& ctx) override {
    auto options = read();
    if (!options) return ctx.fail(options.error(), exit_code::usage);
    runtime loop{{.threads = 1}};
    hotswap::load_client client(loop.get_executor(), std::move(*options));
    auto pending = client.async_run(boost::asio::use_future);
    // A stop before the run would be none.
    const interrupts signals(loop.get_executor(), [&client](int) { client.stop(); });
    ctx.detail("measuring");
    const auto done = pending.get();
    if (!done) return ctx.fail(done.error(), exit_code::usage);
    bench::report out("load", {});
    out.without_guests();
    bench::add_load_report(out, "load", *done, bench::load_detail::histogram);
    return out.finish(ctx);
  }

 private:
  result<hotswap::load_options> read() {
    hotswap::load_options o;
    OSVM_TRY(o.target, named("TARGET", parse_endpoint(target_)));
    OSVM_TRY(const auto rate, named("--rate", parse_count(rate_, 1, 10'000'000)));
    OSVM_TRY(const auto time, named("--time", parse_duration(time_)));
    OSVM_TRY(const auto timeout, named("--timeout", parse_duration(timeout_)));
    OSVM_TRY(const auto connections, named("--connections", parse_count(connections_, 1, 10'000)));
    OSVM_TRY(const auto streams, named("--streams", parse_count(streams_, 1, 100)));
    o.rate = static_cast<double>(rate);
    o.duration = std::chrono::ceil<std::chrono::milliseconds>(time);
    o.timeout = std::chrono::ceil<std::chrono::milliseconds>(timeout);
    o.connections = static_cast<unsigned>(connections);
    o.streams = static_cast<unsigned>(streams);
    o.keep_alive = !close_;
    o.host = request_host_;
    o.protocol = http2_ ? hotswap::load_protocol::http2 : hotswap::load_protocol::http1;
    o.nonce_header = nonce_header_;
    o.version_header = version_header_;
    o.initial_version = release_;
    if (!release_.empty() && version_header_.empty())
      return error(errc::invalid_argument, "--release needs --version-header");
    if (tls_) {
      o.tls.emplace();
      if (!ca_.empty()) {
        OSVM_TRY(o.tls->authorities, pem_of(ca_));
      }
    } else if (!ca_.empty()) {
      return error(errc::invalid_argument, "--ca needs --tls");
    }
    OSVM_CHECK(read_kind());
    o.requests = {request_};
    return o;
  }
  result<void> read_kind() {
    if (!events_.empty() && !websocket_.empty())
      return error(errc::invalid_argument, "--events and --websocket are two things");
    if (!upload_.empty()) {
      OSVM_TRY(request_.upload, named("--upload", parse_size(upload_)));
      if (request_.method == "GET") request_.method = "POST";
    }
    for (const auto& [text, kind] : {std::pair(&events_, hotswap::load_kind::events),
                                     std::pair(&websocket_, hotswap::load_kind::websocket)}) {
      if (text->empty()) continue;
      const char* option = kind == hotswap::load_kind::events ? "--events" : "--websocket";
      OSVM_TRY(const auto messages, named(option, parse_count(*text, 1, 1'000'000'000)));
      request_.kind = kind;
      request_.messages = static_cast<unsigned>(messages);
    }
    return {};
  }

  hotswap::load_request request_;
  std::string target_, rate_ = "1000", time_ = "10s", connections_ = "16", timeout_ = "5s", streams_ = "8",
                       ca_, request_host_ = "localhost", upload_, events_, websocket_, nonce_header_,
                       version_header_, release_;
  bool close_ = false, http2_ = false, tls_ = false;
};

}  // namespace

extern const command cmd_bench_load_entry;
const command cmd_bench_load_entry{
    .path = "bench load",
    .summary = "put a server under an open-loop load, check every answer, and print a latency histogram",
    .examples =
        "  osvm bench load tcp:127.0.0.1:8080 --rate 5000 --time 30s\n"
        "  osvm bench load tcp:127.0.0.1:8443 --tls --ca ca.pem --host api.example.org --http2\n"
        "  osvm bench load unix:/run/web.sock --upload 1MiB --path /store --expect 'stored {size}'\n"
        "  osvm bench load tcp:127.0.0.1:8080 --websocket 10 --path /echo --rate 100\n"
        "  osvm bench load tcp:127.0.0.1:8080 --events 20 --path /ticks --rate 50 --json",
    .make = make_invocation<bench_load>,
};

}  // namespace osvm::cli
