#include "idl_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <osvm/core/unique_fd.hpp>
#include <utility>

namespace osvm::cli {
namespace {

// One file for whatever program it names, before those of the folder.
class one_file final : public solana::idl_source {
 public:
  one_file(solana::idl described, std::unique_ptr<solana::idl_source> behind)
      : described_(std::make_shared<const solana::idl>(std::move(described))), behind_(std::move(behind)) {}
  std::shared_ptr<const solana::idl> find(const solana::pubkey& program) const override {
    if (described_->summary().address == program) return described_;
    return behind_ ? behind_->find(program) : nullptr;
  }

 private:
  std::shared_ptr<const solana::idl> described_;
  std::unique_ptr<solana::idl_source> behind_;
};

}  // namespace

result<std::string> idl_folder_path() {
  const char* base = std::getenv("XDG_DATA_HOME");
  if (base != nullptr && base[0] == '/') return std::string(base) + "/osvm/idl";
  const char* home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return std::string(home) + "/.local/share/osvm/idl";
  return error(errc::not_found, "no folder for IDLs: set HOME or XDG_DATA_HOME");
}

result<std::unique_ptr<solana::idl_folder>> open_idl_folder() {
  OSVM_TRY(auto path, idl_folder_path());
  return std::make_unique<solana::idl_folder>(std::move(path));
}

result<std::string> read_input(const std::string& path, std::size_t max_size) {
  unique_fd file;
  if (path != "-") {
    file = unique_fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return errno_error(path);
  }
  const int fd = file ? file.get() : STDIN_FILENO;
  const std::string name = file ? path : "standard input";
  std::string out;
  char part[16384];
  while (true) {
    const auto n = ::read(fd, part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(name);
    if (n == 0) return out;
    out.append(part, static_cast<std::size_t>(n));
    if (out.size() > max_size)
      return error(errc::limit_exceeded, name + ": more than " + std::to_string(max_size) + " bytes");
  }
}

void decoder_options::declare(option_set& o) {
  o.value("idl", "FILE", path_, "an IDL for the program that it names, beside those of `osvm idl list`");
  o.flag("as-validator", plain_, "decode what validators decode and nothing else");
}

void decoder_options::declare_more(option_set& o) {
  on_request_ = true;
  o.flag("more", more_, "decode more than validators do: by kept IDLs, and a few programs more");
  o.value("idl", "FILE", path_, "the same, with an IDL for the program that it names");
}

result<const solana::more_decoders*> decoder_options::open() {
  if (plain_ || (on_request_ && !more_ && path_.empty())) return nullptr;
  if (auto folder = open_idl_folder()) source_ = std::move(*folder);
  if (!path_.empty()) {
    const solana::idl_limits limits;
    OSVM_TRY(const auto text, read_input(path_, limits.max_json));
    auto described = solana::idl::parse(text, limits);
    if (!described) return error(described.error().code, path_ + ": " + described.error().context);
    if (!described->summary().address)
      return error(errc::invalid_argument, path_ + " names no program (try: osvm idl add --program ADDRESS)");
    source_ = std::make_unique<one_file>(std::move(*described), std::move(source_));
  }
  decoders_.idls = source_.get();
  return &decoders_;
}

}  // namespace osvm::cli
