#include "unikernel/memory/segments.hpp"

#include "unikernel/files/descriptor.hpp"

#include <cerrno>
#include <ctime>
#include <utility>

namespace osvm::unikernel {

std::optional<int> segment_table::find(key_t key) const {
  const std::lock_guard guard(lock_);
  for (const auto& [id, s] : segments_)
    if (key != IPC_PRIVATE && s.about.shm_perm.__key == key) return id;
  return std::nullopt;
}

std::int64_t segment_table::add(key_t key, segment s) {
  const std::lock_guard guard(lock_);
  for (const auto& [id, other] : segments_)
    if (key != IPC_PRIVATE && other.about.shm_perm.__key == key) return -EEXIST;
  if (segments_.size() >= max_segments || next_id_ == INT32_MAX) return -ENOSPC;
  s.about.shm_perm.__key = key;
  const int id = next_id_++;
  segments_.emplace(id, std::move(s));
  return id;
}

std::optional<segment_table::segment> segment_table::get(int id) const {
  const std::lock_guard guard(lock_);
  const auto at = segments_.find(id);
  return at == segments_.end() ? std::nullopt : std::optional(at->second);
}

bool segment_table::hold(int id, int pid) {
  const std::lock_guard guard(lock_);
  const auto at = segments_.find(id);
  if (at == segments_.end() || holds_ >= max_attached) return false;
  ++holds_;
  ++at->second.about.shm_nattch;
  at->second.about.shm_atime = ::time(nullptr);
  at->second.about.shm_lpid = pid;
  return true;
}

void segment_table::copy(const void* from, const void* to, int pid) {
  const std::lock_guard guard(lock_);
  std::map<place, attachment> more;
  for (auto it = attached_.lower_bound({from, 0}); it != attached_.end() && it->first.first == from; ++it) {
    const auto s = segments_.find(it->second.id);
    if (s == segments_.end()) continue;
    ++holds_;
    ++s->second.about.shm_nattch;
    s->second.about.shm_lpid = pid;
    more.emplace(place{to, it->first.second}, it->second);
  }
  attached_.merge(more);
}

void segment_table::forget(const void* space, int pid) {
  const std::lock_guard guard(lock_);
  auto it = attached_.lower_bound({space, 0});
  while (it != attached_.end() && it->first.first == space) {
    release_locked(it->second.id, pid);
    it = attached_.erase(it);
  }
}

void segment_table::release(int id, int pid) {
  const std::lock_guard guard(lock_);
  release_locked(id, pid);
}

void segment_table::release_locked(int id, int pid) {
  --holds_;
  const auto at = segments_.find(id);
  if (at == segments_.end()) return;
  --at->second.about.shm_nattch;
  at->second.about.shm_dtime = ::time(nullptr);
  at->second.about.shm_lpid = pid;
  drop_if_unused(at);
}

std::optional<segment_table::attachment> segment_table::attached(place at, attachment what) {
  const std::lock_guard guard(lock_);
  const auto [there, fresh] = attached_.try_emplace(at, what);
  if (fresh) return std::nullopt;
  return std::exchange(there->second, what);
}

std::optional<segment_table::attachment> segment_table::detach(place at) {
  const std::lock_guard guard(lock_);
  const auto found = attached_.find(at);
  if (found == attached_.end()) return std::nullopt;
  const attachment what = found->second;
  attached_.erase(found);
  return what;
}

// As Linux: the key is free at once, the id serves until the last attachment has gone.
bool segment_table::any() const {
  const std::lock_guard guard(lock_);
  return !segments_.empty();
}

bool segment_table::remove(int id) {
  const std::lock_guard guard(lock_);
  const auto at = segments_.find(id);
  if (at == segments_.end()) return false;
  at->second.removed = true;
  at->second.about.shm_perm.__key = IPC_PRIVATE;
  at->second.about.shm_perm.mode |= SHM_DEST;
  drop_if_unused(at);
  return true;
}

bool segment_table::change(int id, const ipc_perm& wanted) {
  const std::lock_guard guard(lock_);
  const auto at = segments_.find(id);
  if (at == segments_.end()) return false;
  auto& mode = at->second.about.shm_perm.mode;
  mode = static_cast<decltype(ipc_perm::mode)>((mode & ~0777U) | (wanted.mode & 0777U));
  at->second.about.shm_ctime = ::time(nullptr);
  return true;
}

void segment_table::drop_if_unused(std::map<int, segment>::iterator which) {
  if (which->second.removed && which->second.about.shm_nattch == 0) segments_.erase(which);
}

}  // namespace osvm::unikernel
