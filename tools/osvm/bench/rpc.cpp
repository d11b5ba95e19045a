#include "rpc.hpp"

#include <osvm/core/text.hpp>
#include <osvm/hotswap/proxy.hpp>
#include <osvm/ledger/rpc_server.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <charconv>
#include <cstring>
#include <ctime>
#include <map>
#include <thread>

#include "../guest_programs.hpp"
#include "../ledger_command.hpp"
#include "../rpc_vm.hpp"

namespace osvm::cli::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_rpc_slots = 2000, most_rpc_transactions = 2000;

struct known {
  std::vector<std::string> transactions;  // getTransaction, as HTTP requests
  std::vector<std::string> bodies;        // the same without their heads
  solana::pubkey busiest{};
  std::size_t signatures = 0;  // of `busiest`
  ledger::slot_t largest = 0;  // the slot with the most transactions
  std::size_t in_largest = 0;
};

std::string post(const std::string& body) {
  return "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

result<known> look_at_node(const ledger::blockstore& store) {
  known out;
  std::map<solana::pubkey, std::size_t> seen;
  OSVM_TRY(const auto roots, store.roots(0, ~0ULL, most_rpc_slots));
  for (const auto slot : roots) {
    const auto b = store.read_block(slot);
    if (!b) continue;
    const auto& list = (*b)->transactions();
    if (list.size() > out.in_largest) out.in_largest = list.size(), out.largest = slot;
    for (const auto& tx : list) {
      if (tx.signatures.empty() || out.bodies.size() >= most_rpc_transactions) continue;
      out.bodies.push_back(R"({"jsonrpc":"2.0","id":1,"method":"getTransaction","params":[")" +
                           tx.signatures[0].to_string() + R"(",{"maxSupportedTransactionVersion":0}]})");
      out.transactions.push_back(post(out.bodies.back()));
      for (const auto& key : tx.message.keys)
        if (const auto n = ++seen[key]; n > out.signatures) out.signatures = n, out.busiest = key;
    }
  }
  if (out.bodies.empty()) return error(errc::not_found, "the ledger has no transaction");
  return out;
}

double thread_cpu_us() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

// One connection that keeps `depth` requests on their way.
class pipeline {
 public:
  static result<pipeline> open(const endpoint& where) {
    pipeline out;
    if (const auto* tcp = std::get_if<tcp_endpoint>(&where)) {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(tcp->port);
      if (::inet_pton(AF_INET, tcp->host.c_str(), &to.sin_addr) != 1)
        return error(errc::invalid_argument, tcp->host);
      out.fd_ = unique_fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const int on = 1;
      (void)::setsockopt(out.fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if (::connect(out.fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
        return errno_error("connect");
      return out;
    }
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    const auto& path = std::get<unix_endpoint>(where).path;
    if (path.size() >= sizeof to.sun_path) return error(errc::limit_exceeded, path);
    std::memcpy(to.sun_path, path.data(), path.size());
    out.fd_ = unique_fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(out.fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
      return errno_error("connect");
    return out;
  }
  result<void> send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error("send");
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
  }
  // Takes `wanted` whole answers; each must hold a result. Gives the last.
  result<std::string> receive(unsigned wanted) {
    std::string last;
    while (wanted > 0) {
      if (const auto size = whole(); size > 0) {
        last.assign(in_, at_, size);
        if (!last.starts_with("HTTP/1.1 200") || last.find("\"result\":") == std::string::npos ||
            last.find("\"result\":null") != std::string::npos)
          return error(errc::malformed, printable(last.substr(0, 400)));
        at_ += size;
        --wanted;
        continue;
      }
      in_.erase(0, std::exchange(at_, 0));
      pollfd p{fd_.get(), POLLIN, 0};
      if (::poll(&p, 1, 20'000) == 0) return error(errc::timed_out, "no answer for 20 s");
      char part[65536];
      const auto n = ::recv(fd_.get(), part, sizeof part, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return errno_error("recv", n == 0 ? ECONNRESET : errno);
      in_.append(part, static_cast<std::size_t>(n));
    }
    return last;
  }

 private:
  // Bytes of the next answer; 0: not all of it is there.
  std::size_t whole() const {
    const auto end = in_.find("\r\n\r\n", at_);
    if (end == std::string::npos) return 0;
    constexpr std::string_view name = "content-length: ";
    auto length = in_.find(name, at_);
    if (length > end) length = in_.find("Content-Length: ", at_);
    std::size_t size = 0;
    if (length < end) std::from_chars(in_.data() + length + name.size(), in_.data() + end, size);
    const std::size_t all = end + 4 - at_ + size;
    return in_.size() - at_ >= all ? all : 0;
  }
  unique_fd fd_;
  std::string in_;
  std::size_t at_ = 0;
};

// Answers per second.
result<double> hammer(const endpoint& where, const known& at, const rpc_options& o) {
  std::vector<pipeline> all;
  for (unsigned i = 0; i < o.connections; ++i) {
    OSVM_TRY(auto one, pipeline::open(where));
    all.push_back(std::move(one));
  }
  std::size_t next = 0, answered = 0;
  const auto ask = [&](pipeline& p) {
    std::string requests;
    for (unsigned k = 0; k < o.depth; ++k) requests += at.transactions[next++ % at.transactions.size()];
    return p.send(requests);
  };
  for (auto& p : all) OSVM_CHECK(ask(p));
  const stopwatch watch;
  while (watch.elapsed() < o.each)
    for (auto& p : all) {
      OSVM_CHECK(p.receive(o.depth));
      answered += o.depth;
      OSVM_CHECK(ask(p));
    }
  const double rate = static_cast<double>(answered) / watch.ms() * 1000;
  for (auto& p : all) OSVM_CHECK(p.receive(o.depth));
  return rate;
}

result<void> in_process(report& out, const ledger::rpc_service& rpc, const known& at, const rpc_options& o) {
  std::vector<double> us, ms, base64, parsed;
  const stopwatch watch;
  for (std::size_t i = 0; watch.elapsed() < o.each; ++i) {
    const stopwatch one;
    const auto text = rpc.handle(at.bodies[i % at.bodies.size()]);
    us.push_back(one.ms() * 1000);
    if (text.find("\"result\":{") == std::string::npos) return error(errc::malformed, text.substr(0, 200));
  }
  out.value("rpc.get_transaction.in_process", "per second",
            static_cast<double>(us.size()) / watch.ms() * 1000);
  out.samples("rpc.get_transaction.in_process.time", "us", us);
  const auto history = R"({"jsonrpc":"2.0","id":1,"method":"getSignaturesForAddress","params":[")" +
                       at.busiest.to_string() + "\"]}";
  const auto block = [&](const char* encoding) {
    return R"({"jsonrpc":"2.0","id":1,"method":"getBlock","params":[)" + std::to_string(at.largest) +
           R"(,{"maxSupportedTransactionVersion":0,"encoding":")" + encoding + "\"}]}";
  };
  for (unsigned i = 0; i < 30; ++i) {
    for (const auto& [body, to] :
         {std::pair{history, &ms}, {block("base64"), &base64}, {block("jsonParsed"), &parsed}}) {
      const stopwatch one;
      const auto text = rpc.handle(body);
      to->push_back(one.ms());
      if (text.find("\"result\":") == std::string::npos) return error(errc::malformed, text.substr(0, 200));
    }
  }
  out.samples("rpc.get_signatures_for_address", "ms", ms);
  out.value("rpc.get_signatures_for_address.rows", "rows",
            static_cast<double>(std::min<std::size_t>(at.signatures, 1000)));
  out.samples("rpc.get_block.base64", "ms", base64);
  out.samples("rpc.get_block.jsonParsed", "ms", parsed);
  out.value("rpc.get_block.transactions", "transactions", static_cast<double>(at.in_largest));
  return {};
}

result<double> on_host(report& out, ledger::rpc_service& rpc, const known& at, const rpc_options& o) {
  OSVM_TRY(auto listener, ledger::listen_tcp("127.0.0.1:0"));
  OSVM_TRY(const auto address, ledger::local_address(listener.get()));
  OSVM_TRY(const auto where, parse_endpoint(address));
  const unique_fd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop) return errno_error("eventfd");
  ledger::rpc_server server(rpc, std::move(listener));
  double cpu_us = 0;
  std::thread serving([&] {
    (void)server.run(stop.get());
    cpu_us = thread_cpu_us();
  });
  auto rate = hammer(where, at, o);
  const std::uint64_t one = 1;
  (void)!::write(stop.get(), &one, sizeof one);
  serving.join();
  if (!rate) return rate;
  out.value("rpc.get_transaction.host", "per second", *rate);
  out.value("rpc.get_transaction.host.cpu", "us", cpu_us / static_cast<double>(server.stats().requests));
  return rate;
}

result<void> in_vm(environment& env, report& out, const known& at, const rpc_options& o, double host,
                   bool exitless) {
  const std::string name = exitless ? "rpc.get_transaction.vm.exitless" : "rpc.get_transaction.vm";
  OSVM_TRY(const auto program_path, find_guest("osvm-rpc"));
  OSVM_TRY(const auto program, unikernel::image::load(program_path));
  OSVM_TRY(const auto vm, rpc_vm::start(env.loop.get_executor(), program,
                                        {.name = exitless ? "rpc-exitless" : "rpc",
                                         .folder = o.folder,
                                         .socket_dir = env.sockets.path(),
                                         .exitless = exitless,
                                         .facts = &env.facts}));
  OSVM_CHECK(vm->guest().wait_listening({unikernel::transport::tcp, 8899}, 30s));
  while (!vm->ready()) {
    OSVM_CHECK(env.proceed());
    if (!vm->ended().empty()) return error(errc::closed, vm->ended());
    std::this_thread::yield();
  }
  OSVM_TRY(const double rate, hammer(vm->where(), at, o));
  out.value(name, "per second", rate);
  out.value(name + ".ratio", "of the host's", rate / host);
  if (exitless) return {};
  OSVM_TRY(auto front,
           hotswap::proxy::listen(env.loop.get_executor(), {.listen = tcp_endpoint{"127.0.0.1", 0}}));
  OSVM_CHECK(front.shift({.version = "vm", .where = vm->where()}));
  auto alone = o;
  alone.depth = 1;
  alone.connections = o.connections * o.depth;
  OSVM_TRY(const double proxied, hammer(front.local_endpoint(), at, alone));
  out.value("rpc.get_transaction.vm.proxied", "per second", proxied);
  const auto used = vm->guest().stats();
  out.value("rpc.vm.memory", "MiB", static_cast<double>(used.memory_peak_bytes) / (1 << 20));
  out.remark("VM: " + vm->guest().isolation_report() + ", " + std::to_string(used.exits) + " exits");
  return {};
}

}  // namespace

struct slot_client::connection {
  pipeline to;
};

slot_client::slot_client(endpoint where) : where_(std::move(where)) {}
slot_client::~slot_client() = default;

std::optional<std::uint64_t> slot_client::last_slot() {
  static const std::string question = post(R"({"jsonrpc":"2.0","id":1,"method":"getSlot"})");
  if (!connection_) {
    auto opened = pipeline::open(where_);
    if (!opened) return std::nullopt;
    connection_ = std::make_unique<connection>(connection{std::move(*opened)});
  }
  const auto sent = connection_->to.send(question);
  const auto answer = sent ? connection_->to.receive(1) : result<std::string>(sent.error());
  std::uint64_t slot = 0;
  if (answer) {
    const auto at = answer->find("\"result\":") + 9;
    if (std::from_chars(answer->data() + at, answer->data() + answer->size(), slot).ec == std::errc{})
      return slot;
  }
  connection_.reset();
  return std::nullopt;
}

result<void> measure_rpc(environment& env, report& out, const rpc_options& options) {
  OSVM_TRY(auto opened, open_ledger(options.folder));
  OSVM_TRY(const auto at, look_at_node(opened.store));
  ledger::rpc_service rpc(std::move(opened.store), std::move(opened.genesis));
  OSVM_CHECK(in_process(out, rpc, at, options));
  OSVM_CHECK(env.proceed());
  OSVM_TRY(const double host, on_host(out, rpc, at, options));
  OSVM_CHECK(env.proceed());
  OSVM_CHECK(in_vm(env, out, at, options, host, false));
  OSVM_CHECK(env.proceed());
  return in_vm(env, out, at, options, host, true);
}

}  // namespace osvm::cli::bench
