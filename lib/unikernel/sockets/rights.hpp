// Descriptors in flight between a guest's own sockets (SCM_RIGHTS). No descriptor of the host ever travels:
// the message carries the write end of an empty pipe as a token, and what it stands for waits here. A token
// that a process of the host got hold of is worth nothing, and a descriptor that arrives from outside is no
// token.
#pragma once

#include "unikernel/files/descriptor.hpp"

#include <osvm/core/unique_fd.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace osvm::unikernel {

// Thread-safe.
class descriptor_parcels final {
 public:
  using content = std::vector<std::shared_ptr<descriptor>>;
  // `limit`: descriptors in flight at most. 0 with the token, -ETOOMANYREFS or -ENFILE.
  std::int64_t pack(content what, std::size_t limit, unique_fd& token);
  // What a token stands for; `keep` for a look (MSG_PEEK). False: not a token of this instance.
  bool unpack(int token, bool keep, content& out);
  void clear();

 private:
  struct parcel {
    unique_fd reader;  // hangs up when every copy of the token is closed
    content what;
  };
  void forget_lost();
  std::mutex lock_;
  std::map<std::uint64_t, parcel> parcels_;  // by the pipe's inode
};

}  // namespace osvm::unikernel
