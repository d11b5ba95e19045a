// A tree of files in memory: those of a file_source, which never change, and in front of them what the guest
// creates, changes and removes.
//
// A node stands for one file, folder or link, wherever renames put it. Nodes of the source are made when they
// are first looked up; a name that was removed is kept as an empty place (a whiteout) where the source has
// one. A file's content is the source's sealed memory file until it is first opened for writing (then it is
// copied); from there on it is a memory file of its own, or, while nobody has it open and it is small, bytes:
// so that a thousand small files need no thousand host descriptors.
#pragma once

#include "unikernel/files/quota.hpp"

#include <osvm/core/error.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/unikernel/file_source.hpp>

#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace osvm::unikernel {

struct overlay_node;  // overlay_node.hpp
using node_ptr = std::shared_ptr<overlay_node>;

// A file that was opened.
struct opened_node {
  unique_fd host;
  std::shared_ptr<const void> token;  // as long as it lives, the file counts as open
  bool sealed = false;                // content of the source, which nothing can change
};

// Thread-safe. Calls return 0 or -errno; paths are relative, canonical, and no link in them is followed.
class overlay final : public std::enable_shared_from_this<overlay> {
 public:
  // `source` may be null. `limit` bounds the bytes of what is not the source's.
  static std::shared_ptr<overlay> create(std::shared_ptr<const file_source> source, std::uint64_t limit);
  ~overlay();
  overlay(const overlay&) = delete;
  overlay& operator=(const overlay&) = delete;
  const node_ptr& root() const noexcept { return root_; }
  const std::shared_ptr<quota_account>& quota() const noexcept { return quota_; }

  // -ENOENT; -ENOTDIR or -ELOOP when a file or a link is on the way.
  std::int64_t find(const node_ptr& from, std::string_view path, node_ptr& out);
  // Creates the folders of a path that are missing; before a guest runs. Links are not followed.
  std::int64_t make_folders(std::string_view path, node_ptr& out);
  // Names of what a folder holds.
  std::vector<std::string> list(const node_ptr& folder);
  // `host`: a descriptor on the node's content, whose size counts; may be empty.
  void attributes(const node_ptr& node, const unique_fd& host, struct stat& out);
  static const std::string& target(const node_ptr& link) noexcept;
  static bool is_folder(const node_ptr& node) noexcept;
  // Whether the content is still the source's.
  static bool is_pristine(const node_ptr& node);

  // Access mode, O_TRUNC and O_APPEND of `flags` count. `broken` is set when the source cannot give what it
  // promised.
  std::int64_t open(const node_ptr& file, int flags, opened_node& out, std::string& broken);
  // `type` S_IFREG, S_IFDIR or S_IFLNK. -EEXIST, -ENOSPC.
  std::int64_t create(const node_ptr& folder, const std::string& name, mode_t mode, std::string target,
                      node_ptr& out);
  // A file without a name (O_TMPFILE).
  std::int64_t create_unnamed(mode_t mode, node_ptr& out);
  std::int64_t remove(const node_ptr& folder, const std::string& name, bool as_folder);
  std::int64_t rename(const node_ptr& from, const std::string& name, const node_ptr& to,
                      const std::string& new_name, unsigned flags);
  std::int64_t link(const node_ptr& file, const node_ptr& folder, const std::string& name);
  void set_mode(const node_ptr& node, mode_t bits);
  void set_times(const node_ptr& node, const std::array<timespec, 2>& times);
  // Whether the guest has changed anything since it began.
  bool changed() const noexcept { return changed_.load(std::memory_order_acquire); }

 private:
  explicit overlay(std::shared_ptr<const file_source> source) : source_(std::move(source)) {}
  std::size_t lower_index(const std::string& path) const;  // in the source; npos: none
  bool lower_holds(const overlay_node& folder, const std::string& name) const;
  node_ptr child(const node_ptr& folder, const std::string& name);
  void put(const node_ptr& folder, const std::string& name, node_ptr node);
  void take_away(const node_ptr& folder, const std::string& name);
  std::vector<std::string> names_in(const node_ptr& folder);
  bool is_empty(const node_ptr& folder);
  static bool lies_in(const node_ptr& folder, const node_ptr& above);
  std::int64_t replaceable(const node_ptr& moved, const node_ptr& there);
  void add_lower_names(const overlay_node& folder, std::vector<std::string>& out) const;
  node_ptr make_node(mode_t mode);
  std::int64_t own_content(const node_ptr& file, bool empty, std::string& broken);
  std::int64_t open_sealed(const node_ptr& file, opened_node& out, std::string& broken);
  void count(const node_ptr& node);
  std::uint64_t measure();

  std::shared_ptr<const file_source> source_;
  std::shared_ptr<quota_account> quota_;
  node_ptr root_;
  std::atomic<bool> changed_{false};
  // Guards names, links, parents and modes. Taken before a node's own lock, and never together with a lock of
  // the quota.
  std::mutex lock_;
  std::uint64_t next_inode_ = 0;
  std::mutex own_lock_;                           // guards own_
  std::vector<std::weak_ptr<overlay_node>> own_;  // nodes that count against the quota; dead ones go in time
  std::size_t sweep_at_ = 1024;
};

}  // namespace osvm::unikernel
