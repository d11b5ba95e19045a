// A program, parsed and laid out once, shared by all instances that run it.
#pragma once

#include <osvm/core/bytes.hpp>
#include <osvm/unikernel/error.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace osvm::unikernel {

namespace detail {
struct image_data;
}

// Bounds on what a hostile ELF file may ask for.
struct image_limits {
  std::uint64_t max_file_bytes = std::uint64_t{1} << 30;
  std::uint64_t max_memory_bytes = std::uint64_t{4} << 30;  // lowest to highest segment address
  unsigned max_segments = 64;
};

struct image_info {
  std::string name;         // file name, for messages
  std::string path;         // of load(): the file's absolute host path without symbolic links; else empty
  std::string interpreter;  // the loader that the file names (PT_INTERP); empty: a static program
  bool position_independent = false;  // static-pie, or a dynamic program
  std::uint64_t entry = 0;            // as in the file; not relocated
  std::uint64_t memory_bytes = 0;     // page-rounded span of the loadable segments
  unsigned segments = 0;
};

// An unmodified x86-64 Linux ELF program, verified and copied into a sealed memory file, so that changing the
// file afterwards changes no running guest. Of a dynamic program this is the program alone: its loader and
// libraries are files of the guest, opened through its mounts (see instance_options::grant_libraries).
// Immutable, cheap to copy, thread-safe.
class image {
 public:
  // Reads and checks the file. Errors: unikernel::errc, or the errno of open/read.
  static result<image> load(const std::string& path, const image_limits& limits = {});
  // The same for bytes in memory, which are copied; `name` is argv[0]'s default and stands in messages.
  static result<image> parse(bytes_view file, std::string name, const image_limits& limits = {});

  const image_info& info() const noexcept;
  // For the library itself: what an image is made of, and an image of it.
  const std::shared_ptr<const detail::image_data>& data() const noexcept { return data_; }
  static image of(std::shared_ptr<const detail::image_data> data) noexcept { return image(std::move(data)); }

 private:
  explicit image(std::shared_ptr<const detail::image_data> data) noexcept : data_(std::move(data)) {}
  std::shared_ptr<const detail::image_data> data_;
};

}  // namespace osvm::unikernel
