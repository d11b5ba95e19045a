// x86-64 page tables in guest memory, written by the VMM and never read back: each table has a mirror on our
// side that is the only truth.
//
// Hosts with shadow paging keep shadow tables by the guest-physical address of ours and cannot see us write.
// Flushing a data page (an MMU-notifier event) corrects the last level only. So an inner entry never changes
// once it is written: empty tables stay where they are. The exception is a 2 MiB leaf that is removed or
// split; then take_inner_change() tells the owner to flush the shadow tables as a whole before the memory is
// used again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace osvm::kvm {

namespace pte {
inline constexpr std::uint64_t present = 1, writable = 2, user = 4, accessed = 1 << 5, dirty = 1 << 6,
                               large = 1 << 7, no_execute = std::uint64_t{1} << 63;
// Software bit: the entry owns a page even when it is not present (PROT_NONE over touched memory).
inline constexpr std::uint64_t backed = 1 << 9;
// Software bit: the page belongs to a file image, not to the frame pool.
inline constexpr std::uint64_t image = 1 << 10;
// Software bit: the page is nothing that the guest's memory budget counts.
inline constexpr std::uint64_t uncharged = std::uint64_t{1} << 52;
inline constexpr std::uint64_t software = backed | image | uncharged;
inline constexpr std::uint64_t address_mask = 0x000f'ffff'ffff'f000;
}  // namespace pte

inline constexpr std::uint64_t large_page = std::uint64_t{2} << 20;

// Zeroed guest pages for tables.
class page_source {
 public:
  struct page {
    std::uint64_t guest_address = 0;
    std::byte* host = nullptr;
  };
  virtual ~page_source() = default;
  virtual std::optional<page> take() = 0;  // zeroed; nullopt: no memory
};

// Not thread-safe, except that find() may run beside set() of other pages under the owner's lock discipline.
class page_tables final {
 public:
  // `source` must outlive the tables.
  explicit page_tables(page_source& source) noexcept;
  ~page_tables();
  page_tables(const page_tables&) = delete;
  page_tables& operator=(const page_tables&) = delete;

  bool start();  // makes the root; false: no memory
  std::uint64_t root() const noexcept { return root_page_.guest_address; }

  struct leaf {
    std::uint64_t entry = 0;
    std::uint64_t size = 0;  // 4 KiB or 2 MiB; 0: nothing there
  };
  leaf find(std::uint64_t va) const noexcept;
  // Writes one 4 KiB entry (0 clears). False: no memory for a table.
  bool set(std::uint64_t va, std::uint64_t entry);
  // Writes one 2 MiB entry over nothing. False: no memory, or something is there.
  bool set_large(std::uint64_t va, std::uint64_t entry);
  // True when no 4 KiB entry exists in the 2 MiB around `va`.
  bool empty_2m(std::uint64_t va) const noexcept;
  // Visits each existing leaf in [begin, end) in order; the returned value replaces the entry. Large leaves
  // that the range covers in part are split first (false: no memory for that; nothing was visited).
  using visitor = std::function<std::uint64_t(std::uint64_t va, std::uint64_t entry, std::uint64_t size)>;
  bool update(std::uint64_t begin, std::uint64_t end, const visitor& visit);

  // True once after 2 MiB leaves were removed, changed or split.
  bool take_inner_change() noexcept { return std::exchange(inner_change_, false); }
  std::uint64_t bytes() const noexcept { return tables_ * 4096; }

 private:
  struct table;
  table* child(table& t, unsigned index, unsigned level, bool create);
  void write(table& t, unsigned index, std::uint64_t entry) noexcept;
  bool split(table& pd, unsigned index);
  bool split_edge(std::uint64_t va);
  void update_table(table& t, unsigned level, std::uint64_t base, std::uint64_t begin, std::uint64_t end,
                    const visitor& visit);
  std::unique_ptr<table> make_table(bool inner);

  page_source& source_;
  page_source::page root_page_;
  std::unique_ptr<table> root_;
  std::size_t tables_ = 0;
  bool inner_change_ = false;
};

}  // namespace osvm::kvm
