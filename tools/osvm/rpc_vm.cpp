#include "rpc_vm.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <charconv>
#include <cstring>
#include <filesystem>

namespace osvm::cli {
namespace {

using lost_handler = boost::asio::any_completion_handler<void(std::string)>;

constexpr unikernel::listener serving{unikernel::transport::tcp, 8899};
constexpr unikernel::listener controlling{unikernel::transport::tcp, 8898};
constexpr std::size_t longest_control_answer = 128;  // of the guest, which is not trusted

// A path in the guest whose last part is the host's: the names of snapshot archives have a meaning.
std::string guest_path(std::size_t index, const std::string& host) {
  auto name = std::filesystem::path(host).lexically_normal();
  if (!name.has_filename()) name = name.parent_path();
  return "/accounts/" + std::to_string(index) + "/" + name.filename().string();
}

unikernel::instance_options describe(const rpc_vm_options& o) {
  unikernel::instance_options out;
  out.name = o.name;
  out.arguments = {"osvm-rpc",
                   "--ledger",
                   "/ledger",
                   "--listen",
                   "0.0.0.0:" + std::to_string(serving.port),
                   "--control",
                   "0.0.0.0:" + std::to_string(controlling.port),
                   "--release",
                   o.name};
  out.policy.mounts.push_back({.host_path = o.folder, .guest_path = "/ledger"});
  if (!o.index.empty()) {
    out.policy.mounts.push_back({.host_path = o.index, .guest_path = "/index"});
    out.arguments.insert(out.arguments.end(), {"--index", "/index"});
  }
  for (std::size_t i = 0; i < o.accounts.size(); ++i) {
    out.policy.mounts.push_back({.host_path = o.accounts[i], .guest_path = guest_path(i, o.accounts[i])});
    out.arguments.insert(out.arguments.end(), {"--accounts", guest_path(i, o.accounts[i])});
  }
  const auto& up = o.upstream;
  out.arguments.insert(out.arguments.end(), up.arguments.begin(), up.arguments.end());
  out.policy.mounts.insert(out.policy.mounts.end(), up.mounts.begin(), up.mounts.end());
  out.policy.connect = up.connect;
  out.policy.listen = {serving, controlling};
  out.budgets.memory_bytes = o.memory;
  out.budgets.descriptors = 1024;
  out.budgets.threads = 8;
  out.socket_dir = o.socket_dir;
  out.exitless = o.exitless;
  out.facts = o.facts;
  out.error = unikernel::stdio::log();
  return out;
}

result<> wait_for_vm(int fd, short what, const deadline& until) {
  pollfd p{fd, what, 0};
  for (;;) {
    const int n = ::poll(&p, 1, until.poll_timeout());
    if (n > 0) return {};
    if (n == 0) return error(errc::timed_out, "the VM does not answer its control port");
    if (errno != EINTR) return errno_error("poll");
  }
}

result<known_slots> parse_slots(std::string_view line) {
  if (!line.starts_with("ok ")) return error(errc::denied, "the VM cannot look at its ledger anew");
  known_slots out{};
  const char* at = line.data() + 2;
  const char* const end = line.data() + line.size();
  for (auto& slot : out) {
    if (at == end || *at != ' ') return error(errc::malformed, "the answer of the VM's control port");
    const auto [stop, e] = std::from_chars(at + 1, end, slot);
    if (e != std::errc{}) return error(errc::malformed, "the answer of the VM's control port");
    at = stop;
  }
  return out;
}

}  // namespace

result<std::shared_ptr<rpc_vm>> rpc_vm::start(executor ex, const unikernel::image& program,
                                              rpc_vm_options options) {
  const std::shared_ptr<rpc_vm> vm(new rpc_vm(std::move(options)));
  auto how = describe(vm->options_);
  how.events.handler = [say = vm->options_.say, name = vm->options_.name](auto events) {
    for (const unikernel::event& e : events)
      if (say && e.kind == unikernel::event_kind::log) say(name + ": " + e.text);
  };
  OSVM_TRY(auto guest, unikernel::instance::create(std::move(ex), program, std::move(how)));
  vm->guest_.emplace(std::move(guest));
  vm->listen_for_news();
  return vm;
}

// The handlers hold it weakly: each is completed when the guest ends, at the latest by the destructor.
void rpc_vm::listen_for_news() {
  const auto tell = [weak = weak_from_this()](auto&& change) {
    const auto self = weak.lock();
    if (!self) return;
    {
      const std::lock_guard lock(self->mutex_);
      change(*self);
    }
    if (self->options_.changed) self->options_.changed();
  };
  guest_->async_listening(serving, [tell](result<endpoint> where) {
    if (!where) return;
    tell([&](rpc_vm& self) {
      self.address_ = *where;
      self.listening_ = true;
    });
  });
  guest_->async_listening(controlling, [tell](result<endpoint> where) {
    if (where) tell([&](rpc_vm& self) { self.control_address_ = *where; });
  });
  guest_->async_wait([tell](result<unikernel::exit_report> how) {
    tell([&](rpc_vm& self) { self.ended_ = how ? how->describe() : how.error().to_string(); });
  });
}

rpc_vm::~rpc_vm() {
  tell_lost("it was ended");
}

void rpc_vm::async_lost(boost::asio::any_completion_handler<void(std::string)> handler) {
  {
    const std::lock_guard lock(mutex_);
    lost_ = std::make_unique<lost_handler>(std::move(handler));
  }
  guest_->async_wait([weak = weak_from_this()](result<unikernel::exit_report> how) {
    if (const auto self = weak.lock()) self->tell_lost(how ? how->describe() : how.error().to_string());
  });
}

void rpc_vm::supersede() {
  tell_lost("its successor serves");
}

void rpc_vm::tell_lost(std::string why) {
  std::unique_ptr<lost_handler> handler;
  {
    const std::lock_guard lock(mutex_);
    handler = std::move(lost_);
  }
  if (handler) std::move (*handler)(std::move(why));
}

bool rpc_vm::ready() const {
  const std::lock_guard lock(mutex_);
  return listening_ && control_address_ && ended_.empty();
}

std::string rpc_vm::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

known_slots rpc_vm::slots() const {
  const std::lock_guard lock(mutex_);
  return slots_;
}

result<> rpc_vm::connect_control(const deadline& until) {
  std::optional<endpoint> where;
  {
    const std::lock_guard lock(mutex_);
    where = control_address_;
  }
  const auto* at = where ? std::get_if<unix_endpoint>(&*where) : nullptr;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (at == nullptr || at->path.size() >= sizeof to.sun_path)
    return error(errc::closed, "the VM has no control port yet");
  std::memcpy(to.sun_path, at->path.data(), at->path.size());
  unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    return errno_error("the VM's control port");
  OSVM_CHECK(wait_for_vm(fd.get(), POLLOUT, until));
  control_ = std::move(fd);
  return {};
}

// Gives the connection that the order went over: it is kept again only once its answer has come, so that a
// late one is never taken for that to the next order.
result<unique_fd> rpc_vm::order(std::string_view line, const deadline& until) {
  if (!control_) OSVM_CHECK(connect_control(until));
  unique_fd fd = std::move(control_);
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    return errno_error("the VM's control port");
  return fd;
}

result<> rpc_vm::goodbye(std::chrono::milliseconds patience) {
  OSVM_CHECK(order("goodbye\n", deadline::after(patience)));
  return {};
}

result<known_slots> rpc_vm::advance(std::chrono::milliseconds patience) {
  const auto until = deadline::after(patience);
  OSVM_TRY(unique_fd fd, order("advance\n", until));
  std::string line;
  while (!line.ends_with('\n')) {
    OSVM_CHECK(wait_for_vm(fd.get(), POLLIN, until));
    char part[longest_control_answer];
    const auto n = ::recv(fd.get(), part, sizeof part, 0);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return errno_error("the VM's control port");
    if (n == 0) return error(errc::closed, "the VM closed its control port");
    line.append(part, static_cast<std::size_t>(n));
    if (line.size() > longest_control_answer)
      return error(errc::malformed, "the answer of the VM's control port");
  }
  line.pop_back();
  control_ = std::move(fd);
  OSVM_TRY(const auto slots, parse_slots(line));
  const std::lock_guard lock(mutex_);
  slots_ = slots;
  return slots;
}

}  // namespace osvm::cli
