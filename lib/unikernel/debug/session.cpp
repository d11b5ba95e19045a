#include "unikernel/debug/session.hpp"

#include "unikernel/debug/commands.hpp"
#include "unikernel/debug/packet.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace osvm::unikernel {
namespace {

class debug_session {
 public:
  debug_session(debug_target& target, int connection)
      : target_(target), connection_(connection), commands_(target) {}

  result<void> run() {
    while (!over_) {
      if (running_) look_at_target();
      if (over_) break;
      std::array<pollfd, 2> waits{{{connection_, POLLIN, 0}, {target_.event(), POLLIN, 0}}};
      if (::poll(waits.data(), running_ ? 2 : 1, -1) < 0 && errno != EINTR) return errno_error("poll");
      if (waits[0].revents != 0 && !receive()) {
        if (running_) look_at_target();  // who closes because the guest has ended lets the debugger hear that
        break;
      }
      serve_packets();
      if (reader_.broken())
        return error(osvm::errc::invalid_argument, "the debugger sent a packet that is too long");
    }
    return {};
  }

 private:
  void send(const std::string& bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t n = ::send(connection_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        pollfd wait{connection_, POLLOUT, 0};
        if (::poll(&wait, 1, -1) >= 0 || errno == EINTR) continue;
      }
      if (n <= 0) {
        over_ = true;
        return;
      }
      done += static_cast<std::size_t>(n);
    }
  }

  // False: the debugger has gone.
  bool receive() {
    std::array<char, 4096> bytes{};
    const ssize_t n = ::recv(connection_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    reader_.feed({bytes.data(), static_cast<std::size_t>(n)});
    return n > 0;
  }

  void serve_packets() {
    while (!over_) {
      const auto packet = reader_.next();
      if (const std::string at_once = reader_.take_answer(); !at_once.empty()) send(at_once);
      if (!packet) return;
      if (packet->what == debug_packet::kind::interrupt) {
        interrupt();
      } else if (!running_) {  // a debugger that asks a running target breaks the protocol
        serve(packet->body);
      }
    }
  }

  void serve(const std::string& body) {
    const debug_answer a = commands_.handle(body);
    if (a.body) send(framed(*a.body));
    if (commands_.wants_no_acknowledgements()) reader_.stop_acknowledging();
    running_ = a.next == debug_answer::then::runs;
    if (a.next == debug_answer::then::detaches) over_ = true;
  }

  void interrupt() {
    if (!running_ || !target_.interrupt()) return;  // an end is told of by look_at_target()
    running_ = false;
    const auto stop = target_.take_stop();
    send(framed(commands_.stop_reply(stop.value_or(debug_stop{target_.pid(), SIGINT, false}))));
  }

  void look_at_target() {
    if (const auto stop = target_.take_stop()) {
      running_ = false;
      send(framed(commands_.stop_reply(*stop)));
    } else if (const auto report = target_.ended()) {
      send(framed(debug_commands::end_reply(*report)));
      over_ = true;
    }
  }

  debug_target& target_;
  const int connection_;
  debug_commands commands_;
  packet_reader reader_;
  bool running_ = false, over_ = false;
};

}  // namespace

result<void> serve_debugger(debug_target& target, int connection) {
  return debug_session(target, connection).run();
}

}  // namespace osvm::unikernel
