// Format (ldconfig of glibc since 2.2): a header of 48 bytes, `count` entries of 24 bytes sorted by name in
// descending order, then strings. Offsets count from the header. An older table ("ld.so-1.7.0") may stand
// before it.
#include "unikernel/elf/library_cache.hpp"

#include <algorithm>
#include <cstring>

namespace osvm::unikernel::elf {
namespace {

constexpr std::string_view new_magic = "glibc-ld.so.cache1.1", old_magic = "ld.so-1.7.0";
constexpr std::int32_t x86_64_libc6 = 0x0303;
constexpr std::size_t max_library_name = 4096;

struct cache_header {
  char magic[20];
  std::uint32_t count, strings_size;
  std::uint8_t flags, padding[3];
  std::uint32_t extensions, unused[3];
};
struct cache_entry {
  std::int32_t flags;
  std::uint32_t name, path, os_version;
  std::uint64_t hardware;
};
struct old_header {
  char magic[12];
  std::uint32_t count;
};
constexpr std::size_t old_entry_size = 12;
constexpr std::uint8_t little_endian = 2;
static_assert(sizeof(cache_header) == 48 && sizeof(cache_entry) == 24);

bytes_view skip_old_table(bytes_view file) {
  const auto old = read_at<old_header>(file, 0);
  if (!old || std::memcmp(old->magic, old_magic.data(), old_magic.size()) != 0) return file;
  const std::uint64_t size = sizeof(old_header) + std::uint64_t{old->count} * old_entry_size;
  const auto rest = subspan(file, 0, (size + 7) & ~std::uint64_t{7});
  return rest ? file.subspan(rest->size()) : bytes_view();
}

std::string_view cached_text_at(bytes_view file, std::uint32_t offset) {
  if (offset >= file.size()) return {};
  const auto* begin = reinterpret_cast<const char*>(file.data()) + offset;
  const std::size_t most = std::min(file.size() - offset, max_library_name);
  const void* end = std::memchr(begin, 0, most);
  return end ? std::string_view(begin, static_cast<std::size_t>(static_cast<const char*>(end) - begin))
             : std::string_view();
}

// Number at the front of `text`, taken off it. Runs of digits compare as numbers, so that ".so.10" follows
// ".so.9".
std::uint64_t take_number(std::string_view& text) {
  std::uint64_t value = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    value = value * 10 + static_cast<std::uint64_t>(text.front() - '0');
    text.remove_prefix(1);
  }
  return value;
}

// The order in which the loader searches the table.
bool name_before(std::string_view a, std::string_view b) {
  const auto digit = [](std::string_view t) { return !t.empty() && t.front() >= '0' && t.front() <= '9'; };
  while (!a.empty() && !b.empty()) {
    if (digit(a) != digit(b)) return digit(b);
    if (digit(a)) {
      const std::uint64_t left = take_number(a), right = take_number(b);
      if (left != right) return left < right;
      continue;
    }
    if (a.front() != b.front()) return a.front() < b.front();
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return a.empty() && !b.empty();
}

}  // namespace

library_cache parse_library_cache(bytes_view file, std::size_t max_entries) {
  library_cache cache;
  file = skip_old_table(file);
  const auto header = read_at<cache_header>(file, 0);
  if (!header || std::memcmp(header->magic, new_magic.data(), new_magic.size()) != 0) return cache;
  if (header->flags != 0 && (header->flags & 3) != little_endian) return cache;
  const std::size_t count = std::min<std::size_t>(header->count, max_entries);
  for (std::size_t i = 0; i < count; ++i) {
    const auto entry = read_at<cache_entry>(file, sizeof(cache_header) + i * sizeof(cache_entry));
    if (!entry) break;
    if (entry->flags != x86_64_libc6 || entry->hardware != 0) continue;
    const std::string_view name = cached_text_at(file, entry->name), path = cached_text_at(file, entry->path);
    const std::size_t slash = path.rfind('/');
    if (name.empty() || !path.starts_with('/') || slash == 0 || name.find('/') != std::string_view::npos)
      continue;
    cache.paths.emplace(name, path);
    cache.directories.emplace(path.substr(0, slash));
  }
  return cache;
}

std::string build_library_cache(std::vector<cached_library> libraries) {
  std::sort(libraries.begin(), libraries.end(),
            [](const auto& a, const auto& b) { return name_before(b.name, a.name); });
  cache_header header{};
  std::memcpy(header.magic, new_magic.data(), new_magic.size());
  header.count = static_cast<std::uint32_t>(libraries.size());
  header.flags = little_endian;
  std::string entries, strings;
  const std::size_t strings_at = sizeof header + libraries.size() * sizeof(cache_entry);
  const auto add = [&](const std::string& text) {
    const auto at = static_cast<std::uint32_t>(strings_at + strings.size());
    strings.append(text.c_str(), text.size() + 1);
    return at;
  };
  for (const auto& l : libraries) {
    const std::uint32_t name = add(l.name), path = add(l.path);
    const cache_entry e{.flags = x86_64_libc6, .name = name, .path = path, .os_version = 0, .hardware = 0};
    entries.append(reinterpret_cast<const char*>(&e), sizeof e);
  }
  header.strings_size = static_cast<std::uint32_t>(strings.size());
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) + entries + strings;
}

}  // namespace osvm::unikernel::elf
