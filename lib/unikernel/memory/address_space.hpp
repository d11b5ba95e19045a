// A guest's virtual memory: which ranges exist (VMAs), which pages back them, and how the VMM reads and
// writes them.
//
// The VMM's own records are the only truth: guest page tables are written from them and never read back,
// since a guest that reached CPL 0 could forge those. Works without KVM (no slots, no page tables), so that
// system calls can be fuzzed.
//
// Locking: `access` holds the VMA lock shared, changes hold it exclusively. Host pointers into guest memory
// live only as long as the access object that gave them; no blocking host call is made while one exists.
#pragma once

#include "kvm/system_area.hpp"
#include "unikernel/memory/backing.hpp"
#include "unikernel/memory/memory_account.hpp"
#include "unikernel/memory/saved_memory.hpp"
#include "unikernel/memory/vma.hpp"

#include <osvm/core/error.hpp>

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

namespace osvm::unikernel {

// First address that no guest mapping may reach: above it lie the VMM's own pages, and the last page of the
// lower canonical half is never mapped, so that RCX after SYSCALL stays canonical.
inline constexpr std::uint64_t user_end = 0x7fff'8000'0000;
inline constexpr std::uint64_t user_begin = 0x10000;           // as vm.mmap_min_addr
inline constexpr std::uint64_t mmap_limit = 0x7fff'0000'0000;  // mappings lie below, the stack above
inline constexpr std::uint64_t page_size = 4096;

constexpr std::uint64_t page_floor(std::uint64_t a) noexcept {
  return a & ~(page_size - 1);
}
constexpr std::uint64_t page_ceil(std::uint64_t a) noexcept {
  return (a + page_size - 1) & ~(page_size - 1);
}

class address_space;

// Shared access to guest memory for one short, non-blocking step. Every call checks the range for overflow,
// presence and right; false (or nullptr, or empty) means EFAULT and nothing was copied beyond what could be.
class memory_access final {
 public:
  explicit memory_access(address_space& space);

  bool read(std::uint64_t va, void* out, std::size_t size);
  bool write(std::uint64_t va, const void* in, std::size_t size);
  template <class T>
  bool read(std::uint64_t va, T& out) {
    static_assert(std::is_trivially_copyable_v<T>);
    return read(va, &out, sizeof out);
  }
  template <class T>
  bool write(std::uint64_t va, const T& in) {
    static_assert(std::is_trivially_copyable_v<T>);
    return write(va, &in, sizeof in);
  }
  // Host ranges for [va, va + size), for host calls (copy_out() and copy_in() otherwise), in order, each
  // contiguous in host memory, appended to `out`. `right` is PROT_READ (the host reads the guest's bytes) or
  // PROT_WRITE (the host writes them). Stops at the first byte that may not be accessed; returns how many
  // bytes are covered, so 0 for a non-empty range means EFAULT.
  std::size_t spans(std::uint64_t va, std::size_t size, int right, std::vector<iovec>& out);
  // The 4-byte aligned word at `va` for atomic access, or null. Null for pages of a shared file, too.
  std::uint32_t* word(std::uint64_t va, int right);
  // The word at `va` when it lies in a shared mapping of a file, else null. Only host calls may touch it
  // (futex(2)); they may do so after this object is gone: the address stays the address space's, whatever
  // lies there then.
  std::uint32_t* shared_word(std::uint64_t va, int right);
  // Copies to or from host ranges that spans() gave. False: a page behind the end of its file.
  bool copy_out(void* to, const void* from, std::size_t size) const noexcept;
  bool copy_in(void* to, const void* from, std::size_t size) const noexcept;
  // NUL-terminated string of at most `limit` bytes without the NUL. -EFAULT, -ENAMETOOLONG or 0.
  int read_string(std::uint64_t va, std::size_t limit, std::string& out);

 private:
  address_space& space_;
  std::shared_lock<std::shared_mutex> lock_;
};

// Where memory comes from and what it is called in /proc/self/maps.
struct map_request {
  std::uint64_t address = 0;  // hint, or exact with `fixed`
  std::uint64_t size = 0;     // page-rounded by map()
  int protection = 0;         // PROT_*
  bool fixed = false;         // replaces what is there
  bool no_replace = false;    // with fixed: -EEXIST when something is there
  bool grows_down = false;
  bool no_reserve = false;                   // may exceed the budget: pages count when they are touched
  bool shared = false;                       // MAP_SHARED: of a file, its own pages
  const char* name = "";                     // static storage
  std::shared_ptr<const file_backing> file;  // null: zeroed memory
  std::uint64_t file_offset = 0;             // page-aligned
};

// Part of an image mapping: page-aligned offset and size from its start.
struct image_range {
  std::uint64_t offset = 0, size = 0;
  int protection = 0;
};

struct memory_usage {
  std::uint64_t bytes = 0;  // handed out now
  std::uint64_t peak_bytes = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t page_table_bytes = 0;
};

// A core dump's memory (elf(5), PT_LOAD), and the files behind it (NT_FILE).
struct memory_plan {
  struct part {
    std::uint64_t va = 0, size = 0;
    int protection = 0;    // PROT_*
    bool content = false;  // else it is only said to be there: its content is a file's
  };
  struct file_part {
    std::uint64_t va = 0, size = 0, offset = 0;
    std::string path;
  };
  std::vector<part> parts;
  std::vector<file_part> files;
};

// Thread-safe.
class address_space final {
 public:
  // `account` bounds the bytes handed out. Without `backing.slots` nothing is mapped into a VM.
  address_space(backing_options options, std::shared_ptr<memory_account> account);
  address_space(backing_options options, std::uint64_t budget);
  ~address_space();
  address_space(const address_space&) = delete;
  address_space& operator=(const address_space&) = delete;

  // Prepares the first memory. Must be called once, first.
  result<void> start();

  // Becomes a copy of `parent`, as fork(2) has it: private memory is copied, shared mappings are of the same
  // files, the VMM's own pages are left out. `image` is the memory file of its program. After start(), before
  // anything else. -ENOMEM: it is to be thrown away.
  std::int64_t copy(address_space& parent, int image);

  // What the memory is now: for a template. No thread of the guest runs meanwhile. Error:
  // errc::cannot_snapshot names a mapping that cannot be in one.
  result<saved_memory> save();
  // Becomes what was saved, all but the VMM's own pages. After start(), before anything else; `saved` may go
  // afterwards. `files` are those of its backings. An error: it is to be thrown away.
  result<void> load(const saved_memory& saved,
                    std::span<const std::shared_ptr<const file_backing>> files = {});

  // Becomes again what load() made of it, whatever the guest has done since. No thread of the guest runs
  // meanwhile. An error: it is to be thrown away.
  result<void> reload(const saved_memory& saved,
                      std::span<const std::shared_ptr<const file_backing>> files = {});

  // Maps anonymous zeroed memory. Returns the address or -errno.
  std::int64_t map(const map_request& request);
  // Maps an image's memory file privately (copy-on-write) at `va`; only the listed ranges become accessible.
  std::int64_t map_image(std::uint64_t va, std::uint64_t size, int fd, std::span<const image_range> ranges);
  // What the image's mappings are called. Before map_image().
  void name_image(std::string name);
  // Mappings without an address lie below `top` from now on (address-space randomisation).
  void set_map_top(std::uint64_t top) noexcept;
  // Maps VMM-owned pages that the guest may read (or execute) but not change or unmap. Returns the host
  // pages, which stay valid as long as the address space; null: no memory.
  std::byte* map_special(std::uint64_t va, std::uint64_t size, int protection, const char* name);
  std::int64_t unmap(std::uint64_t va, std::uint64_t size);
  std::int64_t protect(std::uint64_t va, std::uint64_t size, int protection, bool allow_new_execute);
  std::int64_t remap(std::uint64_t va, std::uint64_t old_size, std::uint64_t new_size, int flags,
                     std::uint64_t target);
  std::int64_t advise(std::uint64_t va, std::uint64_t size, int advice);
  std::int64_t set_break(std::uint64_t new_break);
  void init_break(std::uint64_t start) noexcept;

  enum class fault_result : std::uint8_t {
    resolved,
    no_mapping,
    no_right,
    over_budget,
    no_host_memory,
    no_content,  // behind the end of the mapped file, or it cannot be read: SIGBUS
  };
  // Serves a guest page fault at `va`: hands out memory when the mapping allows the access.
  fault_result fault(std::uint64_t va, bool write, bool execute);

  // Unmaps shared pages whose file has become shorter, so that the guest's next touch faults. True: there
  // were some. KVM tells of such a page only that an access failed.
  bool forget_missing();
  // The guest's address of a guest-physical one in a shared mapping of a file, or 0. Slow.
  std::uint64_t shared_address(std::uint64_t guest_physical);
  bool has_shared_files() const noexcept;  // ever had a shared mapping of a file

  // The files behind the shared mappings in a range, each once.
  std::vector<std::shared_ptr<const file_backing>> shared_files(std::uint64_t va, std::uint64_t size);
  // For each page of the range, bit 0: it has memory now. -ENOMEM over a hole.
  std::int64_t residency(std::uint64_t va, std::uint64_t size, std::vector<unsigned char>& out);

  // Writes at load time, before the guest runs, regardless of rights.
  bool poke(std::uint64_t va, const void* in, std::size_t size);

  // A debugger's look and touch, regardless of the guest's rights. Bytes up to the first that has no page.
  std::size_t peek(std::uint64_t va, std::span<std::byte> out);
  // False: a part of it has no page, or is a file that the guest shares with others. Nothing or a part of it
  // is written then.
  bool patch(std::uint64_t va, std::span<const std::byte> in);
  // What a core dump holds of the memory, and what it says of it. No thread of the guest runs until the parts
  // are written.
  memory_plan plan_core();
  // The part's pages at `offset` of a file; those that have no memory stay a hole. False: errno says why.
  bool write_core_part(const memory_plan::part& which, int fd, std::uint64_t offset);

  // The CPU's own pages for vCPU `id`. Each id once.
  result<kvm::system_area::vcpu_area> prepare_vcpu(unsigned id, std::uint32_t ring_rounds = 0);
  memory_usage usage() const;
  bool over_budget() const noexcept;  // a fault found the budget used up
  std::string describe_maps() const;  // as /proc/self/maps

 private:
  friend class memory_access;
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace osvm::unikernel
