#include "unikernel/ipc/semaphores.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace osvm::unikernel {
namespace {

constexpr unsigned guest_user = 1000;

bool in_range(int value) {
  return value >= 0 && value <= semaphore_table::max_value;
}

}  // namespace

semaphore_table::set_ptr semaphore_table::find(int id) const {
  const auto at = sets_.find(id);
  return at == sets_.end() ? nullptr : at->second;
}

std::int64_t semaphore_table::get(key_t key, int count, int flags, std::int64_t now) {
  const std::lock_guard guard(lock_);
  if (count < 0 || static_cast<std::size_t>(count) > max_per_set) return -EINVAL;
  for (const auto& [id, s] : sets_) {
    if (key == IPC_PRIVATE || s->about.sem_perm.__key != key) continue;
    if ((flags & IPC_CREAT) && (flags & IPC_EXCL)) return -EEXIST;
    return static_cast<std::size_t>(count) > s->all.size() ? -EINVAL : id;
  }
  if (key != IPC_PRIVATE && !(flags & IPC_CREAT)) return -ENOENT;
  if (count == 0) return -EINVAL;
  if (sets_.size() >= max_sets || next_id_ == INT32_MAX) return -ENOSPC;
  auto made = std::make_shared<set>();
  made->all.resize(static_cast<std::size_t>(count));
  made->about.sem_nsems = static_cast<unsigned long>(count);
  made->about.sem_ctime = now;
  auto& who = made->about.sem_perm;
  who.__key = key;
  who.uid = who.cuid = who.gid = who.cgid = guest_user;
  who.mode = static_cast<decltype(who.mode)>(flags & 0777);
  sets_.emplace(next_id_, std::move(made));
  return next_id_++;
}

// So that an operation which is done can always be undone.
std::int64_t semaphore_table::room_to_undo(int id, const set& s, std::span<const sembuf> operations,
                                           int pid) {
  const auto undone = [](const sembuf& o) { return (o.sem_flg & SEM_UNDO) != 0; };
  if (std::none_of(operations.begin(), operations.end(), undone) || undo_.contains({pid, id})) return 0;
  if (undo_.size() >= max_undo) return -ENOSPC;
  undo_[{pid, id}].resize(s.all.size());
  return 0;
}

std::int64_t semaphore_table::attempt(set& s, int id, std::span<const sembuf> operations, int pid,
                                      std::size_t& blocked) {
  std::vector<int> before(operations.size());
  const auto undo = undo_.find({pid, id});
  std::int64_t failed = 0;
  std::size_t done = 0;
  for (; done < operations.size() && failed == 0; ++done) {
    const sembuf& o = operations[done];
    int& value = s.all[o.sem_num].value;
    before[done] = value;
    if (o.sem_op == 0 ? value != 0 : value + o.sem_op < 0) failed = -EAGAIN;
    if (value + o.sem_op > max_value) failed = -ERANGE;
    if (failed == 0) value += o.sem_op;
    if (failed == 0 && (o.sem_flg & SEM_UNDO)) undo->second[o.sem_num] -= o.sem_op;
  }
  if (failed == 0) {
    for (const sembuf& o : operations) s.all[o.sem_num].last_pid = pid;
    s.about.sem_otime = ::time(nullptr);
    return 0;
  }
  blocked = done - 1;
  for (std::size_t i = blocked; i-- > 0;) {
    s.all[operations[i].sem_num].value = before[i];
    if (operations[i].sem_flg & SEM_UNDO) undo->second[operations[i].sem_num] += operations[i].sem_op;
  }
  return failed;
}

std::int64_t semaphore_table::operate(int id, std::span<const sembuf> operations, int pid, waiter& who,
                                      deadline until) {
  std::unique_lock held(lock_);
  const set_ptr s = find(id);
  if (!s) return -EINVAL;
  for (const sembuf& o : operations)
    if (o.sem_num >= s->all.size()) return -EFBIG;
  if (const auto r = room_to_undo(id, *s, operations, pid); r < 0) return r;
  for (wait_result w = wait_result::ready;;) {
    std::size_t at = 0;
    const std::int64_t r = attempt(*s, id, operations, pid, at);
    if (r == 0) s->waiting.wake_all();
    if (r != -EAGAIN || (operations[at].sem_flg & IPC_NOWAIT)) return r;
    // What became possible together with a signal or the end of the time is done all the same.
    if (w == wait_result::interrupted) return -EINTR;
    if (w == wait_result::timed_out) return -EAGAIN;
    semaphore& lacking = s->all[operations[at].sem_num];
    unsigned& counted = operations[at].sem_op == 0 ? lacking.wait_zero : lacking.wait_more;
    ++counted;
    w = s->waiting.wait(held, who, until);
    --counted;
    if (s->removed) return -EIDRM;
    // SETVAL and SETALL may have forgotten it meanwhile.
    if (const auto room = room_to_undo(id, *s, operations, pid); room < 0) return room;
  }
}

std::int64_t semaphore_table::stat(int id, semid_ds& out) const {
  const std::lock_guard guard(lock_);
  const set_ptr s = find(id);
  if (!s) return -EINVAL;
  out = s->about;
  return 0;
}

std::int64_t semaphore_table::change(int id, const ipc_perm& wanted, std::int64_t now) {
  const std::lock_guard guard(lock_);
  const set_ptr s = find(id);
  if (!s) return -EINVAL;
  auto& mode = s->about.sem_perm.mode;
  mode = static_cast<decltype(ipc_perm::mode)>((mode & ~0777U) | (wanted.mode & 0777U));
  s->about.sem_ctime = now;
  return 0;
}

std::int64_t semaphore_table::remove(int id) {
  const std::lock_guard guard(lock_);
  const set_ptr s = find(id);
  if (!s) return -EINVAL;
  s->removed = true;
  sets_.erase(id);
  std::erase_if(undo_, [&](const auto& u) { return u.first.second == id; });
  s->waiting.wake_all();
  return 0;
}

std::int64_t semaphore_table::ask(int id, int number, int command) const {
  const std::lock_guard guard(lock_);
  const set_ptr s = find(id);
  if (!s || number < 0 || static_cast<std::size_t>(number) >= s->all.size()) return -EINVAL;
  const semaphore& of = s->all[static_cast<std::size_t>(number)];
  switch (command) {
    case GETVAL: return of.value;
    case GETPID: return of.last_pid;
    case GETNCNT: return of.wait_more;
    default: return of.wait_zero;
  }
}

void semaphore_table::forget_undo(int id, std::optional<std::size_t> number) {
  for (auto& [key, adjust] : undo_) {
    if (key.second != id) continue;
    for (std::size_t n = 0; n < adjust.size(); ++n)
      if (!number || *number == n) adjust[n] = 0;
  }
}

std::int64_t semaphore_table::set_value(int id, int number, int value, int pid, std::int64_t now) {
  const std::lock_guard guard(lock_);
  const set_ptr s = find(id);
  if (!s || number < 0 || static_cast<std::size_t>(number) >= s->all.size()) return -EINVAL;
  if (!in_range(value)) return -ERANGE;
  const auto n = static_cast<std::size_t>(number);
  s->all[n].value = value;
  s->all[n].last_pid = pid;
  s->about.sem_ctime = now;
  forget_undo(id, n);
  s->waiting.wake_all();
  return 0;
}

std::int64_t semaphore_table::values(int id, std::vector<std::uint16_t>& out) const {
  const std::lock_guard guard(lock_);
  const set_ptr s = find(id);
  if (!s) return -EINVAL;
  for (const semaphore& one : s->all) out.push_back(static_cast<std::uint16_t>(one.value));
  return 0;
}

std::int64_t semaphore_table::set_values(int id, std::span<const std::uint16_t> all, int pid,
                                         std::int64_t now) {
  const std::lock_guard guard(lock_);
  const set_ptr s = find(id);
  if (!s || all.size() != s->all.size()) return -EINVAL;
  if (!std::all_of(all.begin(), all.end(), in_range)) return -ERANGE;
  for (std::size_t n = 0; n < all.size(); ++n) {
    s->all[n].value = all[n];
    s->all[n].last_pid = pid;
  }
  s->about.sem_ctime = now;
  forget_undo(id, std::nullopt);
  s->waiting.wake_all();
  return 0;
}

void semaphore_table::process_ended(int pid) noexcept {
  const std::lock_guard guard(lock_);
  for (auto u = undo_.lower_bound({pid, 0}); u != undo_.end() && u->first.first == pid; u = undo_.erase(u)) {
    const set_ptr s = find(u->first.second);
    if (!s) continue;
    for (std::size_t n = 0; n < u->second.size(); ++n) {
      if (u->second[n] == 0) continue;
      s->all[n].value = std::clamp(s->all[n].value + u->second[n], 0, max_value);
      s->all[n].last_pid = pid;
    }
    s->waiting.wake_all();
  }
}

bool semaphore_table::any() const {
  const std::lock_guard guard(lock_);
  return !sets_.empty();
}

}  // namespace osvm::unikernel
