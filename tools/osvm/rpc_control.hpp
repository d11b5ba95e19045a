// The socket by which a running `rpc local` is asked how it is, to start anew, or to stop. It lies in the
// node's private folder ($XDG_RUNTIME_DIR/osvm/rpc-XXXXXX, mode 0700). One line there, one line of JSON back.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>

#include <boost/json/object.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace osvm::cli {

struct rpc_control_handlers {
  std::function<boost::json::object()> status;
  std::function<result<boost::json::object>()> reset;  // may block; from a thread of its own
  std::function<void()> stop;                          // only asks for it
};

// Answers on a thread of its own, one request at a time, until its end; a reset does not keep the others
// waiting. Who asked to stop sees the end of its connection then. The destructor waits for a reset.
class rpc_control final {
 public:
  static result<std::unique_ptr<rpc_control>> listen(const std::string& folder,
                                                     rpc_control_handlers handlers);
  ~rpc_control();
  rpc_control(const rpc_control&) = delete;
  rpc_control& operator=(const rpc_control&) = delete;

 private:
  rpc_control(unique_fd listener, unique_fd end, rpc_control_handlers handlers);
  void serve();
  void answer(unique_fd client);
  void reset(unique_fd client);

  unique_fd listener_, end_;
  rpc_control_handlers handlers_;
  std::vector<unique_fd> parting_;
  std::thread thread_;
  std::atomic<bool> resetting_{false};
  std::thread reset_;  // thread_'s own
};

// One node that runs, as the current user's.
struct rpc_node_at {
  std::string socket;
  bool busy = false;  // it takes connections, but did not answer in time
  boost::json::object status;
};
// Fails with errc::denied when the folder of the sockets may be another user's.
result<std::vector<rpc_node_at>> find_rpc_nodes(std::chrono::milliseconds patience = std::chrono::seconds(5));
// Sends `verb` ("status", "reset", "stop"); with `to_the_end` it waits until the node has gone.
result<boost::json::object> ask_rpc_node(const std::string& socket, const std::string& verb,
                                         std::chrono::milliseconds patience, bool to_the_end = false);

}  // namespace osvm::cli
