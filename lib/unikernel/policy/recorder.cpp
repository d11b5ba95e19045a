#include "unikernel/policy/recorder.hpp"

#include <osvm/core/text.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <new>

namespace osvm::unikernel {
namespace {

constexpr std::size_t max_files = 20'000, max_notes = 1000;

bool beneath(std::string_view path, std::string_view folder) {
  if (folder == "/") return true;
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

// The rest behind `prefix`, or empty.
std::string_view after(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : std::string_view();
}

bool parse_number(std::string_view text, std::uint32_t& out) {
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  return ec == std::errc() && end == text.data() + text.size();
}

using mounts_by_guest = std::map<std::string, mount, std::less<>>;

// A mount that is part of another one, with the same right or a stronger one, says nothing new.
bool covered(const mount& m, const mounts_by_guest& all) {
  std::string_view folder = m.guest_path;
  while (folder != "/") {
    const std::size_t slash = folder.rfind('/');
    folder = slash == 0 ? std::string_view("/") : folder.substr(0, slash);
    const auto at = all.find(folder);
    if (at == all.end() || (m.writable && !at->second.writable)) continue;
    const std::string_view rest = std::string_view(m.guest_path).substr(folder == "/" ? 0 : folder.size());
    const std::string_view host = at->second.host_path == "/" ? std::string_view() : at->second.host_path;
    if (m.host_path.size() == host.size() + rest.size() && m.host_path.starts_with(host) &&
        m.host_path.ends_with(rest))
      return true;
  }
  return false;
}

}  // namespace

void usage_recorder::note(std::string text) {
  if (notes_.size() < max_notes) notes_.insert(std::move(text));
}

void usage_recorder::file(std::string_view guest, std::string_view host, file_use use, bool folder) noexcept {
  try {
    const std::lock_guard guard(lock_);
    auto at = files_.find(guest);
    if (at == files_.end()) {
      if (files_.size() >= max_files) {
        overflow_ = true;
        return;
      }
      at = files_.emplace(std::string(guest), noted{}).first;
      at->second.host = host;
      at->second.folder = folder;
    }
    at->second.use = std::max(at->second.use, use);
  } catch (const std::bad_alloc&) {
    overflow_ = true;
  }
}

void usage_recorder::listens(const listener& which) noexcept {
  try {
    const std::lock_guard guard(lock_);
    listeners_.emplace(static_cast<int>(which.kind), which.port);
  } catch (const std::bad_alloc&) {
    overflow_ = true;
  }
}

void usage_recorder::connects_vsock(std::uint32_t port) noexcept {
  try {
    const std::lock_guard guard(lock_);
    vsock_.insert(port);
  } catch (const std::bad_alloc&) {
    overflow_ = true;
  }
}

void usage_recorder::connects(std::string_view endpoint) noexcept {
  try {
    const std::lock_guard guard(lock_);
    if (connections_.size() < max_notes) {
      connections_.emplace(endpoint);
    } else {
      overflow_ = true;
    }
  } catch (const std::bad_alloc&) {
    overflow_ = true;
  }
}

void usage_recorder::uses_jit() noexcept {
  const std::lock_guard guard(lock_);
  jit_ = true;
}

// Called with the lock held. What the host does not have, no grant brings.
void usage_recorder::denied_file(std::string_view guest, file_use use) {
  const std::string path(guest);
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return;
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
    return note(printable(path) + ": neither a file nor a folder");
  for (const std::string_view kept : {"/proc", "/sys", "/dev"})
    if (beneath(path, kept)) return note(printable(path) + ": of the host's kernel; not granted");
  if (files_.size() >= max_files && !files_.contains(path)) {
    overflow_ = true;
    return;
  }
  noted& n = files_[path];
  n.host = path;
  n.folder = S_ISDIR(st.st_mode);
  n.use = std::max(n.use, n.folder && use == file_use::exists ? file_use::exists : use);
}

// Rules are ours and say exactly what would grant the attempt: one text for people and for this.
void usage_recorder::denied(std::string_view what, std::string_view rule) noexcept {
  try {
    const std::lock_guard guard(lock_);
    std::uint32_t port = 0;
    if (const auto path = after(rule, "--ro HOST:"); path.starts_with('/'))
      return denied_file(path, file_use::reads);
    if (const auto path = after(rule, "--rw HOST:"); path.starts_with('/'))
      return denied_file(path, file_use::writes);
    if (const auto guest = after(rule, "--publish HOST:PORT=guest:"); parse_number(guest, port)) {
      listeners_.emplace(static_cast<int>(transport::tcp), port);
    } else if (const auto name = after(rule, "--publish-vsock HOST:PORT=guest:"); parse_number(name, port)) {
      listeners_.emplace(static_cast<int>(transport::vsock), port);
    } else if (const auto to = after(rule, "--allow vsock:"); parse_number(to, port)) {
      vsock_.insert(port);
    } else if (const auto out = after(rule, "--connect "); !out.empty() && !out.ends_with(":PORT") &&
                                                           !out.starts_with("unix:") &&
                                                           parse_connect_grant(out)) {
      if (connections_.size() < max_notes) connections_.emplace(out);
    } else if (rule == "--allow jit") {
      jit_ = true;
    } else if (const auto folder = after(rule, "--tmpfs "); !folder.empty()) {
      if (scratch_.size() < max_notes) scratch_.emplace(folder);
    } else {
      note(printable(what) + (rule.empty() ? ": never granted" : ": " + printable(rule)));
    }
  } catch (const std::bad_alloc&) {
    overflow_ = true;
  }
}

learned_policy usage_recorder::result(const policy& granted, const budgets& used) const {
  const std::lock_guard guard(lock_);
  learned_policy out;
  policy& p = out.policy.granted;
  if (mode_ == learning::denials) p = granted;
  p.environment = granted.environment;
  p.scratch = granted.scratch;
  mounts_by_guest needed;
  for (const mount& m : p.mounts) needed[m.guest_path] = m;
  for (const auto& [guest, n] : files_) {
    // A folder that was only looked at exists by itself when something below it is granted.
    const auto next = files_.lower_bound(guest == "/" ? guest + "0" : guest + "/");
    const bool has_children = next != files_.end() && guest != "/" && beneath(next->first, guest);
    if (n.folder && n.use == file_use::exists && (has_children || guest == "/")) continue;
    mount& m = needed[guest];
    if (m.guest_path.empty()) m = {.host_path = n.host, .guest_path = guest};
    m.writable = m.writable || n.use == file_use::writes;
  }
  p.mounts.clear();
  for (const auto& [guest, m] : needed)
    if (!covered(m, needed)) p.mounts.push_back(m);
  for (const auto& [kind, port] : listeners_) {
    const listener l{static_cast<transport>(kind), port};
    if (std::find(p.listen.begin(), p.listen.end(), l) == p.listen.end()) p.listen.push_back(l);
  }
  for (const std::uint32_t port : vsock_) {
    if (std::find(p.vsock_connect.begin(), p.vsock_connect.end(), port) == p.vsock_connect.end())
      p.vsock_connect.push_back(port);
  }
  for (const auto& text : connections_) {
    auto grant = parse_connect_grant(text);
    const bool known =
        grant && std::any_of(p.connect.begin(), p.connect.end(), [&](const connect_grant& g) {
          return g.host == grant->host && g.port == grant->port && g.guest_name == grant->guest_name;
        });
    if (grant && !known) p.connect.push_back(std::move(*grant));
  }
  for (const auto& folder : scratch_) p.scratch.push_back({.guest_path = folder});
  p.allow.jit = p.allow.jit || jit_;
  out.policy.limits = used;
  out.notes.assign(notes_.begin(), notes_.end());
  if (overflow_) out.notes.emplace_back("more was used than could be noted: this policy is not complete");
  return out;
}

}  // namespace osvm::unikernel
