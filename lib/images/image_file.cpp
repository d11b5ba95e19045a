#include <osvm/images/image_file.hpp>

#include "images/digest.hpp"
#include "images/format.hpp"

#include <osvm/core/text.hpp>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <set>
#include <tuple>

namespace osvm::images {
namespace {

constexpr std::size_t chunk_bytes = 256 << 10;
constexpr std::string_view signed_prefix("osvm image signature\0", 21);

// Exactly `size` bytes at `offset`. The file may change under us: what is checked is what was read, once.
result<std::string> read_part(const unique_fd& file, std::uint64_t offset, std::uint64_t size) {
  std::string out(size, '\0');
  std::uint64_t done = 0;
  while (done < size) {
    const ssize_t n = ::pread(file.get(), out.data() + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0) return errno_error("read the image");
    if (n == 0) return error(errc::truncated);
    done += static_cast<std::uint64_t>(n);
  }
  return out;
}

std::string signed_message(std::string_view header) {
  return std::string(signed_prefix) + std::string(header);
}

struct parts {
  format::header header{};
  std::string header_bytes, manifest_bytes, index_bytes;
  std::optional<signed_bytes> signature;
  std::uint64_t end = 0;  // where the index ends
};

result<void> check_layout(const format::header& h, std::uint64_t file_bytes, const image_limits& limits,
                          std::uint64_t& end) {
  if (h.magic != format::magic) return error(errc::not_an_image);
  if (h.version != format::current_version)
    return error(errc::version, "format " + std::to_string(h.version));
  if (h.manifest_size > limits.max_manifest_bytes) return error(errc::too_large, "the manifest");
  if (h.index_size > limits.max_index_bytes) return error(errc::too_large, "the index");
  if (h.reserved != 0 || h.blob_end < format::blobs_begin || h.manifest_offset != h.blob_end ||
      !checked_add(h.manifest_offset, h.manifest_size, end) || end != h.index_offset ||
      !checked_add(h.index_offset, h.index_size, end)) {
    return error(errc::malformed, "the parts do not follow each other");
  }
  return end <= file_bytes ? result<void>() : error(errc::truncated);
}

result<std::optional<signed_bytes>> read_signature(const unique_fd& file, std::uint64_t at,
                                                   std::uint64_t file_bytes) {
  if (at == file_bytes) return std::optional<signed_bytes>();
  constexpr auto size = sizeof(format::signature_header);
  if (file_bytes - at < size) return error(errc::malformed, "bytes behind the index");
  OSVM_TRY(const auto raw, read_part(file, at, size));
  format::signature_header h{};
  std::memcpy(&h, raw.data(), size);
  if (h.magic != format::signature_magic || h.reserved != 0)
    return error(errc::malformed, "bytes behind the index");
  if (h.key_size > format::max_key_bytes || h.signature_size > format::max_signature_bytes ||
      h.algorithm < 1 || h.algorithm > 2)
    return error(errc::malformed, "the signature's sizes");
  if (file_bytes - at != size + h.key_size + h.signature_size)
    return error(errc::malformed, "the signature's end is not the file's");
  OSVM_TRY(const auto bytes, read_part(file, at + size, h.key_size + h.signature_size));
  return std::optional<signed_bytes>({h.algorithm, bytes.substr(0, h.key_size), bytes.substr(h.key_size)});
}

result<parts> read_parts(const unique_fd& file, const image_limits& limits, std::uint64_t& file_bytes) {
  struct stat st {};
  if (::fstat(file.get(), &st) != 0) return errno_error("image");
  if (!S_ISREG(st.st_mode)) return error(errc::not_an_image, "not a regular file");
  file_bytes = static_cast<std::uint64_t>(st.st_size);
  if (file_bytes > limits.max_file_bytes)
    return error(errc::too_large, std::to_string(file_bytes) + " bytes");
  parts p;
  auto head = read_part(file, 0, sizeof p.header);
  if (!head) return head.error().code == errc::truncated ? error(errc::not_an_image) : head.error();
  p.header_bytes = std::move(*head);
  std::memcpy(&p.header, p.header_bytes.data(), sizeof p.header);
  OSVM_CHECK(check_layout(p.header, file_bytes, limits, p.end));
  OSVM_TRY(p.manifest_bytes, read_part(file, p.header.manifest_offset, p.header.manifest_size));
  OSVM_TRY(p.index_bytes, read_part(file, p.header.index_offset, p.header.index_size));
  if (sha256_of(as_bytes(p.manifest_bytes)) != p.header.manifest_sha256)
    return error(errc::digest_mismatch, "manifest");
  if (sha256_of(as_bytes(p.index_bytes)) != p.header.index_sha256)
    return error(errc::digest_mismatch, "index");
  OSVM_TRY(p.signature, read_signature(file, p.end, file_bytes));
  return p;
}

// Passes an entry's content through `use` in pieces and compares its digest: what was used is what was
// compared.
template <class Use>
result<void> check_content(const unique_fd& file, const entry& e, Use use) {
  hasher h;
  std::string buffer(chunk_bytes, '\0');
  for (std::uint64_t done = 0; done < e.size;) {
    const std::size_t want = std::min<std::uint64_t>(buffer.size(), e.size - done);
    const ssize_t n = ::pread(file.get(), buffer.data(), want, static_cast<off_t>(e.offset + done));
    if (n < 0) return errno_error("read the image");
    if (n == 0) return error(errc::truncated, printable(e.path));
    const std::string_view piece(buffer.data(), static_cast<std::size_t>(n));
    h.add(as_bytes(piece));
    OSVM_CHECK(use(piece));
    done += piece.size();
  }
  return h.finish() == e.sha256 ? result<void>() : error(errc::digest_mismatch, printable(e.path));
}

result<void> write_all(int fd, std::string_view text, const entry& e) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n <= 0) return errno_error("write " + printable(e.path));
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

result<unique_fd> open_parent(const unique_fd& root, const std::string& path) {
  const std::size_t slash = path.rfind('/');
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
  unique_fd fd(static_cast<int>(::syscall(SYS_openat2, root.get(), folder.c_str(), &how, sizeof how)));
  if (!fd) return errno_error("unpack " + printable(path));
  return fd;
}

result<void> unpack_one(const unique_fd& file, const unique_fd& root, const entry& e) {
  OSVM_TRY(const auto parent, open_parent(root, e.path));
  const std::string name = e.path.substr(e.path.rfind('/') + 1);
  const auto failed = [&] { return errno_error("unpack " + printable(e.path)); };
  if (e.type == entry_type::folder)
    return ::mkdirat(parent.get(), name.c_str(), e.mode | 0700U) == 0 ? result<void>() : failed();
  if (e.type == entry_type::link)
    return ::symlinkat(e.target.c_str(), parent.get(), name.c_str()) == 0 ? result<void>() : failed();
  const unique_fd out(
      ::openat(parent.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!out) return failed();
  OSVM_CHECK(check_content(file, e, [&](std::string_view piece) { return write_all(out.get(), piece, e); }));
  const timespec times[2] = {{.tv_sec = e.mtime, .tv_nsec = 0}, {.tv_sec = e.mtime, .tv_nsec = 0}};
  if (::fchmod(out.get(), e.mode | 0600U) != 0 || ::futimens(out.get(), times) != 0) return failed();
  return {};
}

}  // namespace

std::string to_hex(const digest& d) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t b : d) out += {digits[b >> 4], digits[b & 15]};
  return out;
}

struct image_file::data {
  unique_fd file;
  std::string name;
  std::uint64_t file_bytes = 0;
  parts read;
  digest id{};
  manifest info;
  std::vector<entry> entries;
  std::optional<signature_info> signature;
};

result<image_file> image_file::open(const std::string& path, const image_limits& limits) {
  const unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) return errno_error(path);
  return open(fd, path, limits);
}

result<image_file> image_file::open(const unique_fd& file, std::string name, const image_limits& limits) {
  auto d = std::make_shared<data>();
  d->file = file.duplicate();
  d->name = std::move(name);
  if (!d->file) return errno_error(d->name);
  const auto named = [&](const error& e) {
    return error(e.code, d->name + (e.context.empty() ? "" : ": " + e.context));
  };
  auto p = read_parts(d->file, limits, d->file_bytes);
  if (!p) return named(p.error());
  d->read = std::move(*p);
  auto entries = format::decode_index(as_bytes(d->read.index_bytes), d->read.header, limits);
  if (!entries) return named(entries.error());
  d->entries = std::move(*entries);
  auto info = parse_manifest(d->read.manifest_bytes);
  if (!info) return named(info.error());
  d->info = std::move(*info);
  d->id = sha256_of(as_bytes(d->read.header_bytes));
  if (const auto& s = d->read.signature) {
    d->signature = signature_info{s->algorithm == 1 ? "ed25519" : "p256", sha256_of(as_bytes(s->public_key))};
  }
  return image_file(std::move(d));
}

const manifest& image_file::info() const noexcept {
  return data_->info;
}
std::string_view image_file::manifest_text() const noexcept {
  return data_->read.manifest_bytes;
}
const std::vector<entry>& image_file::entries() const noexcept {
  return data_->entries;
}
const digest& image_file::id() const noexcept {
  return data_->id;
}
std::uint64_t image_file::file_bytes() const noexcept {
  return data_->file_bytes;
}
const std::optional<signature_info>& image_file::signature() const noexcept {
  return data_->signature;
}

result<unique_fd> image_file::content(std::size_t number) const {
  const entry& e = data_->entries[number];
  unique_fd out(::memfd_create("osvm-image-file", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!out) return errno_error("memfd_create");
  OSVM_CHECK(
      check_content(data_->file, e, [&](std::string_view piece) { return write_all(out.get(), piece, e); }));
  const timespec times[2] = {{.tv_sec = e.mtime, .tv_nsec = 0}, {.tv_sec = e.mtime, .tv_nsec = 0}};
  (void)::futimens(out.get(), times);
  if (::fcntl(out.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
    return errno_error("seal " + printable(e.path));
  return out;
}

result<void> image_file::verify() const {
  std::set<std::tuple<std::uint64_t, std::uint64_t, digest>> seen;  // equal files are stored once
  for (const entry& e : data_->entries) {
    if (e.type != entry_type::file || !seen.emplace(e.offset, e.size, e.sha256).second) continue;
    OSVM_CHECK(check_content(data_->file, e, [](std::string_view) { return result<void>(); }));
  }
  return {};
}

result<void> image_file::verify_signature(std::string_view pem) const {
  OSVM_TRY(const auto wanted, public_key_der(pem));
  if (!data_->read.signature) return error(errc::not_signed, data_->name);
  if (data_->read.signature->public_key != wanted) return error(errc::wrong_key, data_->name);
  const std::string message = signed_message(data_->read.header_bytes);
  return check_signature(*data_->read.signature, as_bytes(message));
}

result<void> image_file::unpack(const unique_fd& folder) const {
  for (const entry& e : data_->entries) OSVM_CHECK(unpack_one(data_->file, folder, e));
  return {};
}

result<void> sign_image(const std::string& path, std::string_view pem) {
  const unique_fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file) return errno_error(path);
  std::uint64_t size = 0;
  OSVM_TRY(const auto p, read_parts(file, {}, size));
  const std::string message = signed_message(p.header_bytes);
  OSVM_TRY(const auto s, sign(pem, as_bytes(message)));
  const format::signature_header h{.magic = format::signature_magic,
                                   .algorithm = s.algorithm,
                                   .key_size = static_cast<std::uint32_t>(s.public_key.size()),
                                   .signature_size = static_cast<std::uint32_t>(s.signature.size()),
                                   .reserved = 0};
  std::string bytes(reinterpret_cast<const char*>(&h), sizeof h);
  bytes += s.public_key + s.signature;
  if (::ftruncate(file.get(), static_cast<off_t>(p.end)) != 0 ||
      ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(p.end)) !=
          static_cast<ssize_t>(bytes.size()) ||
      ::fsync(file.get()) != 0) {
    return errno_error("write the signature to " + path);
  }
  return {};
}

}  // namespace osvm::images
