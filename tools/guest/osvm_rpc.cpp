// osvm-rpc: Solana's JSON-RPC over a ledger folder, as the only program of a VM (`osvm rpc local` runs it so)
// or natively. Files are read with pread, so that a file that shrinks is an error and not a signal.
//
// With --control it looks at the ledger anew only when told to: whoever runs several of these decides which
// of them sees a slot first. A line "advance" is answered by "ok PROCESSED CONFIRMED FINALIZED" or "failed".
// "goodbye" says that another one serves now: WebSockets are told to go away, requests are answered on.
#include <osvm/ledger/rpc_server.hpp>
#include <osvm/ledger/rpc_upstream.hpp>
#include <osvm/ledger/side_index.hpp>
#include <osvm/vsock/connect.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <thread>

namespace {

using namespace osvm;

constexpr const char* usage =
    "usage: osvm-rpc --ledger DIR [--index DIR] [--accounts PATH]... [--listen ADDRESS] [--control ADDRESS]\n"
    "                [--upstream URL] [--upstream-ws URL] [--upstream-ca FILE]... [--release NAME]\n";

struct arguments {
  std::string ledger, index, listen = "127.0.0.1:8899", control;
  std::string upstream, upstream_ws, release;
  std::vector<std::string> accounts, authorities;
};

bool parse(int argc, char** argv, arguments& out) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--ledger")
      out.ledger = argv[i + 1];
    else if (name == "--index")
      out.index = argv[i + 1];
    else if (name == "--accounts")
      out.accounts.emplace_back(argv[i + 1]);
    else if (name == "--listen")
      out.listen = argv[i + 1];
    else if (name == "--control")
      out.control = argv[i + 1];
    else if (name == "--upstream")
      out.upstream = argv[i + 1];
    else if (name == "--upstream-ws")
      out.upstream_ws = argv[i + 1];
    else if (name == "--release")
      out.release = argv[i + 1];
    else if (name == "--upstream-ca")
      out.authorities.emplace_back(argv[i + 1]);
    else
      return false;
  }
  return argc % 2 == 1 && !out.ledger.empty();
}

void say(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
}

std::string advance(ledger::rpc_service& service) {
  const auto moved = service.refresh();
  if (!moved) {
    say("the ledger cannot be looked at anew: " + moved.error().to_string());
    return "failed\n";
  }
  const auto b = service.store().bounds();
  std::string out = "ok";
  for (const auto level :
       {ledger::commitment::processed, ledger::commitment::confirmed, ledger::commitment::finalized})
    out += " " + std::to_string(ledger::slot_at(*b, level).value_or(0));
  return out + "\n";
}

bool send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::string follow(std::string_view order, ledger::rpc_service& service, const unique_fd& leave) {
  if (order == "advance") return advance(service);
  const std::uint64_t one = 1;
  const bool done = order == "goodbye" && ::write(leave.get(), &one, sizeof one) == sizeof one;
  return done ? "ok\n" : "failed\n";
}

// Serves one connection of whoever runs this program until it ends.
void take_orders(int fd, ledger::rpc_service& service, const unique_fd& leave) {
  std::string line;
  for (char c; line.size() < 64;) {
    const auto n = ::recv(fd, &c, 1, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    if (c != '\n') {
      line += c;
      continue;
    }
    if (!send_all(fd, follow(line, service, leave))) return;
    line.clear();
  }
}

void control_loop(const unique_fd& listener, ledger::rpc_service& service, const unique_fd& leave) {
  for (;;) {
    pollfd wanted{listener.get(), POLLIN, 0};
    if (::poll(&wanted, 1, -1) < 0 && errno != EINTR) return;
    const unique_fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (fd) take_orders(fd.get(), service, leave);
  }
}

result<std::optional<ledger::genesis>> read_genesis(const std::string& folder) {
  auto g = ledger::load_genesis(folder);
  if (g) return std::optional(std::move(*g));
  if (g.error().code == boost::system::errc::no_such_file_or_directory)
    return std::optional<ledger::genesis>();
  return g.error();
}

// "vsock://PATH:PORT": a port behind the hybrid socket of another VM.
result<net::dial_function> dial_of(std::string_view upstream) {
  constexpr std::string_view scheme = "vsock://";
  if (!upstream.starts_with(scheme)) return net::dial_function();
  OSVM_TRY(const auto where, parse_endpoint("hybrid:" + std::string(upstream.substr(scheme.size()))));
  return net::dial_function([where](executor ex, std::chrono::milliseconds within, net::dial_handler done) {
    vsock::async_connect_endpoint(std::move(ex), where, within, std::move(done));
  });
}

result<std::shared_ptr<ledger::rpc_upstream>> open_upstream(executor ex, const arguments& given) {
  ledger::rpc_upstream_options how;
  OSVM_TRY(how.client.http.dial.dial, dial_of(given.upstream));
  OSVM_TRY(auto where, net::parse_url(how.client.http.dial.dial ? "http://localhost/" : given.upstream));
  if (!given.upstream_ws.empty()) {
    OSVM_TRY(how.socket_url, net::parse_url(given.upstream_ws));
  }
  auto& dial = how.client.http.dial;
  if (!given.authorities.empty()) {
    OSVM_TRY(dial.tls,
             net::tls_client::make({.system_authorities = false, .authority_files = given.authorities}));
  }
  how.socket.dial = dial;
  return ledger::make_rpc_upstream(std::move(ex), std::move(where), std::move(how));
}

// An index that cannot be used is no reason not to answer: it is asked beside the ledger, never instead.
result<ledger::blockstore> open_store(const arguments& given) {
  ledger::blockstore_options how;
  if (!given.index.empty()) {
    auto index = ledger::side_index::open(given.index);
    say(index ? "with the side index" : "without the side index: " + index.error().to_string());
    if (index) how.index = std::make_shared<const ledger::side_index>(std::move(*index));
  }
  return ledger::blockstore::open(given.ledger, std::move(how));
}

result<> serve(const arguments& given) {
  OSVM_TRY(auto store, open_store(given));
  for (const auto& l : store.database().lost()) say("not readable: " + l.file + ": " + l.reason);
  OSVM_TRY(auto first, read_genesis(given.ledger));
  ledger::rpc_options options;
  if (!given.accounts.empty()) {
    OSVM_TRY(auto accounts, ledger::account_store::load(given.accounts));
    say(std::to_string(accounts.size()) + " accounts of slot " + std::to_string(accounts.slot()));
    options.accounts = std::make_shared<const ledger::account_store>(std::move(accounts));
  }
  std::optional<runtime> loop;  // outlives what runs on it
  if (!given.upstream.empty()) {
    loop.emplace();
    OSVM_TRY(options.upstream, open_upstream(loop->get_executor(), given));
  }
  ledger::rpc_service service(std::move(store), std::move(first), std::move(options));
  ledger::rpc_server_options how;
  const unique_fd leave(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!leave) return errno_error("eventfd");
  how.leave_fd = leave.get();
  how.release = given.release;
  std::thread control;
  if (!given.control.empty()) {
    how.refresh_every = nanoseconds(0);
    OSVM_TRY(auto listener, ledger::listen_tcp(given.control));
    control = std::thread([l = std::move(listener), &service, &leave] { control_loop(l, service, leave); });
  }
  auto listener = ledger::listen_tcp(given.listen);
  if (!listener) {
    if (control.joinable()) control.detach();  // the process ends with this error
    return listener.error();
  }
  ledger::rpc_server server(service, std::move(*listener), how);
  const auto done = server.run(-1);
  if (control.joinable()) control.detach();
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  arguments given;
  if (!parse(argc, argv, given)) {
    std::fputs(usage, stderr);
    return 2;
  }
  const auto done = serve(given);
  if (!done) say("osvm-rpc: " + done.error().to_string());
  std::fflush(nullptr);
  ::_exit(done ? 0 : 1);  // not through destructors that the control thread may still use
}
