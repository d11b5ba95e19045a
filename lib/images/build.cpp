#include <osvm/images/build.hpp>

#include "images/archive.hpp"
#include "images/digest.hpp"
#include "images/format.hpp"
#include "images/oci.hpp"

#include <osvm/core/text.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

namespace osvm::images {
namespace {

constexpr std::string_view whiteout = ".wh.", opaque = ".wh..wh..opq";

// "./a//b/" -> "a/b"; the root -> "". Absolute names and ".." are refused, never cut.
result<std::string> clean(std::string_view path) {
  const auto refused = [&] {
    return error(errc::bad_path, printable(path) + ": absolute, or leads out of the image");
  };
  if (path.starts_with('/')) return refused();
  std::string out;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part == "..") return refused();
    if (part.empty() || part == ".") continue;
    out += (out.empty() ? "" : "/") + std::string(part);
  }
  if (!out.empty() && !format::good_path(out))
    return error(errc::bad_path, printable(out) + ": too long, or holds a NUL");
  return out;
}

// The tree while it is put together. Contents go to the output file at once, equal ones once.
class builder {
 public:
  builder(int out, const image_limits& limits) : out_(out), limits_(limits) {}

  // In one tar or folder nothing is given twice; a layer may replace what lower ones gave.
  void begin_layer(bool may_replace) {
    layer_.clear();
    may_replace_ = may_replace;
  }
  result<void> add(const source_entry& source, const content_reader& content);
  std::vector<entry> take();
  std::uint64_t end() const { return end_; }
  build_report report() const { return report_; }

 private:
  result<void> remove(std::string_view folder, std::string_view name);
  result<void> check_parent(const std::string& path);
  result<void> store(const source_entry& source, const content_reader& content, entry& e);
  void erase_tree(const std::string& path, bool itself);

  int out_;
  const image_limits& limits_;
  std::map<std::string, entry> tree_;
  std::map<std::string, bool> layer_;  // what this layer gave
  std::map<digest, std::uint64_t> stored_;
  std::uint64_t end_ = format::blobs_begin, total_ = 0;
  bool may_replace_ = false;
  build_report report_;
};

void builder::erase_tree(const std::string& path, bool itself) {
  const std::string inside = path.empty() ? "" : path + "/";
  for (auto at = tree_.lower_bound(inside); at != tree_.end() && at->first.starts_with(inside);) {
    at = layer_.contains(at->first) ? std::next(at) : tree_.erase(at);
  }
  if (itself) tree_.erase(path);
}

// ".wh.NAME" hides NAME of lower layers, ".wh..wh..opq" all that its folder held there.
result<void> builder::remove(std::string_view folder, std::string_view name) {
  if (name == opaque) {
    erase_tree(std::string(folder), false);
    return {};
  }
  const std::string hidden =
      (folder.empty() ? "" : std::string(folder) + "/") + std::string(name.substr(whiteout.size()));
  if (!format::good_path(hidden))
    return error(errc::bad_path, printable(hidden) + ": a whiteout of what cannot be");
  if (!layer_.contains(hidden)) erase_tree(hidden, true);
  return {};
}

// Folders that a source leaves out exist all the same; what is no folder holds nothing, a link above all.
result<void> builder::check_parent(const std::string& path) {
  for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    const auto at = tree_.find(folder);
    if (at == tree_.end()) {
      tree_.emplace(folder, entry{.type = entry_type::folder, .mode = 0755, .path = folder});
    } else if (at->second.type != entry_type::folder) {
      return error(errc::bad_path,
                   printable(path) + ": lies in " + printable(folder) + ", which is no folder");
    }
  }
  return {};
}

result<void> builder::store(const source_entry& source, const content_reader& content, entry& e) {
  hasher h;
  const std::uint64_t begin = end_;
  std::uint64_t size = 0;
  for (;;) {
    OSVM_TRY(const auto piece, content());
    if (piece.empty()) break;
    if (!checked_add<std::uint64_t>(total_, piece.size(), total_) || total_ > limits_.max_unpacked_bytes)
      return error(errc::too_large, printable(source.path) + ": the files together are too large");
    h.add(as_bytes(piece));
    if (::pwrite(out_, piece.data(), piece.size(), static_cast<off_t>(begin + size)) !=
        static_cast<ssize_t>(piece.size()))
      return errno_error("write the image");
    size += piece.size();
  }
  e.size = size;
  e.sha256 = h.finish();
  const auto [at, fresh] = stored_.emplace(e.sha256, begin);
  e.offset = at->second;
  if (!fresh)
    return ::ftruncate(out_, static_cast<off_t>(begin)) == 0 ? result<void>()
                                                             : errno_error("write the image");
  end_ = begin + size;
  report_.stored_bytes += size;
  return {};
}

result<void> builder::add(const source_entry& source, const content_reader& content) {
  OSVM_TRY(const auto path, clean(source.path));
  if (path.empty()) return {};
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash),
                    name = path.substr(slash + 1);
  if (may_replace_ && name.starts_with(whiteout)) return remove(folder, name);
  if (source.type == source_type::other)
    return error(errc::bad_entry, printable(path) + ": a device, FIFO or socket");
  OSVM_CHECK(check_parent(path));
  entry e{.type = entry_type::file,
          .mode = static_cast<std::uint16_t>(source.mode & 0777U),
          .path = path,
          .mtime = source.mtime};
  const auto old = tree_.find(path);
  if (old != tree_.end() && layer_.contains(path) && source.type != source_type::folder)
    return error(errc::bad_path, printable(path) + ": given twice");
  if (source.type == source_type::hard_link) {
    OSVM_TRY(const auto target, clean(source.target));
    const auto at = tree_.find(target);
    if (at == tree_.end() || at->second.type != entry_type::file)
      return error(errc::bad_entry, printable(path) + ": a hard link to what is no file of the image");
    e = at->second;
    e.path = path;
  } else if (source.type == source_type::link) {
    if (source.target.empty() || source.target.size() > 4095)
      return error(errc::bad_entry, printable(path) + ": a link to nothing");
    e.type = entry_type::link;
    e.target = source.target;
  } else if (source.type == source_type::folder) {
    e.type = entry_type::folder;
  } else {
    OSVM_CHECK(store(source, content, e));
  }
  if (old != tree_.end() && old->second.type == entry_type::folder && e.type != entry_type::folder)
    erase_tree(path, true);
  tree_[path] = std::move(e);
  layer_[path] = true;
  if (tree_.size() > limits_.max_entries)
    return error(errc::too_large, std::to_string(tree_.size()) + " entries");
  return {};
}

std::vector<entry> builder::take() {
  std::vector<entry> out;
  for (auto& [path, e] : tree_) {
    report_.files += e.type == entry_type::file;
    report_.folders += e.type == entry_type::folder;
    report_.links += e.type == entry_type::link;
    report_.bytes += e.size;
    out.push_back(std::move(e));
  }
  return out;
}

result<void> read_source(const build_options& options, builder& b) {
  const auto add = [&](const source_entry& e, const content_reader& c) { return b.add(e, c); };
  std::error_code ec;
  if (!std::filesystem::is_directory(options.source, ec)) {
    b.begin_layer(false);
    return read_tar(options.source, add);
  }
  if (!is_oci_layout(options.source)) {
    b.begin_layer(false);
    return read_folder(options.source, add);
  }
  OSVM_TRY(const auto layers, oci_layers(options.source));
  for (const auto& layer : layers) {
    b.begin_layer(true);
    OSVM_CHECK(read_tar(layer, add));
  }
  return {};
}

// The program must be there, or a link, which only the guest can follow.
result<void> check_entry_point(const std::vector<entry>& sorted, const manifest& m) {
  OSVM_TRY(const auto path, clean(std::string_view(m.entry).substr(1)));
  for (const entry& e : sorted) {
    if (e.path == path)
      return e.type == entry_type::folder ? error(errc::bad_manifest, "entry " + m.entry + " is a folder")
                                          : result<void>();
    if (e.type == entry_type::link && path.starts_with(e.path + "/")) return {};
  }
  return error(errc::bad_manifest, "entry " + m.entry + " is not in the image");
}

result<digest> finish(int fd, builder& b, const build_options& options) {
  OSVM_TRY(const auto m, parse_manifest(options.manifest));
  const auto entries = b.take();
  OSVM_CHECK(check_entry_point(entries, m));
  OSVM_CHECK(format::check_entries(entries));
  const std::string index = format::encode_index(entries);
  if (index.size() > options.limits.max_index_bytes) return error(errc::too_large, "the index");
  format::header h{};
  h.magic = format::magic;
  h.version = format::current_version;
  h.blob_end = h.manifest_offset = b.end();
  h.manifest_size = options.manifest.size();
  h.index_offset = h.manifest_offset + h.manifest_size;
  h.index_size = index.size();
  h.entry_count = entries.size();
  h.manifest_sha256 = sha256_of(as_bytes(options.manifest));
  h.index_sha256 = sha256_of(as_bytes(index));
  const std::string tail = options.manifest + index;
  const std::string_view head(reinterpret_cast<const char*>(&h), sizeof h);
  if (::pwrite(fd, tail.data(), tail.size(), static_cast<off_t>(h.manifest_offset)) !=
          static_cast<ssize_t>(tail.size()) ||
      ::pwrite(fd, head.data(), head.size(), 0) != static_cast<ssize_t>(head.size()) ||
      ::fchmod(fd, 0644) != 0 || ::fsync(fd) != 0) {
    return errno_error("write " + options.output);
  }
  return sha256_of(as_bytes(head));
}

}  // namespace

result<build_report> build_image(const build_options& options) {
  OSVM_CHECK(parse_manifest(options.manifest));
  std::string temporary = options.output + ".XXXXXX";
  const unique_fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return errno_error("make a file beside " + options.output);
  builder b(fd.get(), options.limits);
  auto made = read_source(options, b);
  build_report report;
  if (made) {
    if (auto id = finish(fd.get(), b, options)) {
      report = b.report();
      report.id = *id;
    } else {
      made = id.error();
    }
  }
  if (made && ::rename(temporary.c_str(), options.output.c_str()) != 0)
    made = errno_error("rename to " + options.output);
  if (!made) {
    (void)::unlink(temporary.c_str());
    return made.error();
  }
  return report;
}

}  // namespace osvm::images
