// The FIFOs of an instance: those that it made in folders of the host, and those that somebody has open.
#pragma once

#include <osvm/core/unique_fd.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

namespace osvm::unikernel {

struct call_context;
struct overlay_node;
class fifo;

// Thread-safe.
class fifo_table final {
 public:
  using file_id =
      std::pair<std::uint64_t, std::uint64_t>;  // device and inode; of a node in memory: 0 and its address
  static constexpr std::size_t max_made = 4096;

  // A FIFO in a folder of the host was made by this instance: others are not opened. False: there are too
  // many.
  bool made(file_id id);
  void removed(file_id id);
  bool knows(file_id id) const;
  bool any() const;
  // The FIFO that is open under `id`, or a new one; null with errno set.
  std::shared_ptr<fifo> open(call_context& ctx, file_id id, unique_fd object,
                             std::shared_ptr<overlay_node> node);

 private:
  mutable std::mutex lock_;
  std::set<file_id> made_;
  std::map<file_id, std::weak_ptr<fifo>> open_;
};

}  // namespace osvm::unikernel
