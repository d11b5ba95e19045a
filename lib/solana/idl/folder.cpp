#include <osvm/core/unique_fd.hpp>
#include <osvm/solana/idl.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <unordered_map>

namespace osvm::solana {

namespace fs = std::filesystem;

namespace {

result<std::string> read_text(const std::string& path, std::size_t limit) {
  const unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd && errno == ENOENT) return error(osvm::errc::not_found, path);
  if (!fd) return errno_error(path);
  std::string out;
  char part[16384];
  while (true) {
    const auto n = ::read(fd.get(), part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(path);
    if (n == 0) return out;
    out.append(part, static_cast<std::size_t>(n));
    if (out.size() > limit) return error(osvm::errc::limit_exceeded, path + " is too large for an IDL");
  }
}

result<> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const auto n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(path);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(fd) != 0) return errno_error(path);
  return {};
}

// Whole or not at all: readers of the folder never see half a file.
result<> replace_file(const std::string& path, std::string_view text) {
  std::string temporary = path + ".XXXXXX";
  const unique_fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return errno_error(temporary);
  auto done = write_all(fd.get(), text, temporary);
  if (done && ::fchmod(fd.get(), 0644) != 0) done = errno_error(temporary);
  if (done && ::rename(temporary.c_str(), path.c_str()) != 0) done = errno_error(path);
  if (!done) ::unlink(temporary.c_str());
  return done;
}

}  // namespace

struct idl_folder::impl {
  std::string path;
  idl_limits limits;
  std::mutex mutex;  // guards `known`
  std::unordered_map<pubkey, std::shared_ptr<const idl>, bytes_hasher> known;
};

idl_folder::idl_folder(std::string path, idl_limits limits) : impl_(std::make_unique<impl>()) {
  impl_->path = std::move(path);
  impl_->limits = limits;
}
idl_folder::~idl_folder() = default;

std::string idl_folder::file_of(const pubkey& program) const {
  return impl_->path + "/" + program.to_string() + ".json";
}

result<std::shared_ptr<const idl>> idl_folder::load(const pubkey& program) const {
  const auto file = file_of(program);
  OSVM_TRY(const auto text, read_text(file, impl_->limits.max_json));
  auto parsed = idl::parse(text, impl_->limits);
  if (!parsed) return error(parsed.error().code, file + ": " + parsed.error().context);
  return std::make_shared<const idl>(std::move(*parsed));
}

std::shared_ptr<const idl> idl_folder::find(const pubkey& program) const {
  const std::lock_guard lock(impl_->mutex);
  const auto [at, added] = impl_->known.try_emplace(program);
  if (added)
    if (auto loaded = load(program)) at->second = std::move(*loaded);
  return at->second;
}

result<pubkey> idl_folder::add(std::string_view json, std::optional<pubkey> program, bool replace) {
  OSVM_TRY(auto parsed, idl::parse(json, impl_->limits));
  const auto& named = parsed.summary().address;
  if (!program && !named)
    return error(osvm::errc::invalid_argument, "the IDL names no program: say which one it describes");
  if (program && named && *program != *named)
    return error(osvm::errc::invalid_argument, "the IDL is of the program " + named->to_string());
  const auto key = program ? *program : *named;
  std::error_code failed;
  fs::create_directories(impl_->path, failed);
  if (failed) return error(failed, impl_->path);
  const auto file = file_of(key);
  if (!replace && fs::exists(file, failed))
    return error(osvm::errc::busy, "there is an IDL of " + key.to_string() + " already");
  OSVM_CHECK(replace_file(file, json));
  const std::lock_guard lock(impl_->mutex);
  impl_->known[key] = std::make_shared<const idl>(std::move(parsed));
  return key;
}

result<> idl_folder::remove(const pubkey& program) {
  const auto file = file_of(program);
  if (::unlink(file.c_str()) != 0) {
    if (errno == ENOENT) return error(osvm::errc::not_found, "no IDL of " + program.to_string());
    return errno_error(file);
  }
  const std::lock_guard lock(impl_->mutex);
  impl_->known.erase(program);
  return {};
}

result<std::vector<pubkey>> idl_folder::list() const {
  std::vector<std::string> names;
  std::error_code failed;
  fs::directory_iterator at(impl_->path, failed);
  if (failed == std::errc::no_such_file_or_directory) return std::vector<pubkey>{};
  for (const fs::directory_iterator end; !failed && at != end; at.increment(failed))
    if (at->path().extension() == ".json") names.push_back(at->path().stem().string());
  if (failed) return error(failed, impl_->path);
  std::ranges::sort(names);
  std::vector<pubkey> out;
  for (const auto& n : names)
    if (auto key = pubkey::parse(n)) out.push_back(*key);
  return out;
}

}  // namespace osvm::solana
