#include "unikernel/ipc/message_queues.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

namespace osvm::unikernel {
namespace {

constexpr unsigned queue_owner = 1000;

}  // namespace

queue_table::queue_ptr queue_table::find(int id) const {
  const auto at = queues_.find(id);
  return at == queues_.end() ? nullptr : at->second;
}

std::int64_t queue_table::get(key_t key, int flags, std::int64_t now) {
  const std::lock_guard guard(lock_);
  for (const auto& [id, q] : queues_) {
    if (key == IPC_PRIVATE || q->about.msg_perm.__key != key) continue;
    return (flags & IPC_CREAT) && (flags & IPC_EXCL) ? -EEXIST : id;
  }
  if (key != IPC_PRIVATE && !(flags & IPC_CREAT)) return -ENOENT;
  if (queues_.size() >= max_queues || next_id_ == INT32_MAX) return -ENOSPC;
  auto made = std::make_shared<queue>();
  made->about.msg_qbytes = max_bytes;
  made->about.msg_ctime = now;
  auto& who = made->about.msg_perm;
  who.__key = key;
  who.uid = who.cuid = who.gid = who.cgid = queue_owner;
  who.mode = static_cast<decltype(who.mode)>(flags & 0777);
  queues_.emplace(next_id_, std::move(made));
  return next_id_++;
}

std::int64_t queue_table::send(int id, message m, int flags, int pid, waiter& who) {
  std::unique_lock held(lock_);
  const queue_ptr q = find(id);
  if (!q) return -EINVAL;
  auto& about = q->about;
  const auto full = [&] {
    return about.__msg_cbytes + m.text.size() > about.msg_qbytes || about.msg_qnum + 1 > about.msg_qbytes;
  };
  while (full()) {
    if (flags & IPC_NOWAIT) return -EAGAIN;
    const wait_result w = q->waiting.wait(held, who, std::nullopt);
    if (q->removed) return -EIDRM;
    if (w != wait_result::ready && full()) return -EINTR;
  }
  about.__msg_cbytes += m.text.size();
  ++about.msg_qnum;
  about.msg_lspid = pid;
  about.msg_stime = ::time(nullptr);
  q->messages.push_back(std::move(m));
  q->waiting.wake_all();
  return 0;
}

queue_table::position queue_table::pick(queue& q, const receive_options& wanted) {
  auto& all = q.messages;
  if (wanted.type == 0) return all.begin();
  if (wanted.type > 0) {
    const bool except = (wanted.flags & MSG_EXCEPT) != 0;
    return std::find_if(all.begin(), all.end(),
                        [&](const message& m) { return (m.type == wanted.type) != except; });
  }
  // The lowest type that is at most this.
  const std::int64_t most = wanted.type == INT64_MIN ? INT64_MAX : -wanted.type;
  const auto lowest =
      std::min_element(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.type < b.type; });
  return lowest != all.end() && lowest->type <= most ? lowest : all.end();
}

void queue_table::take(queue& q, position at, message& out, int pid) {
  out = std::move(*at);
  q.messages.erase(at);
  q.about.__msg_cbytes -= out.text.size();
  --q.about.msg_qnum;
  q.about.msg_lrpid = pid;
  q.about.msg_rtime = ::time(nullptr);
  q.waiting.wake_all();
}

std::int64_t queue_table::receive(int id, const receive_options& wanted, int pid, waiter& who, message& out) {
  std::unique_lock held(lock_);
  const queue_ptr q = find(id);
  if (!q) return -EINVAL;
  for (wait_result w = wait_result::ready;;) {
    const position at = pick(*q, wanted);
    if (at != q->messages.end()) {
      if (at->text.size() > wanted.size && !(wanted.flags & MSG_NOERROR)) return -E2BIG;
      take(*q, at, out, pid);
      return 0;
    }
    if (wanted.flags & IPC_NOWAIT) return -ENOMSG;
    if (w != wait_result::ready) return -EINTR;  // and no message came with the signal
    w = q->waiting.wait(held, who, std::nullopt);
    if (q->removed) return -EIDRM;
  }
}

std::int64_t queue_table::stat(int id, msqid_ds& out) const {
  const std::lock_guard guard(lock_);
  const queue_ptr q = find(id);
  if (!q) return -EINVAL;
  out = q->about;
  return 0;
}

std::int64_t queue_table::change(int id, const msqid_ds& wanted, std::int64_t now) {
  const std::lock_guard guard(lock_);
  const queue_ptr q = find(id);
  if (!q) return -EINVAL;
  if (wanted.msg_qbytes > max_bytes) return -EPERM;
  auto& mode = q->about.msg_perm.mode;
  mode = static_cast<decltype(ipc_perm::mode)>((mode & ~0777U) | (wanted.msg_perm.mode & 0777U));
  q->about.msg_qbytes = wanted.msg_qbytes;
  q->about.msg_ctime = now;
  q->waiting.wake_all();
  return 0;
}

std::int64_t queue_table::remove(int id) {
  const std::lock_guard guard(lock_);
  const queue_ptr q = find(id);
  if (!q) return -EINVAL;
  q->removed = true;
  queues_.erase(id);
  q->waiting.wake_all();
  return 0;
}

bool queue_table::any() const {
  const std::lock_guard guard(lock_);
  return !queues_.empty();
}

}  // namespace osvm::unikernel
