// A breadth-first walk over DT_NEEDED, in the loader's order. Names and search paths come from hostile files:
// each candidate is opened O_PATH first, judged by where it really lies (/proc/self/fd gives that without
// symbolic links) and by its type, and only then read.
#include "unikernel/elf/closure.hpp"

#include "unikernel/elf/dynamic.hpp"
#include "unikernel/elf/library_cache.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <filesystem>
#include <optional>
#include <set>

namespace osvm::unikernel {
namespace {

constexpr const char* cache_path = "/etc/ld.so.cache";
constexpr std::uint64_t max_cache_bytes = 16 << 20;
constexpr std::size_t max_search_directories = 64;
// Where the loader looks without being told, in its order; merged-/usr systems have links in the first and
// third.
constexpr std::string_view default_directories[] = {
    "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
    "/usr/local/lib"};
constexpr std::string_view system_trees[] = {"/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/",
                                             "/usr/local/lib/"};

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string real_path(const unique_fd& fd) {
  std::string path(PATH_MAX, '\0');
  const ssize_t n =
      ::readlink(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), path.data(), path.size());
  path.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
  return path;
}

// $ORIGIN and its like, with and without braces.
void replace_token(std::string& text, std::string_view token, std::string_view value) {
  for (const std::string& form : {"${" + std::string(token) + "}", "$" + std::string(token)}) {
    for (std::size_t at = text.find(form); at != std::string::npos; at = text.find(form, at + value.size())) {
      if (text.size() > PATH_MAX) return;
      text.replace(at, form.size(), value);
    }
  }
}

std::vector<std::string> split_directories(const std::string& text, const std::string& origin) {
  std::vector<std::string> all;
  std::size_t begin = 0;
  while (begin <= text.size() && all.size() < max_search_directories) {
    const std::size_t end = std::min(text.find(':', begin), text.size());
    std::string directory = text.substr(begin, end - begin);
    replace_token(directory, "ORIGIN", origin);
    replace_token(directory, "LIB", "lib/x86_64-linux-gnu");
    replace_token(directory, "PLATFORM", "x86_64");
    if (directory.starts_with('/') && directory.size() < PATH_MAX) all.push_back(std::move(directory));
    begin = end + 1;
  }
  return all;
}

elf::library_cache read_host_cache() {
  const unique_fd fd(::open(cache_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat st {};
  if (!fd || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
  const auto size = static_cast<std::uint64_t>(st.st_size);
  if (size > max_cache_bytes) return {};
  std::vector<std::byte> bytes(size);
  const auto source = elf::source_of(fd.get(), size);
  return source.read(0, bytes.data(), bytes.size()) ? elf::parse_library_cache(bytes) : elf::library_cache{};
}

// An object that is part of the program, with what it says about others.
struct object {
  std::string guest_path;
  elf::dynamic_info dynamic;
};

class resolver {
 public:
  resolver(const image_info& program, const library_search& search, const rule_set& rules)
      : program_(program), search_(search), rules_(rules), own_directory_(directory_of(program.path)) {}

  result<open_closure> run() {
    OSVM_CHECK(add_program());
    if (!program_.interpreter.empty()) {
      OSVM_CHECK(add_loader());
      cache_ = read_host_cache();
      for (std::size_t i = 0; i < objects_.size(); ++i) {
        // By value: objects_ grows meanwhile.
        const std::vector<std::string> needed = objects_[i].dynamic.needed;
        for (const std::string& name : needed) add_library(i, name);
      }
      out_.loader_cache = elf::build_library_cache(std::move(found_in_system_));
    }
    return std::move(out_);
  }

 private:
  enum class verdict : std::uint8_t { missing, unusable, taken };

  result<void> add_program() {
    unique_fd object(::open(program_.path.c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW));
    struct stat st {};
    if (!object || ::fstat(object.get(), &st) != 0) return errno_error(program_.path);
    owner_ = st.st_uid;
    std::optional<struct object> read = read_object(object, program_.path, true);
    if (!read) return error(errc::malformed_elf, program_.path + ": its dynamic section cannot be read");
    objects_.push_back(std::move(*read));
    out_.files.push_back({{program_.path, program_.path, program_.path}, std::move(object)});
    return {};
  }

  result<void> add_loader() {
    const std::string& path = program_.interpreter;
    if (try_file(path, path, program_.path) == verdict::taken) {
      known_.insert(path.substr(path.rfind('/') + 1));
      if (!objects_.back().dynamic.soname.empty()) known_.insert(objects_.back().dynamic.soname);
      return {};
    }
    const std::string why = out_.refused.empty() ? "it does not exist" : out_.refused.back().reason;
    return error(errc::bad_loader, path + ": " + why);
  }

  bool is_allowed(const std::string& real) const {
    if (!rules_.library_places) return true;
    const std::string directory = directory_of(real);
    if (directory == own_directory_ || cache_.directories.contains(directory)) return true;
    for (const std::string_view tree : system_trees) {
      if (real.starts_with(tree)) return true;
    }
    return false;
  }

  // A package with a folder of its own: PREFIX/bin/program and PREFIX/lib. What lies there counts as lying
  // beside the program when both belong to one owner and nobody else may change it. PREFIX is never a
  // top-level folder.
  bool in_own_package(const std::string& real, const struct stat& library) const {
    const std::string prefix = directory_of(own_directory_);
    if (!own_directory_.ends_with("/bin") || prefix.find('/', 1) == std::string::npos) return false;
    struct stat folder {};
    if (!real.starts_with(prefix + "/lib/") || ::stat(directory_of(real).c_str(), &folder) != 0) return false;
    const auto own = [&](const struct stat& st) {
      return st.st_uid == owner_ && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    };
    return own(library) && own(folder);
  }

  // Null: not an ELF object that can be part of this program.
  std::optional<object> read_object(const unique_fd& path_only, const std::string& guest_path,
                                    bool program) const {
    const unique_fd fd(::open(("/proc/self/fd/" + std::to_string(path_only.get())).c_str(),
                              O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0 || st.st_size < 0) return std::nullopt;
    const auto size = static_cast<std::uint64_t>(st.st_size);
    if (size > search_.limits.max_file_bytes) return std::nullopt;
    const auto source = elf::source_of(fd.get(), size);
    const auto layout = elf::read_layout(source, search_.limits);
    if (!layout || (!program && layout->header.type != elf::type_dyn)) return std::nullopt;
    auto dynamic = elf::read_dynamic(source, *layout);
    if (!dynamic) return std::nullopt;
    return object{guest_path, std::move(*dynamic)};
  }

  void refuse(const std::string& name, const std::string& needed_by, std::string reason) {
    if (out_.refused.size() < search_.max_libraries)
      out_.refused.push_back({name, needed_by, std::move(reason)});
  }

  verdict try_file(const std::string& path, const std::string& name, const std::string& needed_by) {
    if (++probes_ > search_.max_probes) return verdict::missing;
    unique_fd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0) return verdict::missing;
    const std::string real = real_path(fd);
    if (!is_allowed(real) && !in_own_package(real, st)) {
      refuse(path, needed_by,
             "it lies neither in the loader's system directories nor beside the program (" + real + ")");
      return verdict::unusable;
    }
    if (!S_ISREG(st.st_mode)) return verdict::missing;
    auto read = read_object(fd, path, false);
    if (!read) {
      refuse(path, needed_by, "it is not an ELF library for this machine");
      return verdict::unusable;
    }
    known_.insert(name);
    if (!read->dynamic.soname.empty()) known_.insert(read->dynamic.soname);
    // As the guest resolves it: $ORIGIN/../lib has no "..".
    const std::string seen = std::filesystem::path(path).lexically_normal().string();
    read->guest_path = seen;
    objects_.push_back(std::move(*read));
    out_.files.push_back({{real, seen, needed_by}, std::move(fd)});
    return verdict::taken;
  }

  // Tries a list of directories; true once the library was taken.
  template <class Directories>
  bool search_in(const Directories& directories, const std::string& name, const std::string& needed_by) {
    for (const auto& d : directories) {
      if (try_file(std::string(d) + "/" + name, name, needed_by) == verdict::taken) return true;
    }
    return false;
  }

  // Bounded, since every library may name folders of its own.
  void note_search(std::string directory) {
    directory = std::filesystem::path(directory).lexically_normal().string();
    while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
    if (out_.searched.size() < max_search_directories) out_.searched.insert(std::move(directory));
  }

  bool search_for(std::size_t index, const std::string& name) {
    const std::string by = objects_[index].guest_path, origin = directory_of(by);
    const elf::dynamic_info& d = objects_[index].dynamic;
    const std::string rpath = d.rpath, runpath = d.runpath, program_rpath = objects_[0].dynamic.rpath;
    out_.needed.insert(name);
    for (const std::string& text : {rpath, runpath})
      for (auto& directory : split_directories(text, origin)) note_search(std::move(directory));
    const bool program_runpath = !objects_[0].dynamic.runpath.empty();
    if (runpath.empty()) {
      if (search_in(split_directories(rpath, origin), name, by)) return true;
      if (!program_runpath && search_in(split_directories(program_rpath, own_directory_), name, by))
        return true;
    }
    if (search_in(search_.library_path, name, by)) return true;
    if (search_in(split_directories(runpath, origin), name, by)) return true;
    const std::size_t before = out_.files.size();
    bool found = false;
    if (const auto it = cache_.paths.find(name); it != cache_.paths.end()) {
      found = try_file(it->second, name, by) == verdict::taken;
    }
    found = found || search_in(default_directories, name, by);
    if (found) found_in_system_.push_back({name, out_.files[before].grant.guest_path});
    return found;
  }

  void add_library(std::size_t index, const std::string& name) {
    if (name.empty() || name.size() > NAME_MAX * 4U || known_.contains(name)) return;
    const std::string by = objects_[index].guest_path;
    if (out_.files.size() >= search_.max_libraries) return refuse(name, by, "too many libraries");
    // A C library that is its own loader is known to that loader by other names.
    if (name == "libc.so" && program_.interpreter.find("ld-musl-") != std::string::npos) return;
    if (name.find('/') != std::string::npos) {
      std::string path = name;
      replace_token(path, "ORIGIN", directory_of(by));
      if (!path.starts_with('/')) return refuse(name, by, "relative paths are not followed");
      if (try_file(path, name, by) == verdict::missing) refuse(name, by, "it does not exist");
      return;
    }
    const std::size_t refused = out_.refused.size();
    if (!search_for(index, name) && out_.refused.size() == refused) refuse(name, by, "it was not found");
  }

  const image_info& program_;
  const library_search& search_;
  [[maybe_unused]] const rule_set& rules_;
  const std::string own_directory_;
  uid_t owner_ = 0;  // of the program
  elf::library_cache cache_;
  std::vector<object> objects_;
  std::set<std::string, std::less<>> known_;  // names that need no search any more
  std::vector<elf::cached_library> found_in_system_;
  open_closure out_;
  unsigned probes_ = 0;
};

}  // namespace

result<open_closure> open_libraries(const image_info& program, const library_search& search,
                                    const rule_set& rules) {
  if (program.path.empty()) return open_closure{};
  return resolver(program, search, rules).run();
}

result<library_closure> find_libraries(const image& program, const library_search& search) {
  OSVM_TRY(auto open, open_libraries(program.info(), search));
  library_closure out;
  for (auto& f : open.files) out.granted.push_back(std::move(f.grant));
  out.refused = std::move(open.refused);
  return out;
}

}  // namespace osvm::unikernel
