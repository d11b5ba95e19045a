#include "unikernel/process/program.hpp"

#include "unikernel/files/attributes.hpp"
#include "unikernel/files/tree.hpp"
#include "unikernel/instance_state.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

namespace osvm::unikernel {
namespace {

constexpr int max_interpreters = 4;      // scripts whose interpreter is a script (BINPRM_MAX_RECURSION)
constexpr std::size_t first_line = 256;  // BINPRM_BUF_SIZE

struct found_program {
  location at;
  std::shared_ptr<unique_fd> file;
};

std::int64_t open_program(call_context& ctx, const std::string& base, const std::string& path,
                          found_program& out) {
  if (const auto r = ctx.instance.files->find(ctx, base, path, true, out.at); r < 0) return r;
  if (out.at.where == place::nowhere || out.at.where == place::creatable) return -ENOENT;
  if (out.at.where != place::mounted) return -EACCES;
  if (!S_ISREG(out.at.status.st_mode) || !(out.at.status.st_mode & 0111)) return -EACCES;
  if (guest_may_change(out.at) && !ctx.instance.may_jit() && ctx.instance.rules.write_xor_execute)
    return ctx.instance.deny("execve " + out.at.path + ", which the guest can change", "--allow jit", EACCES);
  auto file = open_found(out.at, path);
  if (!file) return -EACCES;
  out.file = std::move(*file);
  if (ctx.instance.recorder && out.at.object) note_use(ctx, path, out.at.object, file_use::reads, false);
  return 0;
}

bool is_first_program(const call_context& ctx, const found_program& found) {
  return found.at.where == place::nowhere && found.at.path == ctx.instance.first_executable &&
         ctx.instance.first_image;
}

// "#!interpreter argument": what follows the interpreter is one argument, as Linux has it.
struct script_line {
  std::string interpreter, argument;
};

std::optional<script_line> read_script_line(int fd) {
  std::array<char, first_line> head{};
  const ssize_t n = ::pread(fd, head.data(), head.size(), 0);
  if (n < 3 || head[0] != '#' || head[1] != '!') return std::nullopt;
  std::string_view line(head.data() + 2, static_cast<std::size_t>(n) - 2);
  line = line.substr(0, line.find('\n'));
  const auto trim = [](std::string_view s) {
    const auto begin = s.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return std::string_view();
    return s.substr(begin, s.find_last_not_of(" \t\0") - begin + 1);
  };
  line = trim(line.substr(0, line.find('\0')));
  const auto end = std::min(line.find_first_of(" \t"), line.size());
  return script_line{std::string(line.substr(0, end)), std::string(trim(line.substr(end)))};
}

// What the guest can change may change twice within one tick of the file system's clock: it is read each
// time.
result<std::shared_ptr<const detail::image_data>> read_found(call_context& ctx, const found_program& found) {
  if (!guest_may_change(found.at))
    return ctx.instance.programs.get(found.file->get(), found.at.status, found.at.path);
  return detail::read_program(found.file->get(), static_cast<std::uint64_t>(found.at.status.st_size),
                              found.at.path);
}

std::int64_t errno_of(const error& e) {
  if (e.code == make_error_code(errc::too_large)) return -ENOMEM;
  if (e.code.category() == boost::system::generic_category() ||
      e.code.category() == boost::system::system_category())
    return -e.code.value();
  return -ENOEXEC;
}

}  // namespace

bool program_cache::key::operator==(const key& o) const noexcept {
  const auto same = [](const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  };
  return device == o.device && inode == o.inode && size == o.size && same(modified, o.modified) &&
         same(changed, o.changed);
}

result<std::shared_ptr<const detail::image_data>> program_cache::get(int fd, const struct stat& st,
                                                                     const std::string& name) {
  const key wanted{st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
  {
    const std::lock_guard guard(lock_);
    const auto it =
        std::find_if(programs_.begin(), programs_.end(), [&](const auto& p) { return p.first == wanted; });
    if (it != programs_.end()) {
      programs_.splice(programs_.begin(), programs_, it);
      return it->second;
    }
  }
  OSVM_TRY(auto image, detail::read_program(fd, static_cast<std::uint64_t>(st.st_size), name));
  const std::lock_guard guard(lock_);
  programs_.emplace_front(wanted, image);
  std::uint64_t bytes = 0;
  std::size_t kept = 0;
  for (const auto& p : programs_) {
    bytes += p.second->file_bytes;
    if (bytes > max_bytes || kept == max_programs) break;
    ++kept;
  }
  programs_.resize(std::max<std::size_t>(kept, 1));
  return image;
}

std::int64_t find_program(call_context& ctx, const std::string& base, std::string path, program_start& out) {
  if (path.empty()) return -ENOENT;
  out.called = path;
  for (int depth = 0;; ++depth) {
    found_program found;
    const std::int64_t r = open_program(ctx, base, path, found);
    if (is_first_program(ctx, found)) {
      out.image = ctx.instance.first_image;
      out.executable = ctx.instance.first_executable;
      break;
    }
    if (r < 0) return found.at.where == place::nowhere ? deny_path(ctx, "execve", found.at.path) : r;
    if (const auto script = read_script_line(found.file->get())) {
      if (depth == max_interpreters) return -ELOOP;
      if (script->interpreter.empty()) return -ENOEXEC;
      std::vector<std::string> arguments{script->interpreter};
      if (!script->argument.empty()) arguments.push_back(script->argument);
      arguments.push_back(path);
      if (out.arguments.size() > 1)
        arguments.insert(arguments.end(), out.arguments.begin() + 1, out.arguments.end());
      out.arguments = std::move(arguments);
      path = script->interpreter;
      continue;
    }
    auto image = read_found(ctx, found);
    if (!image) return errno_of(image.error());
    out.image = std::move(*image);
    out.executable = found.at.path;
    break;
  }
  if (out.image->info.interpreter.empty()) return 0;
  auto loader = open_loader(ctx, out.image->info.interpreter);
  if (!loader) return ctx.instance.deny("execve " + out.executable, loader.error().to_string(), ENOENT);
  out.loader = std::move(*loader);
  return 0;
}

}  // namespace osvm::unikernel
