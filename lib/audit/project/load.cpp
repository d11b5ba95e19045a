#include <osvm/core/text.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "project.hpp"

namespace osvm::audit {
namespace {

namespace fs = std::filesystem;

bool skipped_folder(const std::string& name) {
  static const std::set<std::string> names = {"target", "node_modules", "tests",
                                              "test",   "benches",      "examples",
                                              "fuzz",   "migrations",   "trident-tests"};
  return name.starts_with('.') || names.contains(name);
}

std::string relative_to(const fs::path& path, const fs::path& root) {
  auto text = path.lexically_relative(root).generic_string();
  return text.empty() || text == "." ? path.filename().string() : text;
}

struct found_files {
  std::vector<fs::path> sources, manifests;
};

// Links are never followed, so a loop of them ends nothing.
result<void> walk(const fs::path& root, const project_options& options, found_files& out) {
  std::error_code e;
  auto it = fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied, e);
  if (e) return error(error_code(e.value(), boost::system::system_category()), printable(root.string()));
  for (; it != fs::recursive_directory_iterator(); it.increment(e)) {
    if (e) break;
    const auto status = it->symlink_status(e);
    const std::string name = it->path().filename().string();
    if (fs::is_directory(status)) {
      if (skipped_folder(name) || it.depth() >= static_cast<int>(options.max_depth))
        it.disable_recursion_pending();
    } else if (fs::is_regular_file(status)) {
      if (name == "Cargo.toml") out.manifests.push_back(it->path());
      if (name.ends_with(".rs") && name != "build.rs") out.sources.push_back(it->path());
      if (out.sources.size() > options.max_files)
        return error(errc::limit_exceeded,
                     "more than " + std::to_string(options.max_files) + " source files");
    }
  }
  std::sort(out.sources.begin(), out.sources.end());
  std::sort(out.manifests.begin(), out.manifests.end());
  return {};
}

std::string read_text(const fs::path& path, std::size_t limit, parse_state& state) {
  std::string text;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    state = parse_state::unreadable;
    return text;
  }
  // Sized by the file, so that no page is touched that it does not fill; one byte more tells a growing file.
  std::error_code e;
  const auto size = fs::file_size(path, e);
  text.resize(std::min<std::uint64_t>(e ? limit : size, limit) + 1);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > limit) {
    state = parse_state::too_large;
    text.clear();
    text.shrink_to_fit();
  }
  return text;
}

// Module path of a file by its place below the crate's source folder: a/b.rs is a::b, a/mod.rs is a.
std::string module_of(const fs::path& file, const fs::path& src) {
  auto text = file.lexically_relative(src).generic_string();
  if (!text.ends_with(".rs") || text.starts_with("..")) return {};
  text.resize(text.size() - 3);
  if (text.ends_with("/mod")) text.resize(text.size() - 4);
  if (text == "lib" || text == "main" || text == "mod") return {};
  for (std::size_t at = text.find('/'); at != std::string::npos; at = text.find('/', at))
    text.replace(at, 1, "::");
  return text;
}

class loader {
 public:
  loader(const project_options& options, project& out) : options_(options), out_(out) {}

  result<void> run(const fs::path& given) {
    struct stat st {};
    if (::stat(given.c_str(), &st) != 0) return errno_error(printable(given.string()));
    if (S_ISDIR(st.st_mode)) {
      root_ = given;
      OSVM_CHECK(walk(root_, options_, found_));
    } else if (S_ISREG(st.st_mode)) {
      root_ = given.parent_path();
      found_.sources.push_back(given);
      lone_ = true;
    } else {
      return error(errc::invalid_argument, "neither a folder nor a regular file");
    }
    out_.root = root_.string();
    find_crates();
    read_sources();
    for (auto& c : out_.crates) profile(c);
    link();
    look_up();
    parse_all();
    reach();
    judge();
    return {};
  }

 private:
  void find_crates() {
    for (const auto& m : found_.manifests) {
      parse_state state{};
      const auto text = read_text(m, max_manifest_bytes, state);
      out_.manifests += relative_to(m, root_) + '\n' + text + '\n';
      auto cargo = parse_manifest(text);
      manifests_.emplace(m.parent_path().string(), cargo);
      if (cargo.find("package.name") == nullptr && cargo.find("package") == nullptr)
        continue;  // a workspace only
      crate c;
      c.dir = m.parent_path().string();
      c.manifest_display = relative_to(m, root_);
      const auto* name = cargo.find("package.name");
      c.name = name != nullptr ? name->text : m.parent_path().filename().string();
      c.cargo = std::move(cargo);
      out_.crates.push_back(std::move(c));
    }
    manifest_crates_ = out_.crates.size();
  }

  // The crate with the longest folder around the file.
  crate* owner(const fs::path& file) {
    crate* best = nullptr;
    for (std::size_t i = 0; i < manifest_crates_; ++i) {
      auto& c = out_.crates[i];
      const bool inside = file.string().starts_with(c.dir + "/");
      if (inside && (best == nullptr || c.dir.size() > best->dir.size())) best = &c;
    }
    return best;
  }

  static bool solana_crate(const crate& c) {
    for (const auto& d : c.cargo.names("dependencies"))
      if (d.starts_with("anchor-") || d.starts_with("solana-") || d.starts_with("solana_") ||
          d.starts_with("spl-") || d.starts_with("pinocchio") || d == "steel" || d.starts_with("mpl-") ||
          d == "borsh" || d == "bytemuck")
        return true;
    return false;
  }

  void read_sources() {
    std::uint64_t bytes = 0;
    for (const auto& path : found_.sources) {
      crate* c = owner(path);
      if (c != nullptr && !solana_crate(*c) && !lone_) continue;
      source_file f;
      f.id = static_cast<std::uint32_t>(out_.files.size());
      f.path = path.string();
      f.display = relative_to(path, root_);
      f.text = read_text(path, options_.limits.file_bytes, f.state);
      bytes += f.text.size();
      if (bytes > options_.max_bytes) {
        f.text.clear();
        f.state = parse_state::too_large;
      }
      const fs::path src = c != nullptr ? fs::path(c->dir) / "src" : loose_root(path);
      f.program_module = module_of(path, src);
      out_.files.push_back(std::move(f));
      if (c != nullptr)
        members_[c].push_back(out_.files.back().id);
      else
        loose_.push_back(out_.files.back().id);
    }
    group_loose();
    for (auto& c : out_.crates) c.members = members_[&c];
  }

  // Sources without a manifest: a folder with lib.rs or main.rs is one crate, other files stand alone.
  fs::path loose_root(const fs::path& file) const {
    for (auto dir = file.parent_path(); dir.string().size() >= root_.string().size();
         dir = dir.parent_path()) {
      std::error_code e;
      if (!lone_ && (fs::exists(dir / "lib.rs", e) || fs::exists(dir / "main.rs", e))) return dir;
      if (dir == root_ || dir == dir.parent_path()) break;
    }
    return file.parent_path();
  }
  void group_loose() {
    std::map<std::string, crate*> by_dir;
    for (const auto id : loose_) {
      const fs::path path = out_.files[id].path;
      const auto dir = loose_root(path);
      std::error_code e;
      const bool rooted = !lone_ && (fs::exists(dir / "lib.rs", e) || fs::exists(dir / "main.rs", e));
      const std::string key = rooted ? dir.string() : path.string();
      auto*& c = by_dir[key];
      if (c == nullptr) {
        crate made;
        made.dir = dir.string();
        made.name = rooted ? dir.filename().string() : path.stem().string();
        made.overflow_checks = true;  // unknown: nothing is claimed about it
        out_.crates.push_back(std::move(made));
        c = &out_.crates.back();
      }
      if (!rooted) out_.files[id].program_module.clear();
      members_[c].push_back(id);
    }
  }

  // What an unknown crate depends on is parsed with it, so it is unknown too.
  void look_up() {
    if (!options_.known) return;
    for (auto& c : out_.crates) c.known = options_.known(out_, c);
    std::set<const crate*> needed;
    for (const auto& c : out_.crates)
      if (!c.known)
        for (const auto* part : with_path_crates(out_, c)) needed.insert(part);
    for (auto& c : out_.crates) {
      c.known = c.known && !needed.contains(&c);
      if (c.known) options_.restore(out_, c);
    }
  }

  void parse_all() {
    std::vector<rust_parser> parsers;
    for (unsigned i = 0; i < std::max(1u, options_.threads); ++i) parsers.emplace_back(options_.limits);
    std::vector<char> wanted(out_.files.size(), 0);
    for (const auto& c : out_.crates) {
      if (c.known) continue;
      for (const auto* part : with_path_crates(out_, c))
        for (const auto id : part->members) wanted[id] = 1;
    }
    for_each_parallel(out_.files.size(), options_.threads, [&](std::size_t i, unsigned worker) {
      auto& f = out_.files[i];
      if (wanted[i] != 0 && f.state == parse_state::complete) parsers[worker].parse(f);
    });
  }

  // Which files the `mod` declarations reach from the crate's root.
  void reach() {
    for (auto& c : out_.crates) {
      const auto& all = c.members;
      if (c.known) {
        out_.unreached += c.unreached;
        continue;
      }
      std::map<std::string, std::uint32_t> by_path;
      for (const auto id : all) by_path.emplace(out_.files[id].path, id);
      std::set<std::uint32_t> seen;
      std::vector<std::uint32_t> todo;
      for (const auto& root : roots(c)) {
        const auto it = by_path.find(root);
        if (it != by_path.end() && seen.insert(it->second).second) todo.push_back(it->second);
      }
      if (todo.empty()) {
        c.files = all;
        continue;
      }
      while (!todo.empty()) {
        const auto id = todo.back();
        todo.pop_back();
        c.files.push_back(id);
        for (const auto& path : children_of(out_.files[id])) {
          const auto it = by_path.find(path);
          if (it != by_path.end() && seen.insert(it->second).second) todo.push_back(it->second);
        }
      }
      std::sort(c.files.begin(), c.files.end());
      c.unreached = static_cast<std::uint32_t>(all.size() - c.files.size());
      out_.unreached += c.unreached;
    }
  }
  std::vector<std::string> roots(const crate& c) const {
    const auto* lib = c.cargo.find("lib.path");
    const fs::path dir = c.dir;
    if (lib != nullptr) return {(dir / lib->text).lexically_normal().string()};
    if (c.manifest_display.empty()) return {(dir / "lib.rs").string(), (dir / "main.rs").string()};
    return {(dir / "src/lib.rs").string(), (dir / "src/main.rs").string()};
  }
  static std::vector<std::string> children_of(const source_file& f) {
    std::vector<std::string> out;
    const fs::path path = f.path;
    const std::string stem = path.stem().string();
    const bool owns_folder = stem == "lib" || stem == "main" || stem == "mod";
    for (const auto& m : f.mods) {
      const fs::path base = owns_folder ? path.parent_path() : path.parent_path() / stem;
      if (!m.path_attr.empty()) {
        out.push_back((path.parent_path() / std::string(m.path_attr)).lexically_normal().string());
        continue;
      }
      for (const auto& dir : {base, path.parent_path()}) {  // inside an inline module, or beside
        out.push_back((dir / (std::string(m.name) + ".rs")).string());
        out.push_back((dir / std::string(m.name) / "mod.rs").string());
      }
    }
    return out;
  }

  void judge() {
    for (auto& c : out_.crates) {
      if (c.known) continue;
      const auto* types = c.cargo.find("lib.crate-type");
      const bool cdylib = types != nullptr &&
                          std::find(types->list.begin(), types->list.end(), "cdylib") != types->list.end();
      bool entry = false;
      for (const auto id : c.files) {
        const auto& f = out_.files[id];
        entry = entry || !f.program_module.empty();
        for (const auto& m : f.macros) entry = entry || m.name.ends_with("entrypoint");
        for (const auto& fn : f.functions) entry = entry || fn.name == "process_instruction";
      }
      c.program = !c.files.empty() && (c.manifest_display.empty() || (cdylib && entry) || entry || cdylib);
      c.anchor = version(c, "anchor-lang");
      c.spl_token = version(c, "spl-token");
    }
  }
  // The manifest of the workspace around the crate: nearest folder above whose manifest has [workspace].
  const manifest* workspace(const crate& c, std::string& display) const {
    for (fs::path dir = c.dir;; dir = dir.parent_path()) {
      const auto it = manifests_.find(dir.string());
      if (it != manifests_.end() && it->second.find("workspace") != nullptr) {
        display = relative_to(dir / "Cargo.toml", root_);
        return &it->second;
      }
      if (it != manifests_.end() && it->second.find("workspace.members") != nullptr) {
        display = relative_to(dir / "Cargo.toml", root_);
        return &it->second;
      }
      if (dir == root_ || dir == dir.parent_path()) break;
    }
    display = c.manifest_display;
    return &c.cargo;
  }
  // Null where there is none.
  const locked_versions* lock_beside(const fs::path& dir) {
    if (const auto known = out_.locks.find(dir.string()); known != out_.locks.end()) return &known->second;
    parse_state state{};
    const auto text = read_text(dir / "Cargo.lock", max_lock_bytes, state);
    if (text.empty()) return nullptr;
    out_.manifests += relative_to(dir / "Cargo.lock", root_) + '\n' + text + '\n';
    return &out_.locks.emplace(dir.string(), parse_lock(text)).first->second;
  }
  void profile(crate& c) {
    if (c.manifest_display.empty()) return;
    const manifest* root = workspace(c, c.workspace_display);
    const auto* checks = root->find("profile.release.overflow-checks");
    c.lock = lock_beside((root_ / c.workspace_display).parent_path());
    c.overflow_checks = checks != nullptr && checks->text == "true";
    const auto* section = root->find("profile.release");
    c.profile_line = checks != nullptr ? checks->line : section != nullptr ? section->line : 1;
  }
  std::uint64_t version(const crate& c, const std::string& name) const {
    const auto* v = c.cargo.find("dependencies." + name + ".version");
    if (v == nullptr) v = c.cargo.find("dependencies." + name);
    if (v == nullptr || v->text.empty()) {
      std::string display;
      const manifest* root = workspace(c, display);
      v = root->find("workspace.dependencies." + name + ".version");
      if (v == nullptr) v = root->find("workspace.dependencies." + name);
    }
    return v != nullptr ? lowest_version(v->text) : 0;
  }

  void link() {
    std::map<std::string, std::uint32_t> by_dir;
    for (std::uint32_t i = 0; i < out_.crates.size(); ++i) by_dir.emplace(out_.crates[i].dir, i);
    for (auto& c : out_.crates) {
      for (const auto& d : c.cargo.names("dependencies")) {
        const auto* path = c.cargo.find("dependencies." + d + ".path");
        std::string base = c.dir;
        if (path == nullptr) {
          std::string display;
          const manifest* root = workspace(c, display);
          path = root->find("workspace.dependencies." + d + ".path");
          base = (root_ / display).parent_path().string();
        }
        if (path == nullptr) continue;
        auto target = (fs::path(base) / path->text).lexically_normal().string();
        while (target.ends_with('/')) target.pop_back();
        const auto it = by_dir.find(target);
        if (it != by_dir.end() && &out_.crates[it->second] != &c) c.path_crates.push_back(it->second);
      }
    }
  }

  const project_options& options_;
  project& out_;
  fs::path root_;
  bool lone_ = false;
  found_files found_;
  std::size_t manifest_crates_ = 0;
  std::map<std::string, manifest> manifests_;
  std::map<const crate*, std::vector<std::uint32_t>> members_;
  std::vector<std::uint32_t> loose_;
};

}  // namespace

std::vector<const crate*> with_path_crates(const project& p, const crate& c) {
  std::vector<const crate*> out{&c};
  for (std::size_t i = 0; i < out.size(); ++i)
    for (const auto other : out[i]->path_crates)
      if (std::find(out.begin(), out.end(), &p.crates[other]) == out.end()) out.push_back(&p.crates[other]);
  return out;
}

result<void> load_project(const std::string& path, const project_options& options, project& out) {
  if (!parser_available())
    return error(errc::unsupported,
                 "this build has no Rust grammar (see docs/building.md, OSVM_TREE_SITTER_RUST)");
  fs::path given = fs::path(path).lexically_normal();
  if (given.filename().empty() && given.has_parent_path() && given != given.root_path())
    given = given.parent_path();
  return loader(options, out).run(given);
}

void for_each_parallel(std::size_t n, unsigned threads,
                       const std::function<void(std::size_t, unsigned)>& work) {
  std::atomic<std::size_t> next{0};
  const auto run = [&](unsigned worker) {
    for (std::size_t i = next++; i < n; i = next++) work(i, worker);
  };
  std::vector<std::jthread> others;
  for (unsigned t = 1; t < threads && t < n; ++t) others.emplace_back(run, t);
  run(0);
}

}  // namespace osvm::audit
