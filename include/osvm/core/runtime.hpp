// Threads for asynchronous work. The library never makes one by itself: the embedder does, or passes
// any Asio executor of its own wherever an executor is asked for.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>

namespace osvm {

using executor = boost::asio::any_io_executor;

struct runtime_options {
  unsigned threads = 1;  // 1..256
};

// An event loop run by its own threads. Thread-safe. Destroying it stops the loop and joins the threads, so
// everything that uses its executor must have ended before; never destroy it from one of its own handlers.
class runtime final {
 public:
  explicit runtime(runtime_options options = {});
  ~runtime();
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  executor get_executor() const noexcept;
  // Lets no further handler start, and joins the threads. Idempotent.
  void stop() noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace osvm
