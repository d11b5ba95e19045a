#include <osvm/core/runtime.hpp>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <csignal>
#include <thread>
#include <vector>

namespace osvm {

struct runtime::impl {
  explicit impl(unsigned n) : context(static_cast<int>(n)), work(context.get_executor()) {}
  boost::asio::io_context context;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  std::vector<std::thread> threads;
};

runtime::runtime(runtime_options options)
    : impl_(std::make_unique<impl>(std::clamp(options.threads, 1U, 256U))) {
  // Loop threads take no signals: the embedder's own threads handle them.
  sigset_t all;
  sigset_t old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  for (unsigned i = 0; i < std::clamp(options.threads, 1U, 256U); ++i) {
    impl_->threads.emplace_back([this] { impl_->context.run(); });
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

runtime::~runtime() {
  stop();
}

executor runtime::get_executor() const noexcept {
  return impl_->context.get_executor();
}

void runtime::stop() noexcept {
  impl_->context.stop();
  for (auto& t : impl_->threads) {
    if (t.joinable()) t.join();
  }
}

}  // namespace osvm
