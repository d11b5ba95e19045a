// A template without its pages, to and from bytes.
#include "unikernel/snapshot/disk/template_file.hpp"

#include <osvm/unikernel/error.hpp>

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <set>

namespace osvm::unikernel {
namespace {

constexpr std::string_view program_name = "/";  // a mapping of the program has its name

constexpr std::uint64_t leaf_bits = kvm::pte::present | kvm::pte::writable | kvm::pte::user |
                                    kvm::pte::accessed | kvm::pte::dirty | kvm::pte::large |
                                    kvm::pte::no_execute | kvm::pte::backed;

std::uint64_t uptime_ns() {
  timespec t{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
}

result<saved_backing> describe_backing(const file_backing& file) {
  struct stat st {};
  if (::fstat(file.host, &st) != 0) return errno_error(file.path);
  if (file.path.ends_with(" (deleted)") || file.charged)
    return error(errc::cannot_snapshot, "a mapping of a file without a name: " + file.path);
  return saved_backing{
      .path = file.path,
      .inode = st.st_ino,
      .size = static_cast<std::uint64_t>(st.st_size),
      .modified_ns = static_cast<std::int64_t>(st.st_mtim.tv_sec) * 1'000'000'000 + st.st_mtim.tv_nsec,
      .trusted = file.trusted};
}

saved_mapping describe_mapping(std::uint64_t begin, const vma& v) {
  return {.begin = begin,
          .end = v.end,
          .protection = v.protection,
          .kind = v.kind,
          .shared = v.shared,
          .was_writable = v.was_writable,
          .grows_down = v.grows_down,
          .not_forked = v.not_forked,
          .wiped_by_fork = v.wiped_by_fork,
          .populated = v.populated,
          .file_offset = v.file_offset,
          .name = v.name ? v.name : std::string(program_name)};
}

bool aligned(std::uint64_t value) noexcept {
  return value % page_size == 0;
}

bool sane_mapping(const saved_mapping& m, std::size_t backings) {
  constexpr int known = PROT_READ | PROT_WRITE | PROT_EXEC;
  const bool of_file = m.kind == vma_kind::file || m.kind == vma_kind::shared;
  return aligned(m.begin) && aligned(m.end) && m.begin < m.end && m.end <= user_end &&
         (m.protection & ~known) == 0 && m.kind != vma_kind::image && aligned(m.file_offset) &&
         m.file_offset <= std::uint64_t{1} << 62 && m.file <= backings && of_file == (m.file != 0);
}

// No page has a right that its mapping does not give.
bool may_have(const saved_mapping& m, std::uint64_t flags) {
  if (m.kind == vma_kind::shared) return false;
  if (!(flags & kvm::pte::present)) return true;
  return m.protection != PROT_NONE && (!(flags & kvm::pte::writable) || (m.protection & PROT_WRITE)) &&
         ((flags & kvm::pte::no_execute) || (m.protection & PROT_EXEC));
}

// Each run lies within mappings with pages of its own, and in the pages' file.
bool sane_run(const saved_memory::run& r, std::uint64_t pages, const std::vector<saved_mapping>& mappings) {
  const std::uint64_t unit = r.flags & kvm::pte::large ? kvm::large_page : page_size;
  if (r.size == 0 || r.va % unit || r.size % unit || r.offset % unit || r.va >= user_end ||
      r.size > user_end - r.va || r.offset > pages || r.size > pages - r.offset)
    return false;
  if (unit == kvm::large_page && r.size != kvm::large_page) return false;
  if ((r.flags & ~leaf_bits) != 0 || !(r.flags & (kvm::pte::backed | kvm::pte::present))) return false;
  if ((r.flags & kvm::pte::present) && !(r.flags & kvm::pte::user)) return false;
  auto m = std::upper_bound(mappings.begin(), mappings.end(), r.va,
                            [](std::uint64_t va, const saved_mapping& one) { return va < one.begin; });
  if (m == mappings.begin()) return false;
  std::uint64_t at = r.va;
  for (--m; at < r.va + r.size && m != mappings.end() && m->begin <= at && at < m->end; at = m++->end)
    if (!may_have(*m, r.flags)) return false;
  return at >= r.va + r.size;
}

bool sane_threads(const template_state& s) {
  std::set<int> seen;
  for (const saved_thread& t : s.process.threads) {
    if (t.tid <= 0 || t.tid >= s.next_id || !seen.insert(t.tid).second) return false;
  }
  return !seen.empty() && seen.size() <= s.options.budgets.threads;
}

bool sane_program(const detail::image_data& i, std::uint64_t size) {
  const auto within = [](const image_range& r, std::uint64_t end) {
    return aligned(r.offset) && aligned(r.size) && r.offset <= end && r.size <= end - r.offset;
  };
  return i.file_bytes == size && aligned(i.base) && i.base < user_end && aligned(i.end) &&
         i.end < user_end - i.base && i.alignment >= page_size && i.alignment <= std::uint64_t{1} << 30 &&
         (i.alignment & (i.alignment - 1)) == 0 && i.headers < user_end && i.info.entry < user_end &&
         std::all_of(i.ranges.begin(), i.ranges.end(), [&](const auto& r) { return within(r, size); }) &&
         std::all_of(i.zero_ranges.begin(), i.zero_ranges.end(),
                     [&](const auto& r) { return within(r, user_end); });
}

}  // namespace

result<template_state> describe_template(const saved_instance& saved) {
  if (!saved.options.policy.trees.empty())
    return error(errc::cannot_snapshot,
                 "its files are those of an image, which a template's file does not hold");
  template_state s;
  s.uptime_ns = uptime_ns();
  const detail::image_data& image = *saved.program.data();
  s.image = {.info = image.info,
             .memory = {},
             .base = image.base,
             .file_bytes = image.file_bytes,
             .alignment = image.alignment,
             .ranges = image.ranges,
             .zero_ranges = image.zero_ranges,
             .end = image.end,
             .headers = image.headers,
             .header_count = image.header_count};
  s.options = saved.options;
  s.runs = saved.memory.runs;
  s.break_start = saved.memory.break_start;
  s.break_end = saved.memory.break_end;
  s.map_top = saved.memory.map_top;
  s.image_name = saved.memory.image_name;
  s.process = saved.process;
  s.next_id = saved.next_id;
  std::map<const file_backing*, std::uint32_t> numbers;
  for (const auto& [begin, v] : saved.memory.vmas) {
    saved_mapping m = describe_mapping(begin, v);
    if (v.file) {
      auto [it, fresh] = numbers.try_emplace(v.file.get(), static_cast<std::uint32_t>(s.backings.size() + 1));
      if (fresh) {
        OSVM_TRY(auto backing, describe_backing(*v.file));
        s.backings.push_back(std::move(backing));
      }
      m.file = it->second;
    }
    s.mappings.push_back(std::move(m));
  }
  return s;
}

result<std::string> encode_state(template_state& state) {
  wire::writer out;
  out(state);
  if (!out.descriptors().empty()) return error(errc::cannot_snapshot, "a descriptor of the host");
  return std::move(out.bytes());
}

result<template_state> decode_state(std::string_view bytes) {
  const std::vector<int> none;
  wire::reader in(bytes, none);
  template_state s;
  in(s);
  if (!in.whole()) return bad_template("its description is damaged");
  return s;
}

result<void> check_state(const template_state& s, std::uint64_t pages, std::uint64_t program) {
  const auto bad = [](const char* what) {
    return bad_template(std::string("its ") + what + " make no sense");
  };
  std::uint64_t last = 0;
  for (const saved_mapping& m : s.mappings) {
    if (m.begin < last || !sane_mapping(m, s.backings.size())) return bad("mappings");
    last = m.end;
  }
  std::uint64_t end = 0, large = 0;
  for (const auto& r : s.runs) {
    if (r.va < end || !sane_run(r, pages, s.mappings)) return bad("pages");
    end = r.va + r.size;
    large += r.size;
  }
  if (large > pages) return bad("pages");
  if (s.break_start > s.break_end || s.break_end > user_end || s.map_top > user_end || !aligned(s.map_top))
    return bad("addresses");
  if (!sane_threads(s)) return bad("threads");
  if (!sane_program(s.image, program)) return bad("program's places");
  if (!s.process.working_directory.starts_with('/')) return bad("folders");
  if (s.process.descriptors.size() > s.options.budgets.descriptors) return bad("open files");
  if (s.uptime_ns > uptime_ns()) {
    return bad_template(
        fmt::format("it comes from before the host's last start, whose clock (CLOCK_MONOTONIC) is {} s "
                    "behind the guest's",
                    (s.uptime_ns - uptime_ns()) / 1'000'000'000));
  }
  return {};
}

}  // namespace osvm::unikernel
