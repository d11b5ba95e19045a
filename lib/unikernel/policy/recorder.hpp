// Notes, while a guest runs, what it uses or is denied; afterwards says which grants that takes. Bounded:
// beyond the bound it says so instead of growing.
#pragma once

#include <osvm/unikernel/learning.hpp>

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

namespace osvm::unikernel {

enum class file_use : std::uint8_t {
  exists,  // a folder was looked at, or passed through
  reads,   // a file was looked at or read; a folder was listed
  writes,  // a file was opened for writing or changed; names in a folder were made or removed
};

// Thread-safe; nothing here throws.
class usage_recorder final {
 public:
  explicit usage_recorder(learning mode) noexcept : mode_(mode) {}
  learning mode() const noexcept { return mode_; }

  // `guest` is where the program looked, `host` the file's real name on the host.
  void file(std::string_view guest, std::string_view host, file_use use, bool folder) noexcept;
  void listens(const listener& which) noexcept;
  void connects_vsock(std::uint32_t port) noexcept;
  // An endpoint as parse_connect_grant() takes it.
  void connects(std::string_view endpoint) noexcept;
  void uses_jit() noexcept;
  // A denial's rule, as instance_state::deny() is given it.
  void denied(std::string_view what, std::string_view rule) noexcept;

  // The policy of this run and all that was noted. With allow_all, of `granted` only what a person wrote
  // counts: its environment; files, ports and rights are those that were used.
  learned_policy result(const policy& granted, const budgets& used) const;

 private:
  struct noted {
    std::string host;
    file_use use = file_use::exists;
    bool folder = false;
  };
  void denied_file(std::string_view guest, file_use use);
  void note(std::string text);

  const learning mode_;
  mutable std::mutex lock_;
  std::map<std::string, noted, std::less<>> files_;  // by guest path
  std::set<std::pair<int, std::uint32_t>> listeners_;
  std::set<std::uint32_t> vsock_;
  std::set<std::string, std::less<>> connections_, scratch_;
  bool jit_ = false, overflow_ = false;
  std::set<std::string> notes_;
};

}  // namespace osvm::unikernel
