// An image's files as a tree that instances read: each file is checked and sealed when it is first opened.
#include <osvm/images/run.hpp>

#include <osvm/core/mapping.hpp>
#include <osvm/core/path.hpp>
#include <osvm/core/text.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>

namespace osvm::images {
namespace {

using content = std::shared_ptr<const unique_fd>;

// What is kept for the next one who asks, though nobody has it open.
constexpr std::size_t most_kept = 256;
constexpr std::uint64_t most_kept_bytes = std::uint64_t{256} << 20;
constexpr int max_links = 40;

unikernel::source_type guest_type(entry_type t) noexcept {
  switch (t) {
    case entry_type::folder: return unikernel::source_type::folder;
    case entry_type::link: return unikernel::source_type::link;
    case entry_type::file: break;
  }
  return unikernel::source_type::file;
}

}  // namespace

struct image_tree::state {
  image_file image;
  std::vector<unikernel::source_entry> entries;
  mutable std::mutex lock;
  // By what they are: equal files are one.
  using content_key = std::pair<digest, std::uint64_t>;
  mutable std::map<content_key, std::weak_ptr<const unique_fd>> known;
  mutable std::deque<std::pair<content, std::uint64_t>> kept;  // with its size, oldest first
  mutable std::uint64_t kept_bytes = 0;

  explicit state(image_file i) : image(std::move(i)) {}
  content recall(const entry& e) const {
    const std::lock_guard guard(lock);
    const auto at = known.find({e.sha256, e.size});
    return at == known.end() ? nullptr : at->second.lock();
  }
  void keep(const entry& e, const content& c) const {
    const std::lock_guard guard(lock);
    known[{e.sha256, e.size}] = c;
    kept.emplace_back(c, e.size);
    kept_bytes += e.size;
    while (kept.size() > most_kept || (kept_bytes > most_kept_bytes && kept.size() > 1)) {
      kept_bytes -= kept.front().second;
      kept.pop_front();
    }
  }
  std::size_t number_of(const std::string& path) const {
    const auto at =
        std::lower_bound(entries.begin(), entries.end(), path,
                         [](const unikernel::source_entry& e, const std::string& p) { return e.path < p; });
    return at != entries.end() && at->path == path ? static_cast<std::size_t>(at - entries.begin())
                                                   : entries.size();
  }
};

image_tree::image_tree(std::unique_ptr<state> s) noexcept : state_(std::move(s)) {}
image_tree::~image_tree() = default;

std::shared_ptr<const image_tree> image_tree::create(image_file image) {
  auto s = std::make_unique<state>(std::move(image));
  s->entries.reserve(s->image.entries().size());
  for (const entry& e : s->image.entries()) {
    s->entries.push_back({.type = guest_type(e.type),
                          .mode = e.mode,
                          .path = e.path,
                          .mtime = e.mtime,
                          .size = e.type == entry_type::file ? e.size : 0,
                          .target = e.target});
  }
  return std::shared_ptr<const image_tree>(new image_tree(std::move(s)));
}

const image_file& image_tree::image() const noexcept {
  return state_->image;
}
std::span<const unikernel::source_entry> image_tree::entries() const noexcept {
  return state_->entries;
}

result<content> image_tree::open(std::size_t number) const {
  const entry& e = state_->image.entries()[number];
  if (auto known = state_->recall(e)) return known;
  OSVM_TRY(auto copied, state_->image.content(number));
  auto made = std::make_shared<const unique_fd>(std::move(copied));
  state_->keep(e, made);
  return content(std::move(made));
}

result<std::size_t> image_tree::find(std::string_view path) const {
  const auto missing = [&](const char* why) { return error(errc::bad_path, printable(path) + ": " + why); };
  std::vector<std::string> todo;
  push_path_parts(path, todo);
  std::string at;
  std::size_t number = state_->entries.size();
  for (int links = 0; !todo.empty();) {
    const std::string part = std::move(todo.back());
    todo.pop_back();
    if (part == ".") continue;
    if (part == "..") {
      const std::size_t slash = at.rfind('/');
      at.resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    const std::string here = at.empty() ? part : at + "/" + part;
    number = state_->number_of(here);
    if (number == state_->entries.size()) return missing("is not in the image");
    const unikernel::source_entry& e = state_->entries[number];
    if (e.type == unikernel::source_type::link) {
      if (++links > max_links || todo.size() > 4096) return missing("too many links");
      if (e.target.starts_with('/')) at.clear();
      push_path_parts(e.target, todo);
    } else {
      at = here;
    }
  }
  if (number == state_->entries.size() || state_->entries[number].type != unikernel::source_type::file)
    return missing("is no file of the image");
  return number;
}

namespace {

result<unikernel::image> load_program(const image_tree& tree, const std::string& path) {
  OSVM_TRY(const std::size_t number, tree.find(path));
  const std::uint64_t size = tree.entries()[number].size;
  OSVM_TRY(const auto file, tree.open(number));
  if (size == 0) return unikernel::image::parse({}, path);
  // Sealed: the mapping cannot shrink under us.
  void* at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file->get(), 0);
  if (at == MAP_FAILED) return errno_error(path);
  const mapping bytes(at, size);
  return unikernel::image::parse({bytes.data(), size}, path.substr(path.rfind('/') + 1));
}

}  // namespace

result<unikernel::image> prepare_run(const std::shared_ptr<const image_tree>& tree, const run_options& how,
                                     unikernel::instance_options& options) {
  const manifest& m = tree->image().info();
  for (const auto& name : m.mounts) {
    if (std::find(how.granted_mounts.begin(), how.granted_mounts.end(), name) == how.granted_mounts.end())
      return error(osvm::errc::denied, "the image asks for the mount '" + name + "', which is not granted");
  }
  if (how.verify_first) OSVM_CHECK(tree->image().verify());
  auto& policy = options.policy;
  policy.trees.push_back({.source = tree, .writable = m.writable, .overlay_bytes = m.overlay_bytes});
  policy.listen.insert(policy.listen.end(), m.listen.begin(), m.listen.end());
  policy.environment.insert(policy.environment.begin(), m.environment.begin(), m.environment.end());
  policy.allow.jit = policy.allow.jit || m.jit;
  if (!how.own_budgets) options.budgets = m.limits;
  options.arguments.insert(options.arguments.begin(), m.arguments.begin(), m.arguments.end());
  options.arguments.insert(options.arguments.begin(), m.entry);
  options.executable = m.entry;
  options.working_directory = m.working_directory;
  options.grant_libraries = false;  // all of them are in the image
  return load_program(*tree, m.entry);
}

}  // namespace osvm::images
