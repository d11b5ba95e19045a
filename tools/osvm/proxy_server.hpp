// A running `osvm proxy`: the gateway, its log, its control socket.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/hotswap/gateway_host.hpp>

#include <boost/json/object.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "proxy_control.hpp"
#include "proxy_successor.hpp"

namespace osvm::cli {

class proxy_server final {
 public:
  // `tell`: a line for people, from any thread.
  // `handed_over`: a successor accepts in this one's place, which is to leave(). `from`: whose successor this
  // one is; null: nobody's.
  static result<std::unique_ptr<proxy_server>> open(std::vector<executor> executors, const std::string& file,
                                                    hotswap::gateway_config config,
                                                    std::function<void(const std::string&)> tell,
                                                    std::function<void()> handed_over, take_over* from);
  // When this is somebody's successor: accepts, and the one before leaves.
  result<void> succeed(take_over& from);
  // Until its clients have gone, at most that long; tells how many were cut then.
  void leave(std::chrono::nanoseconds deadline);
  // The releases of all services, each active or not.
  result<void> begin();
  result<void> reload();
  void stop(std::chrono::nanoseconds deadline);
  std::vector<hotswap::listener_report> listeners() const { return gateway_->listeners(); }

 private:
  proxy_server() = default;
  result<boost::json::object> answer(const boost::json::object& request);
  result<boost::json::object> shift(const boost::json::object& request);
  result<boost::json::object> drain(const boost::json::object& request);

  void hand_over(int client, int stop);

  std::string file_, control_path_;
  std::function<void()> handed_over_;
  std::function<void(const std::string&)> tell_;
  std::shared_ptr<hotswap::line_file> log_;  // shards write once more when the gateway has gone
  std::unique_ptr<hotswap::gateway> gateway_;
  std::unique_ptr<proxy_control> control_;
};

boost::json::object to_json(const hotswap::shift_report& r);

}  // namespace osvm::cli
