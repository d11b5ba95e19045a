#include "unikernel/files/descriptor.hpp"

#include <algorithm>
#include <cerrno>

namespace osvm::unikernel {

std::shared_ptr<const void> descriptor_account::take() {
  unsigned now = open_.load();
  do {
    if (now >= limit_) return nullptr;
  } while (!open_.compare_exchange_weak(now, now + 1));
  return {static_cast<const void*>(this),
          [self = shared_from_this()](const void*) { self->open_.fetch_sub(1); }};
}

descriptor_table::descriptor_table(unsigned limit, std::shared_ptr<descriptor_account> all)
    : slots_(limit), soft_(limit), limit_(limit), all_(std::move(all)) {}

bool descriptor_table::count(descriptor& d) const {
  if (!all_ || d.counted) return true;
  d.counted = all_->take();
  return d.counted != nullptr;
}

std::shared_ptr<descriptor> descriptor_table::get(int fd) const {
  std::lock_guard guard(lock_);
  if (fd < 0 || static_cast<unsigned>(fd) >= slots_.size()) return nullptr;
  return slots_[static_cast<unsigned>(fd)].d;
}

int descriptor_table::add(std::shared_ptr<descriptor> d, bool close_on_exec, int minimum) {
  std::lock_guard guard(lock_);
  for (std::size_t i = minimum < 0 ? 0 : static_cast<std::size_t>(minimum); i < soft_; ++i) {
    if (slots_[i].d) continue;
    if (!count(*d)) return -ENFILE;
    slots_[i] = {std::move(d), close_on_exec};
    most_ = std::max(most_, i + 1);
    ++count_;
    return static_cast<int>(i);
  }
  return -EMFILE;
}

int descriptor_table::put(int fd, std::shared_ptr<descriptor> d, bool close_on_exec) {
  std::shared_ptr<descriptor> old;  // closes after the lock is gone
  std::lock_guard guard(lock_);
  if (fd < 0 || static_cast<unsigned>(fd) >= soft_) return -EBADF;
  if (!count(*d)) return -ENFILE;
  slot& s = slots_[static_cast<unsigned>(fd)];
  old = std::move(s.d);
  if (!old) ++count_;
  s = {std::move(d), close_on_exec};
  most_ = std::max<std::size_t>(most_, static_cast<std::size_t>(fd) + 1);
  return fd;
}

std::shared_ptr<descriptor> descriptor_table::remove(int fd) {
  std::lock_guard guard(lock_);
  if (fd < 0 || static_cast<unsigned>(fd) >= slots_.size()) return nullptr;
  slot& s = slots_[static_cast<unsigned>(fd)];
  if (s.d) --count_;
  s.close_on_exec = false;
  return std::move(s.d);
}

int descriptor_table::close_on_exec(int fd) const {
  std::lock_guard guard(lock_);
  if (fd < 0 || static_cast<unsigned>(fd) >= slots_.size()) return -EBADF;
  const slot& s = slots_[static_cast<unsigned>(fd)];
  return s.d ? static_cast<int>(s.close_on_exec) : -EBADF;
}

int descriptor_table::set_close_on_exec(int fd, bool on) {
  std::lock_guard guard(lock_);
  if (fd < 0 || static_cast<unsigned>(fd) >= slots_.size()) return -EBADF;
  slot& s = slots_[static_cast<unsigned>(fd)];
  if (!s.d) return -EBADF;
  s.close_on_exec = on;
  return 0;
}

unsigned descriptor_table::count() const {
  std::lock_guard guard(lock_);
  return count_;
}

unsigned descriptor_table::most() const {
  std::lock_guard guard(lock_);
  return static_cast<unsigned>(most_);
}

std::vector<int> descriptor_table::numbers() const {
  std::lock_guard guard(lock_);
  std::vector<int> open;
  for (std::size_t i = 0; i < slots_.size(); ++i)
    if (slots_[i].d) open.push_back(static_cast<int>(i));
  return open;
}

void descriptor_table::clear() {
  std::vector<slot> old(limit_);
  std::lock_guard guard(lock_);
  slots_.swap(old);
  count_ = 0;
}

void descriptor_table::share(const descriptor_table& other) {
  std::scoped_lock guard(lock_, other.lock_);
  slots_ = other.slots_;
  count_ = other.count_;
  most_ = other.most_;
  soft_ = other.soft_;
  limit_ = other.limit_.load();
}

std::vector<std::shared_ptr<descriptor>> descriptor_table::close_for_program() {
  std::vector<std::shared_ptr<descriptor>> gone;
  std::lock_guard guard(lock_);
  for (slot& s : slots_) {
    if (!s.d || !s.close_on_exec) continue;
    gone.push_back(std::move(s.d));
    s = {};
    --count_;
  }
  return gone;
}

bool descriptor_table::lowered() const {
  const std::lock_guard guard(lock_);
  return soft_ < limit_;
}

void descriptor_table::lower(unsigned limit) {
  std::lock_guard guard(lock_);
  soft_ = std::min<std::size_t>(limit, slots_.size());
}

void descriptor_table::extend() {
  std::lock_guard guard(lock_);
  limit_ = limit_ * 2;
  slots_.resize(limit_);
  soft_ = limit_;
}

}  // namespace osvm::unikernel
