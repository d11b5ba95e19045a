#include "metrics_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <osvm/core/unique_fd.hpp>

#include <cstdio>

namespace osvm::cli {
namespace {

constexpr auto metrics_interval = std::chrono::seconds(1);

}  // namespace

metrics_file::metrics_file(std::string path, const unikernel::instance& guest, std::string name)
    : path_(std::move(path)), name_(std::move(name)), guest_(guest) {}

result<std::unique_ptr<metrics_file>> metrics_file::open(std::string path, const unikernel::instance& guest,
                                                         std::string name) {
  std::unique_ptr<metrics_file> file(new metrics_file(std::move(path), guest, std::move(name)));
  OSVM_CHECK(file->write());
  file->writer_ = std::thread([f = file.get()] { f->run(); });
  return file;
}

metrics_file::~metrics_file() {
  stop();
}

void metrics_file::stop() noexcept {
  {
    const std::lock_guard guard(lock_);
    stopped_ = true;
    changed_.notify_all();
  }
  if (writer_.joinable()) writer_.join();
}

// A write that fails now may succeed later; the last one is told.
void metrics_file::run() {
  std::unique_lock lock(lock_);
  while (!changed_.wait_for(lock, metrics_interval, [this] { return stopped_; })) {
    lock.unlock();
    (void)write();
    lock.lock();
  }
}

result<void> metrics_file::finish() {
  stop();
  return write();
}

result<void> metrics_file::write() {
  OSVM_CHECK(unikernel::record_metrics(all_, guest_.stats(), name_));
  const std::string text = all_.prometheus(), next = path_ + ".tmp";
  unique_fd file(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file) return errno_error("metrics file " + next);
  const bool whole = ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (whole && ::rename(next.c_str(), path_.c_str()) == 0) return {};
  const int why = errno;
  (void)::unlink(next.c_str());
  return errno_error("metrics file " + path_, why);
}

}  // namespace osvm::cli
