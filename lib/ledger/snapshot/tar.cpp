#include "tar.hpp"

#include <osvm/core/text.hpp>
#include <osvm/ledger/error.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace osvm::ledger {
namespace {

constexpr std::size_t block = 512;
constexpr std::uint64_t max_name = 4096;

using header = std::array<char, block>;

std::string_view field(const header& h, std::size_t at, std::size_t size) {
  const std::string_view raw(h.data() + at, size);
  return raw.substr(0, raw.find('\0'));
}

// Octal digits, or with the top bit set a big-endian number.
result<std::uint64_t> number(const header& h, std::size_t at, std::size_t size) {
  std::uint64_t v = 0;
  if (static_cast<unsigned char>(h[at]) & 0x80) {
    for (std::size_t i = 1; i < size; ++i) {
      if (v >> 56) return error(errc::corrupt, "tar: a number that is too large");
      v = v << 8 | static_cast<unsigned char>(h[at + i]);
    }
    return v;
  }
  for (const char c : std::string_view(h.data() + at, size)) {
    if (c == ' ' || c == '\0') continue;
    if (c < '0' || c > '7') return error(errc::corrupt, "tar: a number that is not octal");
    v = v << 3 | static_cast<std::uint64_t>(c - '0');
  }
  return v;
}

bool checksum_holds(const header& h) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < block; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(h[i]);
  const auto said = number(h, 148, 8);
  return said && *said == sum;
}

std::string name_of(const header& h) {
  std::string name(field(h, 0, 100));
  if (std::memcmp(h.data() + 257, "ustar\0", 6) == 0)
    if (const auto prefix = field(h, 345, 155); !prefix.empty()) name = std::string(prefix) + "/" + name;
  return name;
}

std::uint64_t padding(std::uint64_t size) {
  return (block - size % block) % block;
}

}  // namespace

result<> each_tar_entry(byte_source& from, std::size_t max_entries,
                        const std::function<result<std::uint64_t>(const tar_entry&)>& visit) {
  std::string long_name;
  for (std::size_t n = 0;; ++n) {
    header h;
    OSVM_TRY(const auto got, from.read(h.data(), block));
    if (got == 0) return {};  // some writers leave the two empty blocks out
    OSVM_CHECK(from.read_all(h.data() + got, block - got));
    if (std::ranges::all_of(h, [](char c) { return c == 0; })) return {};
    if (n >= max_entries) return error(osvm::errc::limit_exceeded, "tar: too many entries");
    if (!checksum_holds(h)) return error(errc::corrupt, "tar: a header's checksum does not hold");
    OSVM_TRY(const auto size, number(h, 124, 12));
    if (size >> 56) return error(errc::corrupt, "tar: a size that is too large");
    const char type = h[156];
    if (type == 'L' || type == 'x' || type == 'g') {  // a long name, or what we do not ask for
      if (type != 'L') {
        OSVM_CHECK(from.skip(size + padding(size)));
        continue;
      }
      if (size > max_name) return error(osvm::errc::limit_exceeded, "tar: a name of more than 4096 bytes");
      long_name.assign(size, '\0');
      OSVM_CHECK(from.read_all(long_name.data(), size));
      OSVM_CHECK(from.skip(padding(size)));
      long_name.resize(std::strlen(long_name.c_str()));
      continue;
    }
    tar_entry entry{long_name.empty() ? name_of(h) : std::exchange(long_name, {}), size, type == '5'};
    if (type != '0' && type != '\0' && type != '5')
      return error(errc::corrupt, "tar: neither a file nor a folder: " + printable(entry.name));
    OSVM_TRY(const auto used, visit(entry));
    OSVM_CHECK(from.skip(size - used + padding(size)));
  }
}

}  // namespace osvm::ledger
