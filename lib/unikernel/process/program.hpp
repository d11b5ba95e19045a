// execve(2) up to the point where it cannot fail by the program's fault: the file is found in the guest's
// tree, may be run, and is one that we can run.
#pragma once

#include "unikernel/elf/image_data.hpp"
#include "unikernel/process/loader.hpp"
#include "unikernel/syscalls/syscall.hpp"

#include <sys/stat.h>

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace osvm::unikernel {

struct program_start {
  std::shared_ptr<const detail::image_data> image;
  std::optional<loader_file> loader;  // of a dynamic program
  std::string executable;             // canonical guest path: /proc/self/exe
  std::string called;                 // AT_EXECFN
  std::vector<std::string> arguments, environment;
};

// Programs that the instance ran lately, as they are laid out in memory: files that the guest cannot change.
// Thread-safe.
class program_cache final {
 public:
  // The program in the open file, which has this status.
  result<std::shared_ptr<const detail::image_data>> get(int fd, const struct stat& st,
                                                        const std::string& name);

 private:
  struct key {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec modified{}, changed{};
    bool operator==(const key& o) const noexcept;
  };
  static constexpr std::size_t max_programs = 8;
  static constexpr std::uint64_t max_bytes = 64 << 20;

  std::mutex lock_;
  std::list<std::pair<key, std::shared_ptr<const detail::image_data>>> programs_;  // latest first
};

// Finds what `path`, seen from `base`, starts: the ELF file itself, or the interpreter that a script names in
// its first line. `out` has arguments and environment already. 0 or -errno, denials counted.
std::int64_t find_program(call_context& ctx, const std::string& base, std::string path, program_start& out);

}  // namespace osvm::unikernel
