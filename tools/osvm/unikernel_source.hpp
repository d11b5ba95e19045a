// Releases that run in unikernels: what joins the release engine, which knows no VMs, with VMs.
#pragma once

#include <osvm/hotswap/instance_source.hpp>
#include <osvm/kvm/host_facts.hpp>
#include <osvm/unikernel/instance.hpp>

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace osvm::cli {

// release_spec::source_data; release_spec::artifact is the program's path.
struct unikernel_release {
  std::vector<std::string> arguments;  // argv
  unikernel::budgets budgets;
  std::vector<unikernel::mount> mounts{};
};

// One instance that has ended.
struct instance_record {
  std::string version;
  std::string isolation;  // what it really had
  unikernel::instance_stats stats;
  unikernel::exit_report ended;
};

struct unikernel_source_options {
  unikernel::listener listens{unikernel::transport::tcp, 8080};  // where every release answers
  std::string socket_dir;                                        // private folder, must outlive the source
  kvm::host_facts facts;
};

// Thread-safe. Must end before its executor.
class unikernel_source final : public hotswap::instance_source,
                               public std::enable_shared_from_this<unikernel_source> {
 public:
  unikernel_source(executor ex, unikernel_source_options options)
      : ex_(std::move(ex)), options_(std::move(options)) {}

  void async_start(
      const hotswap::release_spec& spec, std::stop_token stop,
      boost::asio::any_completion_handler<void(result<std::shared_ptr<hotswap::lease>>)> handler) override;
  void async_stop(std::shared_ptr<hotswap::lease> which, std::chrono::nanoseconds deadline,
                  boost::asio::any_completion_handler<void(result<void>)> handler) override;

  // Instances that were stopped or never got as far as listening, in the order of their end.
  std::vector<instance_record> records() const;

 private:
  result<unikernel::image> load(const std::string& path);
  result<unikernel::instance> create(const std::string& version, const std::string& path,
                                     const unikernel_release& release);
  void record(const std::string& version, const unikernel::instance& guest,
              const unikernel::exit_report& ended);

  const executor ex_;
  const unikernel_source_options options_;
  mutable std::mutex mutex_;
  std::map<std::string, unikernel::image> images_;  // a release that comes again is not read again
  std::vector<instance_record> records_;
  unsigned started_ = 0;
};

}  // namespace osvm::cli
