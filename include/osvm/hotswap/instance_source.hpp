// For people who give the release engine something to release: VMs, processes, containers, plain endpoints.
// A weaker promise than the rest of this module: members may be added between minor versions.
#pragma once

#include <osvm/hotswap/error.hpp>
#include <osvm/vsock/endpoint.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace osvm::hotswap {

struct release_spec;

// A started instance. The source makes it and may derive from it; the engine holds it until the instance is
// stopped. Member functions may be called from any thread.
class lease {
 public:
  virtual ~lease() = default;
  // Where it can be reached; fixed.
  virtual const endpoint& where() const noexcept = 0;
  // Where else, when it is more than one server; fixed.
  virtual std::vector<endpoint> also() const { return {}; }
  // `handler` is completed once, when the instance has ended by itself (also before this call), with the
  // reason for people; or, when it is stopped or was lost before, at any time after that. Called once per
  // lease.
  virtual void async_lost(boost::asio::any_completion_handler<void(std::string reason)> handler) = 0;
};

// Starts and stops instances. The engine never calls a member again before the last call has returned, but
// calls may come from any thread of the executor.
class instance_source {
 public:
  virtual ~instance_source() = default;
  // Starts an instance of `spec`, and completes as soon as its endpoint is known (it need not answer yet:
  // that is the probe's part). When `stop` is requested the start is no longer wanted: complete soon, with an
  // error; a lease that comes anyway is stopped. `spec` is valid until the call returns. Never completes
  // inline.
  virtual void async_start(
      const release_spec& spec, std::stop_token stop,
      boost::asio::any_completion_handler<void(result<std::shared_ptr<lease>>)> handler) = 0;
  // Ends the instance, by force after `deadline` at the latest. Completes when it is gone. Never completes
  // inline.
  virtual void async_stop(std::shared_ptr<lease> which, std::chrono::nanoseconds deadline,
                          boost::asio::any_completion_handler<void(result<void>)> handler) = 0;
};

}  // namespace osvm::hotswap
