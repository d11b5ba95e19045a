#include "unikernel/files/synthetic.hpp"

#include "unikernel/instance_state.hpp"

#include <cpuid.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cstdarg>
#include <cstdio>

namespace osvm::unikernel {
namespace {

std::string cpu_brand() {
  std::array<unsigned, 13> words{};
  for (unsigned i = 0; i < 3; ++i) {
    unsigned* w = words.data() + std::size_t{i} * 4;
    if (__get_cpuid(0x80000002 + i, &w[0], &w[1], &w[2], &w[3]) == 0) return "x86-64";
  }
  return reinterpret_cast<const char*>(words.data());
}

// printf into a string of at most 1 KiB.
[[gnu::format(printf, 1, 2)]] std::string text(const char* format, ...) {
  char buffer[1024];
  va_list list;
  va_start(list, format);
  const int n = std::vsnprintf(buffer, sizeof buffer, format, list);
  va_end(list);
  return {buffer, n < 0 ? 0 : std::min(static_cast<std::size_t>(n), sizeof buffer - 1)};
}

using number = unsigned long long;

std::string cpuinfo(call_context& ctx) {
  std::string all;
  const int cpus = static_cast<int>(ctx.instance.cpus);
  for (int i = 0; i < cpus; ++i)
    all += text("processor\t: %d\nmodel name\t: %s\ncpu cores\t: %d\n\n", i, cpu_brand().c_str(), cpus);
  return all;
}

std::string online(call_context& ctx) {
  const int cpus = static_cast<int>(ctx.instance.cpus);
  return cpus == 1 ? "0\n" : text("0-%d\n", cpus - 1);
}

std::string meminfo(call_context& ctx) {
  const number total = ctx.instance.budgets.memory_bytes / 1024;
  const number used = ctx.memory.usage().bytes / 1024;
  const number unused = used < total ? total - used : 0;
  return text(
      "MemTotal: %15llu kB\nMemFree: %16llu kB\nMemAvailable: %11llu kB\nBuffers: %16d kB\n"
      "Cached: %17d kB\nSwapTotal: %14d kB\nSwapFree: %15d kB\n",
      total, unused, unused, 0, 0, 0, 0);
}

std::string proc_stat(call_context& ctx) {
  std::string all = "cpu  0 0 0 0 0 0 0 0 0 0\n";
  const int cpus = static_cast<int>(ctx.instance.cpus);
  for (int i = 0; i < cpus; ++i) all += text("cpu%d 0 0 0 0 0 0 0 0 0 0\n", i);
  return all + "intr 0\nctxt 0\nbtime 0\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n";
}

std::string program_name(call_context& ctx) {
  const std::string path = ctx.process.executable();
  return path.substr(path.rfind('/') + 1).substr(0, 15);
}

// Of another process, whose memory is its own affair, `bytes` is 0.
std::string stat_of(call_context& ctx, char state, number bytes) {
  const int pid = ctx.process.pid;
  const auto& all = ctx.instance.processes;
  const number ticks = static_cast<number>(ctx.process.host.cpu_time().count()) / 10'000'000;
  return text(
      "%d (%s) %c %d %d %d 0 -1 4194304 0 0 0 0 %llu 0 0 0 20 0 %u 0 0 %llu %llu 18446744073709551615 0 0 0 "
      "0 0 0 "
      "0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
      pid, program_name(ctx).c_str(), state, all.parent_of(pid), all.group_of(pid).value_or(pid),
      all.session_of(pid).value_or(pid), ticks, ctx.process.host.thread_count(), bytes, bytes / page_size);
}
std::string self_stat(call_context& ctx) {
  return stat_of(ctx, 'R', ctx.memory.usage().bytes);
}

std::string self_statm(call_context& ctx) {
  const number pages = ctx.memory.usage().bytes / page_size;
  return text("%llu %llu 0 0 0 %llu 0\n", pages, pages, pages);
}

std::string status_of(call_context& ctx, const char* state, number bytes) {
  const int pid = ctx.process.pid;
  return text(
      "Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n"
      "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nFDSize:\t%u\nVmSize:\t%8llu kB\n"
      "VmRSS:\t%8llu kB\nThreads:\t%u\nNoNewPrivs:\t1\nSeccomp:\t0\n",
      program_name(ctx).c_str(), ctx.process.umask.load(), state, pid, pid,
      ctx.instance.processes.parent_of(pid), ctx.process.descriptors.limit(), bytes / 1024, bytes / 1024,
      ctx.process.host.thread_count());
}
std::string self_status(call_context& ctx) {
  return status_of(ctx, "R (running)", ctx.memory.usage().bytes);
}

std::string mountinfo(call_context& ctx) {
  std::string all = "1 0 0:1 / / ro - osvm osvm ro\n";
  int id = 2;
  for (const auto& m : ctx.instance.policy.mounts) {
    const std::string right = m.writable ? "rw" : "ro";
    all += text("%d 1 0:%d / ", id, id) + m.guest_path + " " + right + " - osvm osvm " + right + "\n";
    ++id;
  }
  return all;
}

std::string mounts(call_context& ctx) {
  std::string all = "osvm / osvm ro 0 0\n";
  for (const auto& m : ctx.instance.policy.mounts) {
    all += "osvm " + m.guest_path + " osvm " + (m.writable ? "rw" : "ro") + " 0 0\n";
  }
  return all;
}

// Strings as /proc shows argv and environ: each with its NUL.
std::string nul_terminated(const std::vector<std::string>& words) {
  std::string all;
  for (const auto& w : words) all.append(w.c_str(), w.size() + 1);
  return all;
}

std::string limits(call_context& ctx) {
  std::string all = text("%-26s%-21s%-21s%-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
  const auto line = [&](const char* name, const std::string& value, const char* units) {
    all += text("%-26s%-21s%-21s%-10s\n", name, value.c_str(), value.c_str(), units);
  };
  line("Max cpu time", "unlimited", "seconds");
  line("Max file size", "unlimited", "bytes");
  line("Max stack size", "8388608", "bytes");
  line("Max core file size", "0", "bytes");
  line("Max processes", std::to_string(ctx.instance.budgets.threads), "processes");
  line("Max open files", std::to_string(ctx.process.descriptors.limit()), "files");
  line("Max address space", std::to_string(ctx.instance.budgets.memory_bytes), "bytes");
  return all;
}

double seconds_up(call_context& ctx) {
  return std::chrono::duration<double>(wait_clock::now() - ctx.instance.started).count();
}

std::string random_uuid() {
  std::array<unsigned char, 16> b{};
  if (::getrandom(b.data(), b.size(), 0) != static_cast<ssize_t>(b.size())) return {};
  b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);
  std::string out;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += text("%02x", b[i]);
  }
  return out + "\n";
}

// A time zone file (RFC 8536, version 2) that says UTC and nothing else.
std::string utc_zone() {
  constexpr std::size_t unused = 15;
  const auto block = [](char version) {
    std::string s = std::string("TZif") + version + std::string(unused, '\0');
    for (const char count : {0, 0, 0, 0, 1, 4})
      s += std::string(3, '\0') + count;  // one type, "UTC" and its NUL
    return s + std::string(6, '\0') + std::string("UTC", 4);
  };
  return block('2') + block('2') + "\nUTC0\n";
}

// The files. "/proc/self/fd/N" is in tree.cpp, since it is not one name.
constexpr synthetic_file table[] = {
    {"/dev/fd", synthetic_kind::link, [](call_context&) { return std::string("/proc/self/fd"); }},
    {"/dev/full", synthetic_kind::device},
    {"/dev/null", synthetic_kind::device},
    {"/dev/osvm", synthetic_kind::calls},
    {"/dev/random", synthetic_kind::device},
    {"/dev/stderr", synthetic_kind::link, [](call_context&) { return std::string("/proc/self/fd/2"); }},
    {"/dev/stdin", synthetic_kind::link, [](call_context&) { return std::string("/proc/self/fd/0"); }},
    {"/dev/stdout", synthetic_kind::link, [](call_context&) { return std::string("/proc/self/fd/1"); }},
    {"/dev/urandom", synthetic_kind::device},
    {"/dev/vsock", synthetic_kind::vsock},
    {"/dev/zero", synthetic_kind::device},
    {"/etc/group", synthetic_kind::text,
     [](call_context&) { return std::string("root:x:0:\nguest:x:1000:\n"); }, true},
    {"/etc/hostname", synthetic_kind::text, [](call_context&) { return std::string("osvm\n"); }, true},
    {"/etc/hosts", synthetic_kind::text,
     [](call_context& ctx) {
       return "127.0.0.1 localhost\n::1 localhost\n" + ctx.instance.network.outgoing.hosts();
     },
     true},
    {"/etc/localtime", synthetic_kind::text, [](call_context&) { return utc_zone(); }, true},
    {"/etc/nsswitch.conf", synthetic_kind::text,
     [](call_context&) { return std::string("passwd: files\ngroup: files\nhosts: files dns\n"); }, true},
    {"/etc/passwd", synthetic_kind::text,
     [](call_context&) {
       return std::string("root:x:0:0:root:/:/bin/sh\nguest:x:1000:1000:guest:/:/bin/sh\n");
     },
     true},
    {"/etc/resolv.conf", synthetic_kind::text,
     [](call_context&) { return std::string("# answers granted names only\nnameserver 127.0.0.53\n"); },
     true},
    {"/proc/cgroups", synthetic_kind::text,
     [](call_context&) { return std::string("#subsys_name\thierarchy\tnum_cgroups\tenabled\n"); }},
    {"/proc/cpuinfo", synthetic_kind::text, cpuinfo},
    {"/proc/filesystems", synthetic_kind::text, [](call_context&) { return std::string("nodev\tosvm\n"); }},
    {"/proc/loadavg", synthetic_kind::text,
     [](call_context& ctx) { return text("0.00 0.00 0.00 1/%u 1\n", ctx.process.host.thread_count()); }},
    {"/proc/meminfo", synthetic_kind::text, meminfo},
    {"/proc/mounts", synthetic_kind::link, [](call_context&) { return std::string("self/mounts"); }},
    {"/proc/self/cmdline", synthetic_kind::text,
     [](call_context& ctx) { return nul_terminated(ctx.process.arguments()); }},
    {"/proc/self/coredump_filter", synthetic_kind::text,
     [](call_context&) { return std::string("00000033\n"); }},
    {"/proc/self/cwd", synthetic_kind::link,
     [](call_context& ctx) {
       const std::scoped_lock lock(ctx.process.cwd_lock);
       return ctx.process.working_directory;
     }},
    {"/proc/self/environ", synthetic_kind::text,
     [](call_context& ctx) { return nul_terminated(ctx.instance.policy.environment); }},
    {"/proc/self/limits", synthetic_kind::text, limits},
    {"/proc/self/mounts", synthetic_kind::text, mounts},
    {"/proc/self/root", synthetic_kind::link, [](call_context&) { return std::string("/"); }},
    {"/proc/self/cgroup", synthetic_kind::text, [](call_context&) { return std::string("0::/\n"); }},
    {"/proc/self/comm", synthetic_kind::text, [](call_context& ctx) { return program_name(ctx) + "\n"; }},
    {"/proc/self/exe", synthetic_kind::link, [](call_context& ctx) { return ctx.process.executable(); }},
    {"/proc/self/maps", synthetic_kind::text, [](call_context& ctx) { return ctx.memory.describe_maps(); }},
    {"/proc/self/mountinfo", synthetic_kind::text, mountinfo},
    {"/proc/self/stat", synthetic_kind::text, self_stat},
    {"/proc/self/statm", synthetic_kind::text, self_statm},
    {"/proc/self/status", synthetic_kind::text, self_status},
    {"/proc/stat", synthetic_kind::text, proc_stat},
    {"/proc/sys/fs/file-max", synthetic_kind::text,
     [](call_context& ctx) { return std::to_string(ctx.process.descriptors.limit()) + "\n"; }},
    {"/proc/sys/fs/nr_open", synthetic_kind::text,
     [](call_context& ctx) { return std::to_string(ctx.process.descriptors.limit()) + "\n"; }},
    {"/proc/sys/fs/pipe-max-size", synthetic_kind::text,
     [](call_context&) { return std::string("65536\n"); }},
    {"/proc/sys/kernel/cap_last_cap", synthetic_kind::text,
     [](call_context&) { return std::string("40\n"); }},
    {"/proc/sys/kernel/hostname", synthetic_kind::text, [](call_context&) { return std::string("osvm\n"); }},
    {"/proc/sys/kernel/ngroups_max", synthetic_kind::text,
     [](call_context&) { return std::string("65536\n"); }},
    {"/proc/sys/kernel/ostype", synthetic_kind::text, [](call_context&) { return std::string("Linux\n"); }},
    {"/proc/sys/kernel/pid_max", synthetic_kind::text,
     [](call_context&) { return std::string("4194304\n"); }},
    {"/proc/sys/kernel/random/entropy_avail", synthetic_kind::text,
     [](call_context&) { return std::string("256\n"); }},
    {"/proc/sys/kernel/random/uuid", synthetic_kind::text, [](call_context&) { return random_uuid(); }},
    {"/proc/sys/kernel/threads-max", synthetic_kind::text,
     [](call_context& ctx) { return std::to_string(ctx.instance.budgets.threads) + "\n"; }},
    {"/proc/sys/kernel/version", synthetic_kind::text,
     [](call_context&) { return std::string("#1 OSVM\n"); }},
    {"/proc/sys/kernel/osrelease", synthetic_kind::text,
     [](call_context&) { return std::string("6.1.0-osvm\n"); }},
    {"/proc/sys/net/core/somaxconn", synthetic_kind::text,
     [](call_context&) { return std::string("4096\n"); }},
    {"/proc/sys/vm/overcommit_memory", synthetic_kind::text,
     [](call_context&) { return std::string("1\n"); }},
    {"/proc/sys/vm/max_map_count", synthetic_kind::text,
     [](call_context&) { return std::string("65530\n"); }},
    {"/proc/sys/vm/mmap_min_addr", synthetic_kind::text,
     [](call_context&) { return std::string("65536\n"); }},
    {"/proc/uptime", synthetic_kind::text,
     [](call_context& ctx) { return text("%.2f 0.00\n", seconds_up(ctx)); }},
    {"/proc/version", synthetic_kind::text,
     [](call_context&) { return std::string("Linux version 6.1.0-osvm (osvm) #1 OSVM\n"); }},
    {"/proc/vmstat", synthetic_kind::text,
     [](call_context&) { return std::string("pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n"); }},
    {"/sys/devices/system/cpu/online", synthetic_kind::text, online},
    {"/sys/devices/system/cpu/possible", synthetic_kind::text, online},
    {"/sys/devices/system/cpu/present", synthetic_kind::text, online},
    {"/sys/kernel/mm/transparent_hugepage/enabled", synthetic_kind::text,
     [](call_context&) { return std::string("always [madvise] never\n"); }},
    {"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", synthetic_kind::text,
     [](call_context&) { return std::string("2097152\n"); }},
};

// Of other processes of the instance: what supervisors and ps read. Their context is made for them.
constexpr synthetic_file of_processes[] = {
    {"/proc/N/cmdline", synthetic_kind::text,
     [](call_context& ctx) { return nul_terminated(ctx.process.arguments()); }},
    {"/proc/N/comm", synthetic_kind::text, [](call_context& ctx) { return program_name(ctx) + "\n"; }},
    {"/proc/N/stat", synthetic_kind::text, [](call_context& ctx) { return stat_of(ctx, 'S', 0); }},
    {"/proc/N/status", synthetic_kind::text,
     [](call_context& ctx) { return status_of(ctx, "S (sleeping)", 0); }},
};
constexpr std::size_t process_prefix = std::string_view("/proc/N/").size();

}  // namespace

const synthetic_file* find_of_process(std::string_view name) noexcept {
  for (const auto& f : of_processes)
    if (name == f.path + process_prefix) return &f;
  return nullptr;
}
std::vector<std::string> names_of_process() {
  std::vector<std::string> names;
  for (const auto& f : of_processes) names.emplace_back(f.path + process_prefix);
  return names;
}

std::span<const synthetic_file> synthetic_files() noexcept {
  return table;
}

const synthetic_file* find_synthetic(std::string_view path) noexcept {
  for (const auto& f : table)
    if (path == f.path) return &f;
  return nullptr;
}

unique_fd open_synthetic_text(call_context& ctx, const synthetic_file& file) {
  const std::string content = file.content(ctx);
  unique_fd fd(::memfd_create("osvm-synthetic", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fd;
  const ssize_t written = ::pwrite(fd.get(), content.data(), content.size(), 0);
  const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (written != static_cast<ssize_t>(content.size()) || ::fcntl(fd.get(), F_ADD_SEALS, seals) != 0)
    fd.reset();
  return fd;
}

}  // namespace osvm::unikernel
