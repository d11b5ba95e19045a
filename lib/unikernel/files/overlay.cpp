// Names: looking up, listing, and what changes them. Contents are in overlay_content.cpp.
#include "unikernel/files/overlay.hpp"

#include "unikernel/files/overlay_node.hpp"

#include <linux/fs.h>

#include <algorithm>
#include <cerrno>
#include <set>

namespace osvm::unikernel {
namespace {

constexpr std::size_t npos = overlay_node::no_entry;

std::string join(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : folder + "/" + std::string(name);
}

mode_t type_of(source_type t) noexcept {
  switch (t) {
    case source_type::folder: return S_IFDIR;
    case source_type::link: return S_IFLNK;
    case source_type::file: break;
  }
  return S_IFREG;
}

}  // namespace

std::shared_ptr<overlay> overlay::create(std::shared_ptr<const file_source> source, std::uint64_t limit) {
  const std::shared_ptr<overlay> made(new overlay(std::move(source)));
  const std::size_t entries = made->source_ ? made->source_->entries().size() : 0;
  made->next_inode_ = entries + 2;
  made->quota_ = std::make_shared<quota_account>(
      [weak = std::weak_ptr(made)]() -> result<std::uint64_t> {
        const auto self = weak.lock();
        return self ? self->measure() : 0;
      },
      limit, 0);
  made->root_ = std::make_shared<overlay_node>();
  made->root_->inode = 1;
  made->root_->type = S_IFDIR;
  made->root_->bits = 0755;
  made->root_->over_source = entries != 0;
  made->root_->touch();
  return made;
}

// One folder after the other: a guest can nest them deeper than a thread's stack would take.
overlay::~overlay() {
  std::vector<node_ptr> todo{std::move(root_)};
  while (!todo.empty()) {
    const node_ptr node = std::move(todo.back());
    todo.pop_back();
    for (auto& child : node->children)
      if (child.second && S_ISDIR(child.second->type)) todo.push_back(std::move(child.second));
    node->children.clear();
  }
}

std::size_t overlay::lower_index(const std::string& path) const {
  if (!source_) return npos;
  const auto all = source_->entries();
  const auto at = std::lower_bound(all.begin(), all.end(), path,
                                   [](const source_entry& e, const std::string& p) { return e.path < p; });
  return at != all.end() && at->path == path ? static_cast<std::size_t>(at - all.begin()) : npos;
}

bool overlay::lower_holds(const overlay_node& folder, const std::string& name) const {
  return folder.over_source && lower_index(join(folder.source_path, name)) != npos;
}

node_ptr overlay::child(const node_ptr& folder, const std::string& name) {
  if (const auto known = folder->children.find(name); known != folder->children.end()) return known->second;
  if (!folder->over_source) return nullptr;
  const std::size_t index = lower_index(join(folder->source_path, name));
  if (index == npos) return nullptr;
  const source_entry& e = source_->entries()[index];
  auto made = std::make_shared<overlay_node>();
  made->inode = index + 2;
  made->type = type_of(e.type);
  made->bits = e.mode;
  made->entry = index;
  made->target = e.target;
  made->times = {{{e.mtime, 0}, {e.mtime, 0}}};
  made->form = content_form::source;
  made->source_size = e.size;
  made->over_source = S_ISDIR(made->type);
  made->source_path = made->over_source ? e.path : std::string();
  put(folder, name, made);
  return made;
}

void overlay::put(const node_ptr& folder, const std::string& name, node_ptr node) {
  if (S_ISDIR(node->type)) node->parent = folder;
  folder->children[name] = std::move(node);
}

void overlay::take_away(const node_ptr& folder, const std::string& name) {
  if (lower_holds(*folder, name)) {
    folder->children[name] = nullptr;
  } else {
    folder->children.erase(name);
  }
}

std::int64_t overlay::find(const node_ptr& from, std::string_view path, node_ptr& out) {
  const std::lock_guard guard(lock_);
  node_ptr at = from;
  while (!path.empty()) {
    if (S_ISLNK(at->type)) return -ELOOP;
    if (!S_ISDIR(at->type)) return -ENOTDIR;
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 255) return -ENAMETOOLONG;
    at = child(at, std::string(path.substr(0, slash)));
    if (!at) return -ENOENT;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  out = std::move(at);
  return 0;
}

// The source's entries are in order, so what a folder holds is one run, and a folder in it is skipped by the
// first name behind all that it holds ('0' follows '/').
void overlay::add_lower_names(const overlay_node& folder, std::vector<std::string>& out) const {
  const auto all = source_->entries();
  const auto from = [&](const std::string& path) {
    return std::lower_bound(all.begin(), all.end(), path,
                            [](const source_entry& e, const std::string& p) { return e.path < p; });
  };
  const std::string inside = folder.source_path.empty() ? "" : folder.source_path + "/";
  for (auto at = from(inside); at != all.end() && at->path.starts_with(inside);) {
    const std::size_t slash = at->path.find('/', inside.size());
    if (slash == std::string::npos) {
      out.push_back(at->path.substr(inside.size()));
      ++at;
    } else {
      at = from(at->path.substr(0, slash) + '0');
    }
  }
}

std::vector<std::string> overlay::names_in(const node_ptr& folder) {
  std::vector<std::string> names;
  if (folder->over_source) {
    add_lower_names(*folder, names);
    std::erase_if(names, [&](const std::string& n) { return folder->children.contains(n); });
  }
  for (const auto& [name, node] : folder->children)
    if (node) names.push_back(name);
  return names;
}

std::vector<std::string> overlay::list(const node_ptr& folder) {
  const std::lock_guard guard(lock_);
  return S_ISDIR(folder->type) ? names_in(folder) : std::vector<std::string>();
}

bool overlay::is_empty(const node_ptr& folder) {
  return names_in(folder).empty();
}

void overlay::attributes(const node_ptr& node, const unique_fd& host, struct stat& out) {
  constexpr dev_t device = 0x6f;  // a number that none of the host's file systems has
  const std::lock_guard guard(lock_);
  const std::lock_guard content(node->lock);
  struct stat own {};
  out = {};
  out.st_dev = device;
  out.st_ino = node->inode;
  out.st_mode = node->type | node->bits;
  out.st_nlink = node->links;
  out.st_blksize = 4096;
  out.st_atim = node->times[0];
  out.st_mtim = out.st_ctim = node->times[1];
  if (S_ISDIR(node->type)) out.st_size = 4096;
  if (S_ISLNK(node->type)) out.st_size = static_cast<off_t>(node->target.size());
  if (S_ISREG(node->type)) {
    if (node->form == content_form::source) out.st_size = static_cast<off_t>(node->source_size);
    if (node->form == content_form::bytes) out.st_size = static_cast<off_t>(node->content.size());
    if (node->form == content_form::file && ::fstat(node->file.get(), &own) == 0) {
      out.st_size = own.st_size;
      out.st_atim = own.st_atim;
      out.st_mtim = own.st_mtim;
      out.st_ctim = own.st_ctim;
    }
    if (host && ::fstat(host.get(), &own) == 0) out.st_size = own.st_size;
    out.st_blocks = (out.st_size + 511) / 512;
  }
}

const std::string& overlay::target(const node_ptr& link) noexcept {
  return link->target;
}
bool overlay::is_folder(const node_ptr& node) noexcept {
  return S_ISDIR(node->type);
}

node_ptr overlay::make_node(mode_t mode) {
  auto made = std::make_shared<overlay_node>();
  made->inode = next_inode_++;
  made->type = mode & S_IFMT;
  made->bits = mode & 07777;
  timespec now{};
  (void)::clock_gettime(CLOCK_REALTIME, &now);
  made->times = {{now, now}};
  made->counted = true;
  return made;
}

// What the quota's measuring looks at. Dead entries are swept when the list has doubled.
void overlay::count(const node_ptr& node) {
  const std::lock_guard guard(own_lock_);
  if (own_.size() >= sweep_at_) {
    std::erase_if(own_, [](const auto& n) { return n.expired(); });
    sweep_at_ = own_.size() * 2 + 1024;
  }
  own_.push_back(node);
}

std::uint64_t overlay::measure() {
  std::vector<node_ptr> alive;
  {
    const std::lock_guard guard(own_lock_);
    for (const auto& n : own_)
      if (auto node = n.lock()) alive.push_back(std::move(node));
  }
  std::uint64_t sum = 0;
  for (const auto& node : alive) sum += name_bytes + node->own_bytes();
  return sum;
}

std::int64_t overlay::create(const node_ptr& folder, const std::string& name, mode_t mode, std::string target,
                             node_ptr& out) {
  changed_.store(true, std::memory_order_release);
  {  // before the charge, so that asking for what is there costs nothing
    const std::lock_guard guard(lock_);
    if (folder->links == 0) return -ENOENT;
    if (child(folder, name)) return -EEXIST;
  }
  if (!quota_->take(name_bytes)) return -ENOSPC;
  {
    const std::lock_guard guard(lock_);
    if (folder->links != 0 && !child(folder, name)) {
      out = make_node(mode);
      out->target = std::move(target);
      put(folder, name, out);
      folder->touch();
    }
  }
  if (!out) {
    quota_->give_back(name_bytes);
    return -EEXIST;
  }
  count(out);
  return 0;
}

std::int64_t overlay::create_unnamed(mode_t mode, node_ptr& out) {
  changed_.store(true, std::memory_order_release);
  if (!quota_->take(name_bytes)) return -ENOSPC;
  {
    const std::lock_guard guard(lock_);
    out = make_node(mode);
    out->links = 0;
  }
  count(out);
  return 0;
}

std::int64_t overlay::make_folders(std::string_view path, node_ptr& out) {
  out = root_;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string name(path.substr(0, slash));
    node_ptr next;
    std::int64_t r = find(out, name, next);
    if (r == -ENOENT) r = create(out, name, S_IFDIR | 0755, {}, next);
    if (r < 0) return r;
    if (!is_folder(next)) return -ENOTDIR;
    out = std::move(next);
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return 0;
}

std::int64_t overlay::remove(const node_ptr& folder, const std::string& name, bool as_folder) {
  changed_.store(true, std::memory_order_release);
  const std::lock_guard guard(lock_);
  const node_ptr node = child(folder, name);
  if (!node) return -ENOENT;
  if (S_ISDIR(node->type) != as_folder) return as_folder ? -ENOTDIR : -EISDIR;
  if (as_folder && !is_empty(node)) return -ENOTEMPTY;
  take_away(folder, name);
  --node->links;
  folder->touch();
  return 0;
}

bool overlay::lies_in(const node_ptr& folder, const node_ptr& above) {
  for (node_ptr at = folder; at; at = at->parent.lock())
    if (at == above) return true;
  return false;
}

std::int64_t overlay::replaceable(const node_ptr& moved, const node_ptr& there) {
  if (S_ISDIR(there->type) && !S_ISDIR(moved->type)) return -EISDIR;
  if (!S_ISDIR(there->type) && S_ISDIR(moved->type)) return -ENOTDIR;
  return S_ISDIR(there->type) && !is_empty(there) ? -ENOTEMPTY : 0;
}

std::int64_t overlay::rename(const node_ptr& from, const std::string& name, const node_ptr& to,
                             const std::string& new_name, unsigned flags) {
  changed_.store(true, std::memory_order_release);
  const std::lock_guard guard(lock_);
  const node_ptr moved = child(from, name), there = child(to, new_name);
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  if (!moved || to->links == 0 || (exchange && !there)) return -ENOENT;
  if (there && (flags & RENAME_NOREPLACE) != 0) return -EEXIST;
  if (moved == there) return 0;
  if (lies_in(to, moved) || (exchange && lies_in(from, there))) return -EINVAL;
  if (exchange) {
    put(from, name, there);
  } else {
    if (there && lies_in(from, there)) return -ENOTEMPTY;
    if (const auto r = there ? replaceable(moved, there) : 0; r < 0) return r;
    if (there) --there->links;
    take_away(from, name);
  }
  put(to, new_name, moved);
  from->touch();
  to->touch();
  return 0;
}

std::int64_t overlay::link(const node_ptr& file, const node_ptr& folder, const std::string& name) {
  changed_.store(true, std::memory_order_release);
  if (S_ISDIR(file->type)) return -EPERM;
  const std::lock_guard guard(lock_);
  if (folder->links == 0) return -ENOENT;
  if (child(folder, name)) return -EEXIST;
  constexpr unsigned most_links = 65000;
  if (file->links >= most_links) return -EMLINK;
  ++file->links;
  put(folder, name, file);
  folder->touch();
  return 0;
}

void overlay::set_mode(const node_ptr& node, mode_t bits) {
  changed_.store(true, std::memory_order_release);
  const std::lock_guard guard(lock_);
  node->bits = bits & 01777;
}

}  // namespace osvm::unikernel
