#include "unikernel/sockets/rights.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace osvm::unikernel {

// Messages that nobody will receive any more: their sockets were closed.
void descriptor_parcels::forget_lost() {
  std::erase_if(parcels_, [](const auto& entry) {
    pollfd p{entry.second.reader.get(), 0, 0};
    return ::poll(&p, 1, 0) > 0 && (p.revents & POLLHUP) != 0;
  });
}

std::int64_t descriptor_parcels::pack(content what, std::size_t limit, unique_fd& token) {
  const std::lock_guard guard(lock_);
  forget_lost();
  std::size_t in_flight = what.size();
  for (const auto& [inode, p] : parcels_) in_flight += p.what.size();
  if (in_flight > limit) return -ETOOMANYREFS;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return -ENFILE;
  parcel made{unique_fd(ends[0]), std::move(what)};
  token.reset(ends[1]);
  struct stat st {};
  if (::fstat(token.get(), &st) != 0) return -errno;
  parcels_[st.st_ino] = std::move(made);
  return 0;
}

bool descriptor_parcels::unpack(int token, bool keep, content& out) {
  struct stat mine {
  }, theirs{};
  if (::fstat(token, &theirs) != 0 || !S_ISFIFO(theirs.st_mode)) return false;
  const std::lock_guard guard(lock_);
  const auto it = parcels_.find(theirs.st_ino);
  // The same number in another file system is another pipe: the reader says which one is meant.
  if (it == parcels_.end() || ::fstat(it->second.reader.get(), &mine) != 0 || mine.st_dev != theirs.st_dev)
    return false;
  out = it->second.what;
  if (!keep) parcels_.erase(it);
  return true;
}

void descriptor_parcels::clear() {
  std::map<std::uint64_t, parcel> old;
  const std::lock_guard guard(lock_);
  old.swap(parcels_);
}

}  // namespace osvm::unikernel
