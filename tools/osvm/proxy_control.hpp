// The socket by which a running `osvm proxy` is asked and told: one line of JSON there, one line back. Mode
// 0600, and only processes of the same user are answered.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>

#include <boost/json/object.hpp>

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace osvm::cli {

// Answers on threads of its own, each connection on one, at most 16 at once. The handler may block, and ends
// soon when the proxy stops.
class proxy_control final {
 public:
  using answer_function = std::function<result<boost::json::object>(const boost::json::object& request)>;
  // Talks to a successor by itself, as long as it takes; `stop` becomes readable when this ends.
  using hand_over_function = std::function<void(int client, int stop)>;
  static result<std::unique_ptr<proxy_control>> listen(const std::string& path, answer_function answer,
                                                       hand_over_function hand_over);
  // Stands at `path` from now on, in the place of whatever was there.
  result<> move_to(const std::string& path);
  // Another process's socket has its place: it is not removed in the end.
  void give_up_path() noexcept { owns_path_ = false; }
  ~proxy_control();
  proxy_control(const proxy_control&) = delete;
  proxy_control& operator=(const proxy_control&) = delete;

 private:
  struct talk {
    std::thread thread;
    bool over = false;
  };
  proxy_control(std::string path, unique_fd listener, unique_fd end, answer_function answer,
                hand_over_function hand_over);
  void serve();
  void converse(unique_fd client);
  void sweep(bool all);

  std::string path_;
  unique_fd listener_, end_;
  answer_function answer_;
  hand_over_function hand_over_;
  std::atomic<bool> owns_path_{true};
  std::mutex mutex_;  // `over`
  std::list<talk> talks_;
  std::thread thread_;
};

// Fails with what the proxy says is wrong, errc::timed_out, errc::denied (another user's socket), or the
// errno of the connection.
result<boost::json::object> ask_proxy(const std::string& path, const boost::json::object& request,
                                      std::chrono::milliseconds patience);
// --control, or what the configuration in `file` says.
result<std::string> proxy_control_path(const std::string& control, const std::string& file);

}  // namespace osvm::cli
