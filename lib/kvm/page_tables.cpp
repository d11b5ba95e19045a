#include "kvm/page_tables.hpp"

#include <algorithm>

namespace osvm::kvm {
namespace {

constexpr unsigned index_at(std::uint64_t va, unsigned level) noexcept {
  return (va >> (12 + 9 * (level - 1))) & 511;
}
constexpr std::uint64_t span_at(unsigned level) noexcept {
  return std::uint64_t{1} << (12 + 9 * (level - 1));
}
// Inner entries grant everything; leaves decide.
constexpr std::uint64_t inner_flags = pte::present | pte::writable | pte::user;

}  // namespace

struct page_tables::table {
  page_source::page page;
  std::array<std::uint64_t, 512> entries{};
  std::unique_ptr<std::array<std::unique_ptr<table>, 512>> children;  // null in level-1 tables
};

page_tables::page_tables(page_source& source) noexcept : source_(source) {}
page_tables::~page_tables() = default;

std::unique_ptr<page_tables::table> page_tables::make_table(bool inner) {
  auto page = source_.take();
  if (!page) return nullptr;
  auto t = std::make_unique<table>();
  t->page = *page;
  if (inner) t->children = std::make_unique<std::array<std::unique_ptr<table>, 512>>();
  ++tables_;
  return t;
}

bool page_tables::start() {
  root_ = make_table(true);
  if (!root_) return false;
  root_page_ = root_->page;
  return true;
}

// The guest's copy is one aligned 64-bit store: the CPU sees the old or the new entry. The software bits go
// along; a clear entry that only keeps `backed` on our side is zero for the guest.
void page_tables::write(table& t, unsigned index, std::uint64_t entry) noexcept {
  t.entries[index] = entry;
  auto* hw = reinterpret_cast<std::uint64_t*>(t.page.host) + index;
  __atomic_store_n(hw, (entry & pte::present) ? entry : 0, __ATOMIC_RELEASE);
}

page_tables::table* page_tables::child(table& t, unsigned index, unsigned level, bool create) {
  auto& slot = (*t.children)[index];
  if (slot || !create) return slot.get();
  slot = make_table(level - 1 > 1);
  if (!slot) return nullptr;
  write(t, index, slot->page.guest_address | inner_flags);
  return slot.get();
}

page_tables::leaf page_tables::find(std::uint64_t va) const noexcept {
  const table* t = root_.get();
  for (unsigned level = 4; level > 1; --level) {
    const unsigned i = index_at(va, level);
    const auto& next = (*t->children)[i];
    if (!next) {
      const std::uint64_t e = t->entries[i];
      if (level == 2 && e) return {e, large_page};
      return {};
    }
    t = next.get();
  }
  const std::uint64_t e = t->entries[index_at(va, 1)];
  return e ? leaf{e, 4096} : leaf{};
}

bool page_tables::set(std::uint64_t va, std::uint64_t entry) {
  table* t = root_.get();
  for (unsigned level = 4; level > 1; --level) {
    const unsigned i = index_at(va, level);
    if (level == 2 && !(*t->children)[i] && t->entries[i] && !split(*t, i)) return false;
    t = child(*t, i, level, entry != 0);
    if (!t) return entry == 0;
  }
  write(*t, index_at(va, 1), entry);
  return true;
}

bool page_tables::set_large(std::uint64_t va, std::uint64_t entry) {
  table* t = root_.get();
  for (unsigned level = 4; level > 2; --level) {
    t = child(*t, index_at(va, level), level, true);
    if (!t) return false;
  }
  const unsigned i = index_at(va, 2);
  if (t->entries[i] || (*t->children)[i]) return false;
  write(*t, i, entry | pte::large);
  return true;
}

bool page_tables::empty_2m(std::uint64_t va) const noexcept {
  const table* t = root_.get();
  for (unsigned level = 4; level > 1; --level) {
    const unsigned i = index_at(va, level);
    if (level == 2) return t->entries[i] == 0 && !(*t->children)[i];
    t = (*t->children)[i].get();
    if (!t) return true;
  }
  return true;
}

bool page_tables::split(table& pd, unsigned index) {
  const std::uint64_t large = pd.entries[index];
  auto t = make_table(false);
  if (!t) return false;
  const std::uint64_t flags = large & ~pte::address_mask & ~pte::large;
  const std::uint64_t base = large & pte::address_mask;
  for (unsigned i = 0; i < 512; ++i) write(*t, i, (base + i * 4096ULL) | flags);
  write(pd, index, t->page.guest_address | inner_flags);
  (*pd.children)[index] = std::move(t);
  inner_change_ = true;
  return true;
}

bool page_tables::split_edge(std::uint64_t va) {
  if (va % large_page == 0) return true;
  table* t = root_.get();
  for (unsigned level = 4; level > 2; --level) {
    t = (*t->children)[index_at(va, level)].get();
    if (!t) return true;
  }
  const unsigned i = index_at(va, 2);
  if (!t->entries[i] || (*t->children)[i]) return true;
  return split(*t, i);
}

bool page_tables::update(std::uint64_t begin, std::uint64_t end, const visitor& visit) {
  if (begin >= end) return true;
  if (!split_edge(begin) || !split_edge(end)) return false;
  update_table(*root_, 4, 0, begin, end, visit);
  return true;
}

void page_tables::update_table(table& t, unsigned level, std::uint64_t base, std::uint64_t begin,
                               std::uint64_t end, const visitor& visit) {
  const std::uint64_t span = span_at(level);
  const unsigned first = begin > base ? static_cast<unsigned>((begin - base) / span) : 0;
  for (unsigned i = first; i < 512; ++i) {
    const std::uint64_t va = base + i * span;
    if (va >= end) return;
    if (t.children && (*t.children)[i]) {
      update_table(*(*t.children)[i], level - 1, va, begin, end, visit);
    } else if (t.entries[i]) {
      const std::uint64_t old = t.entries[i];
      const std::uint64_t now = visit(va, old, span);
      if (now != old) write(t, i, now);
      if (now != old && level > 1) inner_change_ = true;
    }
  }
}

}  // namespace osvm::kvm
