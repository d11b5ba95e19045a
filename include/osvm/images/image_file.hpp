// An application image: a program, its files and what it asks for, in one file whose parts are named by their
// SHA-256. docs/formats/image.md is the format. A reader trusts nothing: every size is bounded, every name is
// checked.
#pragma once

#include <osvm/core/bytes.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/images/error.hpp>
#include <osvm/unikernel/policy_file.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace osvm::images {

using digest = std::array<std::uint8_t, 32>;
std::string to_hex(const digest& d);

struct health_check {
  std::uint32_t port = 0;
  std::string path;  // of an HTTP GET; empty: a TCP connection is enough
};

// osvm.yaml: what the image runs and asks for. An image grants itself nothing of the host: `mounts` are
// names, which whoever runs it must grant.
struct manifest {
  std::string entry;                   // absolute guest path of the program
  std::vector<std::string> arguments;  // behind argv[0]
  std::string working_directory = "/";
  std::vector<std::string> environment;  // "KEY=value"
  std::vector<unikernel::listener> listen;
  bool jit = false;
  unikernel::budgets limits;
  std::vector<std::string> mounts;         // named mounts that it needs
  std::vector<std::string> writable{"/"};  // below which the program may change files, for as long as it runs
  std::uint64_t overlay_bytes = std::uint64_t{64} << 20;  // of what it creates and changes
  std::optional<health_check> health;
};

// Errors: errc::bad_manifest.
result<manifest> parse_manifest(std::string_view text);

enum class entry_type : std::uint8_t { file = 1, folder = 2, link = 3 };

struct entry {
  entry_type type = entry_type::file;
  std::uint16_t mode = 0;    // permission bits, 0777
  std::string path;          // relative, without ".", ".." or empty parts
  std::int64_t mtime = 0;    // seconds
  std::uint64_t offset = 0;  // files: in the image file
  std::uint64_t size = 0;    // files
  digest sha256{};           // files
  std::string target;        // links: text, followed inside the image only
};

struct signature_info {
  std::string algorithm;  // "ed25519" or "p256"
  digest key_id{};        // SHA-256 of the public key (DER)
};

struct image_limits {
  std::uint64_t max_file_bytes = std::uint64_t{16} << 30;
  std::uint64_t max_index_bytes = std::uint64_t{64} << 20;
  std::uint64_t max_manifest_bytes = 64 << 10;
  std::uint64_t max_entries = 500'000;
  std::uint64_t max_unpacked_bytes = std::uint64_t{16} << 30;  // files together, equal ones counted each time
};

// An opened image whose header, index and manifest have been read, checked against each other and against
// their digests. Contents are checked by verify(), or as unpack() copies them. Immutable, cheap to copy,
// thread-safe.
class image_file final {
 public:
  static result<image_file> open(const std::string& path, const image_limits& limits = {});
  // The same for a descriptor, which is duplicated; `name` stands in messages.
  static result<image_file> open(const unique_fd& file, std::string name, const image_limits& limits = {});

  const manifest& info() const noexcept;
  std::string_view manifest_text() const noexcept;
  const std::vector<entry>& entries() const noexcept;
  // What names the image: SHA-256 of its header, which holds the digests of all else.
  const digest& id() const noexcept;
  std::uint64_t file_bytes() const noexcept;
  const std::optional<signature_info>& signature() const noexcept;

  // The content of file `number` (of entries()) in a sealed memory file; its digest is compared on the way.
  result<unique_fd> content(std::size_t number) const;
  // Reads every file and compares digests.
  result<void> verify() const;
  // The signature over the header, by the public key in `pem`. verify() or unpack() check what the header
  // says.
  result<void> verify_signature(std::string_view pem) const;
  // Writes the tree into an existing empty folder: new files only, nothing followed, digests checked on the
  // way. Folders and files get their modes (with u+w, u+r), not their owners.
  result<void> unpack(const unique_fd& folder) const;

 private:
  struct data;
  explicit image_file(std::shared_ptr<const data> d) noexcept : data_(std::move(d)) {}
  std::shared_ptr<const data> data_;
};

// Signs the image at `path` (replacing a signature) with the private key in `pem`: Ed25519 or P-256.
result<void> sign_image(const std::string& path, std::string_view pem);

}  // namespace osvm::images
