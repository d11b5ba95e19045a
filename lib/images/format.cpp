#include "images/format.hpp"

#include <osvm/core/text.hpp>

#include <algorithm>
#include <cstring>

namespace osvm::images::format {
namespace {

constexpr std::size_t max_path = 4095, max_part = 255;

error bad_entry_error(errc code, const std::string& path, const char* what) {
  return {code, printable(path) + ": " + what};
}

std::string_view folder_of(std::string_view path) noexcept {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

template <class T>
void append(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string text_in(bytes_view b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

result<entry> decode_entry(byte_reader& in, const header& h) {
  OSVM_TRY(const auto raw, in.read<entry_header>());
  if (raw.path_size == 0 || raw.path_size > max_path)
    return error(errc::bad_path, "a name of " + std::to_string(raw.path_size) + " bytes");
  entry e;
  OSVM_TRY(const auto path, in.take(raw.path_size));
  e.path = text_in(path);
  if (!good_path(e.path))
    return bad_entry_error(errc::bad_path, e.path, "not a relative path without \".\" and \"..\"");
  if (raw.type < 1 || raw.type > 3)
    return bad_entry_error(errc::bad_entry, e.path, "neither file, folder nor link");
  if (raw.reserved != 0 || (raw.mode & ~0777) != 0)
    return bad_entry_error(errc::malformed, e.path, "unknown mode bits");
  e.type = static_cast<entry_type>(raw.type);
  e.mode = raw.mode;
  e.mtime = raw.mtime;
  if (e.type == entry_type::link) {
    if (raw.size == 0 || raw.size > max_path)
      return bad_entry_error(errc::bad_path, e.path, "a link of impossible length");
    OSVM_TRY(const auto target, in.take(raw.size));
    e.target = text_in(target);
    if (e.target.find('\0') != std::string::npos)
      return bad_entry_error(errc::bad_path, e.path, "a link with a NUL");
  }
  if (e.type != entry_type::file) {
    if (raw.offset != 0 || raw.sha256 != digest{} || (e.type == entry_type::folder && raw.size != 0))
      return bad_entry_error(errc::malformed, e.path, "content of what is no file");
    return e;
  }
  std::uint64_t end = 0;
  if (raw.offset < blobs_begin || !checked_add(raw.offset, raw.size, end) || end > h.blob_end)
    return bad_entry_error(errc::malformed, e.path, "its content lies outside the contents");
  e.offset = raw.offset;
  e.size = raw.size;
  e.sha256 = raw.sha256;
  return e;
}

}  // namespace

bool good_path(std::string_view path) noexcept {
  if (path.empty() || path.size() > max_path || path.find('\0') != std::string_view::npos) return false;
  while (true) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.size() > max_part) return false;
    if (slash == path.size()) return true;
    path.remove_prefix(slash + 1);
  }
}

// A folder's name is a prefix of what lies in it, so it comes first; a link never holds anything.
result<void> check_entries(const std::vector<entry>& sorted) {
  const auto by_path = [](const entry& e, std::string_view p) { return e.path < p; };
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const entry& e = sorted[i];
    if (i > 0 && sorted[i - 1].path == e.path) return bad_entry_error(errc::bad_path, e.path, "given twice");
    if (i > 0 && sorted[i - 1].path > e.path) return bad_entry_error(errc::malformed, e.path, "not in order");
    const std::string_view folder = folder_of(e.path);
    if (folder.empty()) continue;
    const auto at =
        std::lower_bound(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(i), folder, by_path);
    if (at == sorted.begin() + static_cast<std::ptrdiff_t>(i) || at->path != folder ||
        at->type != entry_type::folder)
      return bad_entry_error(errc::bad_path, e.path, "does not lie in a folder of the image");
  }
  return {};
}

std::string encode_index(const std::vector<entry>& sorted) {
  std::string out;
  for (const entry& e : sorted) {
    append(out, entry_header{.type = static_cast<std::uint8_t>(e.type),
                             .reserved = 0,
                             .mode = e.mode,
                             .path_size = static_cast<std::uint32_t>(e.path.size()),
                             .mtime = e.mtime,
                             .offset = e.offset,
                             .size = e.type == entry_type::link ? e.target.size() : e.size,
                             .sha256 = e.sha256});
    out += e.path + e.target;
  }
  return out;
}

result<std::vector<entry>> decode_index(bytes_view bytes, const header& h, const image_limits& limits) {
  byte_reader in(bytes);
  std::vector<entry> out;
  std::uint64_t sum = 0;
  if (h.entry_count > limits.max_entries || h.entry_count > bytes.size() / sizeof(entry_header))
    return error(errc::too_large, std::to_string(h.entry_count) + " entries");
  out.reserve(h.entry_count);
  for (std::uint64_t i = 0; i < h.entry_count; ++i) {
    auto e = decode_entry(in, h);
    if (!e && e.error().code == osvm::errc::truncated)
      return error(errc::malformed, "the index ends inside an entry");
    if (!e) return e.error();
    if (!checked_add(sum, e->size, sum) || sum > limits.max_unpacked_bytes)
      return bad_entry_error(errc::too_large, e->path, "the files together are too large");
    out.push_back(std::move(*e));
  }
  if (in.remaining() != 0) return error(errc::malformed, "the index goes on behind its last entry");
  OSVM_CHECK(check_entries(out));
  return out;
}

}  // namespace osvm::images::format
