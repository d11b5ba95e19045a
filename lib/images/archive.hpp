// What a source holds, entry by entry: the only file that libarchive's types reach is archive.cpp.
#pragma once

#include <osvm/core/unique_fd.hpp>
#include <osvm/images/error.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace osvm::images {

enum class source_type : std::uint8_t { file, folder, link, hard_link, other };

struct source_entry {
  source_type type = source_type::other;
  std::string path;    // as the source has it
  std::string target;  // links
  unsigned mode = 0;
  std::int64_t mtime = 0;
  std::uint64_t size = 0;
};

// Gives the next piece of the entry's content; empty at its end.
using content_reader = std::function<result<std::string_view>()>;
using entry_visitor = std::function<result<void>(const source_entry&, const content_reader&)>;

// Every entry of a tar archive (plain or compressed), in its order.
result<void> read_tar(const std::string& path, const entry_visitor& visit);
// Every entry below a folder, parents first. Links are not followed; another file system is not entered.
result<void> read_folder(const std::string& path, const entry_visitor& visit);

}  // namespace osvm::images
