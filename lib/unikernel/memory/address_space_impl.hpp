// Private parts of address_space, shared by its few source files.
#pragma once

#include "kvm/page_tables.hpp"
#include "kvm/system_area.hpp"
#include "unikernel/memory/address_space.hpp"
#include "unikernel/memory/frame_pool.hpp"

#include <atomic>
#include <memory>
#include <mutex>

namespace osvm::unikernel {

inline constexpr std::size_t max_vmas = 65530;  // as vm.max_map_count

struct address_space::impl {
  impl(backing_options o, std::shared_ptr<memory_account> counted);
  ~impl();

  // vma_lock: shared to read VMAs and guest memory, exclusive to change them. populate_lock, taken inside it,
  // guards page tables and the pool when memory is handed out under a shared vma_lock.
  mutable std::shared_mutex vma_lock;
  mutable std::mutex populate_lock;
  backing_options options;
  std::shared_ptr<memory_account> account;
  kvm::system_area area;
  kvm::page_tables tables;
  frame_pool pool;
  vma_map vmas;
  std::uint64_t break_start = 0, break_end = 0;
  std::uint64_t map_top = mmap_limit;
  std::string image_name = "/app";
  std::atomic<std::uint64_t> bytes{0};         // of this address space, in `account`
  std::uint64_t saved_at = 0;                  // guest address of the pages that load() mapped
  std::uint64_t image_va = 0, image_size = 0;  // where map_image() put it
  std::atomic<bool> shared_files{false};       // some mapping is, or was, of kind `shared`

  vma_map::iterator find(std::uint64_t va);
  bool range_free(std::uint64_t begin, std::uint64_t end) const;
  bool range_mapped(std::uint64_t begin, std::uint64_t end) const;
  std::uint64_t find_gap(std::uint64_t size, std::uint64_t hint, std::uint64_t alignment) const;
  // Cuts VMAs so that none crosses `at`.
  void split(std::uint64_t at);
  void merge_around(std::uint64_t begin, std::uint64_t end);
  bool charge(std::uint64_t size) noexcept;
  void uncharge(std::uint64_t size) noexcept;

  // Hands out memory for [begin, end) of one VMA where it is missing. populate_lock held, as for the next
  // two.
  fault_result populate(vma& v, std::uint64_t begin, std::uint64_t end);
  bool hand_out(std::uint64_t flags, std::uint64_t begin, std::uint64_t end, frame_kind kind);
  // Calls `fill` for each run of pages in [begin, end) that has none yet, until one does not resolve.
  using run_filler = fault_result (impl::*)(vma& v, std::uint64_t vma_start, std::uint64_t begin,
                                            std::uint64_t end);
  fault_result fill_gaps(vma& v, std::uint64_t vma_start, std::uint64_t begin, std::uint64_t end,
                         run_filler fill);
  // The same for pages of a file: their content is read before the guest can see them.
  fault_result populate_file(vma& v, std::uint64_t vma_start, std::uint64_t begin, std::uint64_t end);
  fault_result read_run(vma& v, std::uint64_t vma_start, std::uint64_t begin, std::uint64_t end);
  fault_result fault_piece(vma& v, std::uint64_t vma_start, std::uint64_t va);
  // The same for shared pages of a file, as far as the file reaches (shared_pages.cpp).
  fault_result share(vma& v, std::uint64_t vma_start, std::uint64_t begin, std::uint64_t end);
  fault_result share_run(vma& v, std::uint64_t vma_start, std::uint64_t begin, std::uint64_t end);
  fault_result share_piece(vma& v, std::uint64_t vma_start, std::uint64_t va);
  std::int64_t map_again(std::uint64_t va, std::uint64_t size, int flags, std::uint64_t target);
  std::int64_t insert_file(const map_request& r, std::uint64_t begin, vma v);
  // Drops the pages of [begin, end) and flushes them from shadow page tables. Exclusive lock held.
  bool drop(std::uint64_t begin, std::uint64_t end);
  std::int64_t unmap_locked(std::uint64_t begin, std::uint64_t end);
  bool all_take_advice(std::uint64_t begin, std::uint64_t end, int advice);
  std::int64_t advise_part(vma& v, std::uint64_t start, std::uint64_t begin, std::uint64_t end, int advice);
  std::int64_t insert(std::uint64_t begin, std::uint64_t end, vma v);
  // Moves one VMA's part with its pages; the target is free. Exclusive lock held.
  std::int64_t move(std::uint64_t from, std::uint64_t old_size, std::uint64_t to, std::uint64_t new_size);
  bool move_pages(std::uint64_t from, std::uint64_t to, std::uint64_t size);
  // Makes pages that lost rights (or their place) visible as such to every vCPU.
  void flush(std::uint64_t guest_address, std::uint64_t size) noexcept;
  // The same for inner page-table entries, when any changed.
  void flush_inner() noexcept;
  // Parts of address_space::copy(). The parent is locked.
  bool copy_image(impl& parent, int fd);
  bool copy_private(impl& parent, std::uint64_t begin, const vma& v);
  // Parts of address_space::load() and reload().
  result<void> load_saved(const saved_memory& saved,
                          std::span<const std::shared_ptr<const file_backing>> files);
  bool load_run(const saved_memory::run& r, std::uint64_t guest_address);
  bool copy_page_run(impl& parent, std::uint64_t va, std::uint64_t size, std::uint64_t entry);
  // Host address of one guest page if the access is allowed, handing out memory when needed.
  struct host_page {
    std::byte* at = nullptr;
    bool of_file = false;  // of a shared file: only for host calls and guarded copies
    explicit operator bool() const noexcept { return at != nullptr; }
  };
  host_page page(std::uint64_t va, int right);
  bool copy(void* to, const void* from, std::size_t size, bool guarded, bool writes) const noexcept;
};

std::uint64_t leaf_flags(int protection) noexcept;
// Frames of anonymous memory.
inline frame_kind frames_of(const vma& v) noexcept {
  return v.shared ? frame_kind::shared : frame_kind::own;
}

}  // namespace osvm::unikernel
