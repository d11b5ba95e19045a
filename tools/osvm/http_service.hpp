// The demo's HTTP server in VMs behind an L7 proxy, under load: what `demo`, `bench swap` and `bench restart`
// share.
#pragma once

#include <osvm/hotswap/load_client.hpp>
#include <osvm/hotswap/release.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <optional>

#include "unikernel_source.hpp"

namespace osvm::cli {

struct http_service_options {
  std::string program;  // path of the guest's http_server
  std::string socket_dir;
  kvm::host_facts facts;
  unsigned shards = 2;  // of the proxy: as many as the executor has threads
};

// Used by one thread that is none of the executor's. Must end before the executor.
class http_service final {
 public:
  static constexpr std::uint16_t guest_port = 8080;  // where every release listens

  static result<std::unique_ptr<http_service>> make(executor ex, http_service_options options);
  ~http_service();
  http_service(const http_service&) = delete;
  http_service& operator=(const http_service&) = delete;

  // What release `version` is deployed with: it listens, is healthy at /health and answers a few requests
  // first.
  hotswap::release_spec spec(const std::string& version, std::vector<std::string> flags = {}) const;
  // Blocks until the release is active, rejected or rolled back.
  result<hotswap::shift_report> deploy(hotswap::release_spec spec);

  // Requests to the proxy until finish_load(). `options.target` and the versions are filled in.
  void start_load(hotswap::load_options options);
  result<hotswap::load_report> finish_load();

  // Drains and stops the active release; its record is in source().records() then.
  result<hotswap::drain_report> stop();

  const hotswap::proxy& front() const noexcept { return front_; }
  const unikernel_source& source() const noexcept { return *source_; }

 private:
  http_service(executor ex, http_service_options options, hotswap::proxy front);

  executor ex_;
  http_service_options options_;
  hotswap::proxy front_;
  std::shared_ptr<unikernel_source> source_;
  std::optional<hotswap::load_client> load_;
  std::atomic<hotswap::load_client*> told_{nullptr};  // who hears of shifts; set while no deploy is under way
  std::future<result<hotswap::load_report>> loaded_;
  hotswap::service service_;
};

}  // namespace osvm::cli
