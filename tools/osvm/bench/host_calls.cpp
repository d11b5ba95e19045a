#include "host_calls.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <osvm/core/bytes.hpp>
#include <osvm/core/unique_fd.hpp>

#include <csignal>
#include <cstring>
#include <fstream>
#include <set>
#include <thread>

namespace osvm::cli::bench {
namespace {

constexpr unsigned long kvm_run = 0xae80;

struct traced_thread {
  std::map<unsigned, std::uint64_t> calls;
  std::uint64_t entries = 0;
  bool inside = false;  // between the entry and the exit of a call
};

// The child: from fork to exec only what is safe there.
[[noreturn]] void become(char* const* argv) {
  const int null = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::raise(SIGSTOP);
  ::execv(argv[0], argv);
  ::_exit(127);
}

void note_call(pid_t tid, traced_thread& t) {
  t.inside = !t.inside;
  if (!t.inside) return;
  user_regs_struct r{};
  if (::ptrace(PTRACE_GETREGS, tid, nullptr, &r) != 0) return;
  ++t.calls[static_cast<unsigned>(r.orig_rax)];
  t.entries += r.orig_rax == SYS_ioctl && r.rsi == kvm_run;
}

// The main thread runs the start-up probe, which is no guest.
host_calls sum(const std::map<pid_t, traced_thread>& threads, pid_t main) {
  host_calls out;
  for (const auto& [tid, t] : threads) {
    for (const auto& [number, n] : t.calls) {
      if (t.entries != 0 && tid != main) {
        out.on_guest_threads[number] += n;
      } else {
        out.elsewhere += n;
      }
    }
    if (tid != main) out.entries += t.entries;
  }
  return out;
}

result<std::string> whole_file(const char* path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (text.empty()) return error(errc::not_found, path);
  return text;
}

}  // namespace

namespace {

// Follows all threads of `child` to its end; its exit status.
int follow(pid_t child, std::map<pid_t, traced_thread>& threads) {
  int status = 0, exit_status = -1;
  for (pid_t tid = 0; (tid = ::waitpid(-1, &status, __WALL)) > 0;) {
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (tid == child) exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      continue;
    }
    const int signal = WSTOPSIG(status);
    long deliver = 0;
    if (signal == (SIGTRAP | 0x80)) {
      note_call(tid, threads[tid]);
    } else if (signal != SIGTRAP && signal != SIGSTOP) {
      deliver = signal;
    }
    ::ptrace(PTRACE_SYSCALL, tid, nullptr, deliver);
  }
  return exit_status;
}

}  // namespace

result<host_calls> count_host_calls(const traced_run& what) {
  std::vector<std::string> words = what.command;
  std::vector<char*> argv;
  for (auto& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return errno_error("fork");
  if (child == 0) become(argv.data());
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
    return error(errc::unsupported, "tracing is forbidden here");
  constexpr long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                           PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  if (::ptrace(PTRACE_SETOPTIONS, child, nullptr, options) != 0) return errno_error("ptrace");
  ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
  result<void> done;
  std::thread client;
  if (what.beside) {
    client = std::thread([&] {
      done = what.beside(child);
      if (!done) ::kill(child, SIGKILL);
    });
  }
  std::map<pid_t, traced_thread> threads;
  const int exit_status = follow(child, threads);
  if (client.joinable()) client.join();
  OSVM_CHECK(done);
  if (exit_status != what.expected)
    return error(errc::closed, "the traced program ended with status " + std::to_string(exit_status));
  return sum(threads, child);
}

result<std::map<std::string, std::uint64_t>> text_bytes(const std::vector<std::string>& modules) {
  OSVM_TRY(const auto file, whole_file("/proc/self/exe"));
  const auto bytes = as_bytes(file);
  OSVM_TRY(const auto h, read_at<Elf64_Ehdr>(bytes, 0));
  std::map<std::string, std::uint64_t> out;
  std::set<std::uint64_t> seen;  // aliases of one function count once
  for (unsigned i = 0; i < h.e_shnum; ++i) {
    OSVM_TRY(const auto symbols,
             read_at<Elf64_Shdr>(bytes, h.e_shoff + std::uint64_t{i} * sizeof(Elf64_Shdr)));
    if (symbols.sh_type != SHT_SYMTAB) continue;
    OSVM_TRY(const auto names,
             read_at<Elf64_Shdr>(bytes, h.e_shoff + std::uint64_t{symbols.sh_link} * sizeof(Elf64_Shdr)));
    for (std::uint64_t at = 0; at + sizeof(Elf64_Sym) <= symbols.sh_size; at += sizeof(Elf64_Sym)) {
      OSVM_TRY(const auto s, read_at<Elf64_Sym>(bytes, symbols.sh_offset + at));
      if (ELF64_ST_TYPE(s.st_info) != STT_FUNC || s.st_size == 0 ||
          names.sh_offset + s.st_name >= file.size())
        continue;
      const std::string_view name(file.data() + names.sh_offset + s.st_name);
      for (const auto& m : modules) {
        if (name.find("4osvm" + std::to_string(m.size()) + m) == std::string_view::npos) continue;
        if (seen.insert(s.st_value).second) out[m] += s.st_size;
        break;
      }
    }
  }
  if (out.empty()) return error(errc::unsupported, "this program has no symbol table");
  return out;
}

result<std::uint64_t> kernel_text_bytes() {
  std::ifstream in("/proc/kallsyms");
  std::uint64_t begin = 0, end = 0, address = 0;
  std::string type, name, rest;
  while (in >> std::hex >> address >> type >> name) {
    std::getline(in, rest);
    if (name == "_stext") begin = address;
    if (name == "_etext") end = address;
  }
  if (begin == 0 || end <= begin)
    return error(errc::unsupported, "/proc/kallsyms hides the kernel's addresses");
  return end - begin;
}

}  // namespace osvm::cli::bench
