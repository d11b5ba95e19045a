// A running guest's counters as a file of Prometheus text, for node_exporter's textfile collector and the
// like.
#pragma once

#include <osvm/unikernel/instance.hpp>
#include <osvm/unikernel/metrics.hpp>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace osvm::cli {

// Writes it once a second, from a thread of its own, and at the end; a reader sees whole files only.
class metrics_file final {
 public:
  // Borrows the guest. Errors: errno, when the file cannot be written now.
  static result<std::unique_ptr<metrics_file>> open(std::string path, const unikernel::instance& guest,
                                                    std::string name);
  ~metrics_file();
  metrics_file(const metrics_file&) = delete;
  metrics_file& operator=(const metrics_file&) = delete;

  // The last time, when the guest has ended.
  result<void> finish();

 private:
  metrics_file(std::string path, const unikernel::instance& guest, std::string name);
  result<void> write();
  void run();
  void stop() noexcept;

  const std::string path_, name_;
  const unikernel::instance& guest_;
  metrics_registry all_;
  std::mutex lock_;
  std::condition_variable changed_;
  bool stopped_ = false;
  std::thread writer_;
};

}  // namespace osvm::cli
