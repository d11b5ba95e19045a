// An Asio server on three threads with its clients, TCP and unix, timers and a resolver in one program: what
// it prints is the same wherever it runs.
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <unistd.h>
#include <atomic>
#include <cctype>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using boost::system::error_code;

constexpr int clients = 16, rounds = 40;

template <class Protocol>
class session : public std::enable_shared_from_this<session<Protocol>> {
 public:
  explicit session(typename Protocol::socket s) : socket_(std::move(s)) {}
  void read() {
    asio::async_read_until(socket_, asio::dynamic_buffer(text_), '\n',
                           [self = this->shared_from_this()](error_code e, std::size_t n) {
                             if (e) return;
                             self->answer_ = self->text_.substr(0, n);
                             self->text_.erase(0, n);
                             for (char& c : self->answer_) c = static_cast<char>(std::toupper(c));
                             self->write();
                           });
  }

 private:
  void write() {
    asio::async_write(socket_, asio::buffer(answer_),
                      [self = this->shared_from_this()](error_code e, std::size_t) {
                        if (!e) self->read();
                      });
  }
  typename Protocol::socket socket_;
  std::string text_, answer_;
};

template <class Protocol>
void accept(typename Protocol::acceptor& from) {
  from.async_accept([&from](error_code e, typename Protocol::socket s) {
    if (e) return;
    std::make_shared<session<Protocol>>(std::move(s))->read();
    accept<Protocol>(from);
  });
}

template <class Protocol>
class client : public std::enable_shared_from_this<client<Protocol>> {
 public:
  client(asio::io_context& io, int number, std::atomic<int>& good, std::atomic<int>& left)
      : socket_(io), number_(number), good_(good), left_(left) {}
  void start(const typename Protocol::endpoint& to) {
    socket_.async_connect(to, [self = this->shared_from_this()](error_code e) {
      if (e) {
        std::printf("connect: %s\n", e.message().c_str());
        --self->left_;
      } else {
        self->next();
      }
    });
  }

 private:
  void next() {
    if (++round_ > rounds) {
      --left_;
      return;
    }
    question_ = "client " + std::to_string(number_) + " round " + std::to_string(round_) + "\n";
    asio::async_write(socket_, asio::buffer(question_),
                      [self = this->shared_from_this()](error_code, std::size_t) {
                        asio::async_read_until(self->socket_, asio::dynamic_buffer(self->text_), '\n',
                                               [self](error_code, std::size_t n) {
                                                 std::string expected = self->question_;
                                                 for (char& c : expected)
                                                   c = static_cast<char>(std::toupper(c));
                                                 if (self->text_.substr(0, n) == expected) ++self->good_;
                                                 self->text_.erase(0, n);
                                                 self->next();
                                               });
                      });
  }
  typename Protocol::socket socket_;
  int number_, round_ = 0;
  std::string question_, text_;
  std::atomic<int>&good_, &left_;
};

int main() {
  asio::io_context io;
  using tcp = asio::ip::tcp;
  using local = asio::local::stream_protocol;
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const std::string path = "/tmp/osvm-asio-server.sock";
  ::unlink(path.c_str());
  local::acceptor local_acceptor(io, local::endpoint(path));
  accept<tcp>(acceptor);
  accept<local>(local_acceptor);
  std::atomic<int> good{0}, left{2 * clients}, ticks{0};
  for (int i = 0; i < clients; ++i) {
    std::make_shared<client<tcp>>(io, i, good, left)->start(acceptor.local_endpoint());
    std::make_shared<client<local>>(io, 100 + i, good, left)->start(local::endpoint(path));
  }
  asio::steady_timer timer(io);
  std::function<void(error_code)> tick = [&](error_code) {
    ++ticks;
    if (left == 0) {
      acceptor.close();
      local_acceptor.close();
      io.stop();
      return;
    }
    timer.expires_after(std::chrono::milliseconds(5));
    timer.async_wait(tick);
  };
  asio::post(io, [&] { tick({}); });
  tcp::socket nobody(io);
  nobody.async_connect(tcp::endpoint(asio::ip::address_v4::loopback(), 1),
                       [](error_code e) { std::printf("nobody: %s\n", e.message().c_str()); });
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back([&] { io.run(); });
  for (auto& t : threads) t.join();
  ::unlink(path.c_str());
  std::printf("%d answers, ticked %s\n", good.load(), ticks > 0 ? "yes" : "no");
  return good == 2 * clients * rounds ? 0 : 1;
}
