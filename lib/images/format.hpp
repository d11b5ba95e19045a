// The bytes of an image file; docs/formats/image.md.
#pragma once

#include <osvm/images/image_file.hpp>

#include <cstddef>

namespace osvm::images::format {

inline constexpr std::array<char, 8> magic{'O', 'S', 'V', 'M', 'I', 'M', 'G', '1'};
inline constexpr std::array<char, 8> signature_magic{'O', 'S', 'V', 'M', 'S', 'I', 'G', '1'};
inline constexpr std::uint32_t current_version = 1;
inline constexpr std::uint64_t blobs_begin = 4096;

struct header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t reserved;         // zero
  std::uint64_t blob_end;         // contents lie in [4096, blob_end)
  std::uint64_t manifest_offset;  // = blob_end
  std::uint64_t manifest_size;
  std::uint64_t index_offset;  // = manifest_offset + manifest_size
  std::uint64_t index_size;    // the signature, or the end of the file, follows
  std::uint64_t entry_count;
  digest manifest_sha256;
  digest index_sha256;
};
static_assert(sizeof(header) == 128);

struct entry_header {
  std::uint8_t type;
  std::uint8_t reserved;  // zero
  std::uint16_t mode;
  std::uint32_t path_size;
  std::int64_t mtime;
  std::uint64_t offset;
  std::uint64_t size;  // links: of the target, which follows the path
  digest sha256;       // zero but for files
};
static_assert(sizeof(entry_header) == 64);

struct signature_header {
  std::array<char, 8> magic;
  std::uint32_t algorithm;  // 1: Ed25519, 2: ECDSA P-256 with SHA-256
  std::uint32_t key_size;   // public key, SubjectPublicKeyInfo (DER); then the signature
  std::uint32_t signature_size;
  std::uint32_t reserved;  // zero
};
static_assert(sizeof(signature_header) == 24);
inline constexpr std::uint32_t max_key_bytes = 512, max_signature_bytes = 512;

// Relative, not empty, without empty parts, ".", ".." and NUL; parts of at most 255 bytes, 4095 in all.
bool good_path(std::string_view path) noexcept;
result<void> check_entries(const std::vector<entry>& sorted);
std::string encode_index(const std::vector<entry>& sorted);
result<std::vector<entry>> decode_index(bytes_view bytes, const header& h, const image_limits& limits);

}  // namespace osvm::images::format
