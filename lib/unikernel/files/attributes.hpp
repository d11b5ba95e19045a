// What the guest is told about files: the host's truth, but owned by the guest's virtual user.
#pragma once

#include "unikernel/files/descriptor.hpp"
#include "unikernel/files/tree.hpp"

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace osvm::unikernel {

inline constexpr unsigned guest_uid = 1000;
inline constexpr unsigned guest_gid = 1000;

// 0 or -errno.
std::int64_t attributes_of(const descriptor& d, struct stat& out);
// Of a found location (not place::nowhere or creatable).
std::int64_t attributes_of(call_context& ctx, const location& at, struct stat& out);

// The directory that a *at() call starts from: 0, -EBADF or -ENOTDIR. Absolute paths need none.
std::int64_t base_of(call_context& ctx, int dirfd, std::string_view path, std::string& base);

// Whether files of this type have a mode and times that a guest may set.
inline bool has_attributes(mode_t mode) noexcept {
  return S_ISREG(mode) || S_ISDIR(mode) || S_ISFIFO(mode);
}
// A name of the host for an O_PATH descriptor, for calls that want a path: "/proc/self/fd/N".
std::string self_path(const unique_fd& fd);

// What nearly every program looks for and expects to be missing: no denial is counted.
bool is_common_probe(std::string_view path) noexcept;
// Denies a path that no mount reaches. Programs probe files all the time, so the errno is ENOENT.
std::int64_t deny_path(call_context& ctx, const char* call, const std::string& path);

}  // namespace osvm::unikernel
