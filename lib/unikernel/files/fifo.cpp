// An end is opened through an O_PATH descriptor on the pipe, which counts as neither reader nor writer: so
// the host's kernel gives end-of-file and EPIPE by itself. It does not wait in open() for pipes; that is done
// here.
#include "unikernel/files/fifo.hpp"

#include "unikernel/files/attributes.hpp"
#include "unikernel/files/memory_charge.hpp"
#include "unikernel/ipc/wait_list.hpp"
#include "unikernel/syscalls/arguments.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace osvm::unikernel {

class fifo final {
 public:
  fifo(unique_fd pipe, std::shared_ptr<const unique_fd> object, node_ptr node,
       std::shared_ptr<memory_charge> charge)
      : object(std::move(object)),
        charge(std::move(charge)),
        pipe_(std::move(pipe)),
        node_(std::move(node)) {}

  const std::shared_ptr<const unique_fd> object;  // the file of the host, whose inode stays as long
  const std::shared_ptr<memory_charge> charge;

  std::int64_t open(call_context& ctx, const description& what, unique_fd& host) {
    std::unique_lock held(lock_);
    if (!what.readable && what.nonblocking && ends_[0].open == 0) return -ENXIO;
    const int access = what.readable && what.writable ? O_RDWR : what.readable ? O_RDONLY : O_WRONLY;
    host.reset(::open(self_path(pipe_).c_str(), access | O_CLOEXEC | O_NONBLOCK));
    if (!host) return no_descriptor();
    if (what.readable) ends_[0].enter();
    if (what.writable) ends_[1].enter();
    waiting_.wake_all();
    if (what.nonblocking || (what.readable && what.writable)) return 0;
    // Who came and went meanwhile was there, too.
    const end& other = ends_[what.readable ? 1 : 0];
    const std::uint64_t before = other.ever;
    const auto alone = [&] { return other.open == 0 && other.ever == before; };
    while (alone()) {
      const wait_result w = waiting_.wait(held, ctx.thread.wait, std::nullopt);
      // A signal that comes with the other end (its process has written and ended) does not undo that it
      // came.
      if (w == wait_result::ready || !alone()) continue;
      leave_locked(what.readable, what.writable);
      host.reset();
      return stopped_call(ctx, interrupted_call::restart);
    }
    return 0;
  }
  void leave(bool reader, bool writer) noexcept {
    const std::lock_guard held(lock_);
    leave_locked(reader, writer);
  }

 private:
  struct end {
    unsigned open = 0;
    std::uint64_t ever = 0;
    void enter() {
      ++open;
      ++ever;
    }
  };
  void leave_locked(bool reader, bool writer) noexcept {
    if (reader) --ends_[0].open;
    if (writer) --ends_[1].open;
  }

  const unique_fd pipe_;  // O_PATH
  const node_ptr node_;   // in memory: its address is the FIFO's id
  std::mutex lock_;
  end ends_[2];  // for reading, for writing
  wait_list waiting_;
};

namespace {

constexpr std::uint64_t fifo_bytes = 64 << 10;   // what its pipe may hold
constexpr std::uint64_t fifo_name_bytes = 4096;  // what a name costs the host's disk, roughly

// As long as it lives, an end is open.
struct fifo_end {
  std::shared_ptr<fifo> of;
  bool reader, writer;
  fifo_end(std::shared_ptr<fifo> f, const description& what)
      : of(std::move(f)), reader(what.readable), writer(what.writable) {}
  ~fifo_end() { of->leave(reader, writer); }
  fifo_end(const fifo_end&) = delete;
  fifo_end& operator=(const fifo_end&) = delete;
};

fifo_table::file_id fifo_id(const struct stat& st) {
  return {st.st_dev, st.st_ino};
}

std::int64_t make_host_fifo(call_context& ctx, const parent_location& where, mode_t bits) {
  if (::mkfifoat(where.directory.get(), where.name.c_str(), bits) != 0) return -errno;
  const unique_fd made(::openat(where.directory.get(), where.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat st {};
  if (!made || ::fstat(made.get(), &st) != 0 || !S_ISFIFO(st.st_mode))
    return -EIO;                                 // somebody outside was faster
  (void)::chmod(self_path(made).c_str(), bits);  // the embedder's umask is not the guest's
  if (ctx.instance.fifos.made(fifo_id(st))) return 0;
  (void)::unlinkat(where.directory.get(), where.name.c_str(), 0);
  return -ENOSPC;
}

}  // namespace

bool fifo_table::made(file_id id) {
  const std::lock_guard guard(lock_);
  if (made_.size() >= max_made) return false;
  made_.insert(id);
  return true;
}

void fifo_table::removed(file_id id) {
  const std::lock_guard guard(lock_);
  made_.erase(id);
}

bool fifo_table::knows(file_id id) const {
  const std::lock_guard guard(lock_);
  return made_.contains(id);
}

bool fifo_table::any() const {
  const std::lock_guard guard(lock_);
  return !made_.empty();
}

std::shared_ptr<fifo> fifo_table::open(call_context& ctx, file_id id, unique_fd object, node_ptr node) {
  const std::lock_guard guard(lock_);
  std::erase_if(open_, [](const auto& entry) { return entry.second.expired(); });
  if (auto there = open_[id].lock()) return there;
  auto charge = memory_charge::take(ctx, fifo_bytes);
  int ends[2];
  if (!charge) errno = ENOMEM;
  if (!charge || ::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return nullptr;
  const unique_fd from(ends[0]), to(ends[1]);
  unique_fd pipe(::open(self_path(from).c_str(), O_PATH | O_CLOEXEC));
  if (!pipe) return nullptr;
  auto file = object ? std::make_shared<const unique_fd>(std::move(object)) : nullptr;
  auto made = std::make_shared<fifo>(std::move(pipe), std::move(file), std::move(node), std::move(charge));
  open_[id] = made;
  return made;
}

std::int64_t make_fifo(call_context& ctx, const parent_location& where, mode_t bits) {
  node_ptr made;
  if (where.folder) return where.mount->memory->create(where.folder, where.name, S_IFIFO | bits, {}, made);
  if (!ctx.instance.charge_written(fifo_name_bytes, where.mount->quota.get())) return -ENOSPC;
  const std::int64_t r = make_host_fifo(ctx, where, bits);
  if (r < 0) ctx.instance.refund_written(fifo_name_bytes, where.mount->quota.get());
  return r;
}

bool is_own_fifo(call_context& ctx, const location& at) {
  return S_ISFIFO(at.status.st_mode) && (at.node || ctx.instance.fifos.knows(fifo_id(at.status)));
}

std::int64_t open_fifo_end(call_context& ctx, location& at, description& what, unique_fd& host) {
  const fifo_table::file_id id =
      at.node ? fifo_table::file_id{0, reinterpret_cast<std::uintptr_t>(at.node.get())} : fifo_id(at.status);
  if (at.node) {
    what.memory = at.mount->memory;
    what.node = at.node;
  }
  what.changeable = at.mount->writable;
  const auto found = ctx.instance.fifos.open(ctx, id, std::move(at.object), at.node);
  if (!found) return no_descriptor();
  what.object = found->object;
  what.extra = found->charge;
  if (const std::int64_t r = found->open(ctx, what, host); r < 0) return r;
  what.opened = std::make_shared<fifo_end>(found, what);
  return 0;
}

fifo_table::file_id fifo_about_to_go(call_context& ctx, const parent_location& where) {
  struct stat st {};
  if (!ctx.instance.fifos.any() ||
      ::fstatat(where.directory.get(), where.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
    return {};
  return S_ISFIFO(st.st_mode) && st.st_nlink == 1 ? fifo_id(st) : fifo_table::file_id{};
}

}  // namespace osvm::unikernel
