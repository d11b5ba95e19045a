// An image's files, whose content lies with the embedder: the worker asks for a sealed memory file when one
// is first opened.
#pragma once

#include "unikernel/worker/link.hpp"

#include <osvm/unikernel/file_source.hpp>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace osvm::unikernel {

// Questions of the worker's threads to the handle. Thread-safe. Outlives the sources that ask through it.
class content_requests final {
 public:
  // Of the thread that receives.
  explicit content_requests(wire::link& link) : link_(link) {}

  result<unique_fd> ask(std::uint32_t tree, std::uint32_t entry);
  // Of the receiving thread.
  result<void> answered(wire::message m);
  // Nobody answers any more.
  void close();
  bool killed() const noexcept { return killed_; }  // the handle asked for it while the instance was made

 private:
  result<wire::message> receive_myself(std::uint32_t id);

  wire::link& link_;
  const std::thread::id receiver_ = std::this_thread::get_id();
  std::mutex lock_;
  std::condition_variable changed_;
  std::map<std::uint32_t, std::optional<wire::message>> waiting_;
  std::uint32_t next_ = 1;
  bool closed_ = false, killed_ = false;
};

class remote_source final : public file_source {
 public:
  remote_source(content_requests& ask, std::uint32_t tree, std::vector<source_entry> entries)
      : ask_(ask), tree_(tree), entries_(std::move(entries)) {}
  std::span<const source_entry> entries() const noexcept override { return entries_; }
  result<std::shared_ptr<const unique_fd>> open(std::size_t entry) const override;

 private:
  content_requests& ask_;
  std::uint32_t tree_;
  std::vector<source_entry> entries_;
  mutable std::mutex lock_;
  mutable std::map<std::size_t, std::weak_ptr<const unique_fd>> open_;
};

}  // namespace osvm::unikernel
