#include "unikernel/debug/core_file.hpp"

#include "unikernel/debug/user_registers.hpp"

#include <elf.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace osvm::unikernel {
namespace {

constexpr std::size_t fxsave_size = 512;
constexpr std::size_t xsave_features_at = 464;  // where the kernel says which parts are there
// x87, SSE and AVX: what lies behind them has places that differ between CPU makers, and that a core file
// does not tell.
constexpr std::uint64_t told_features = 7;
constexpr std::size_t told_size = 832;

class note_writer {
 public:
  void add(const char* owner, std::uint32_t type, const void* data, std::size_t size) {
    const Elf64_Nhdr head{.n_namesz = static_cast<Elf64_Word>(std::strlen(owner) + 1),
                          .n_descsz = static_cast<Elf64_Word>(size),
                          .n_type = type};
    append(&head, sizeof head);
    append(owner, head.n_namesz);
    append(data, size);
  }
  const std::string& bytes() const noexcept { return bytes_; }

 private:
  void append(const void* data, std::size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
    bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
  }
  std::string bytes_;
};

void add_thread(note_writer& notes, const core_facts& facts, const saved_thread& t) {
  elf_prstatus status{};
  status.pr_info.si_signo = facts.signal;
  status.pr_cursig = static_cast<short>(facts.signal);
  status.pr_pid = t.tid;
  status.pr_sighold = t.blocked;
  const user_regs_struct regs = linux_registers(t);
  static_assert(sizeof regs == sizeof status.pr_reg);
  std::memcpy(&status.pr_reg, &regs, sizeof regs);
  status.pr_fpvalid = 1;
  notes.add("CORE", NT_PRSTATUS, &status, sizeof status);
  notes.add("CORE", NT_FPREGSET, t.xstate.data(), fxsave_size);
  if (facts.xstate_size < told_size) return;
  xstate_bytes extended = t.xstate;
  const std::uint64_t features = facts.xstate_features & told_features;
  std::memcpy(extended.data() + xsave_features_at, &features, sizeof features);
  notes.add("LINUX", NT_X86_XSTATE, extended.data(), told_size);
}

void copy_text(char* to, std::size_t size, const std::string& text) {
  std::memcpy(to, text.data(), std::min(size - 1, text.size()));
}

void add_process(note_writer& notes, const core_facts& facts) {
  elf_prpsinfo info{};
  info.pr_sname = 'R';
  info.pr_pid = facts.pid;
  copy_text(info.pr_fname, sizeof info.pr_fname, facts.executable.substr(facts.executable.rfind('/') + 1));
  std::string line;
  for (const std::string& a : facts.arguments) line += (line.empty() ? "" : " ") + a;
  copy_text(info.pr_psargs, sizeof info.pr_psargs, line);
  notes.add("CORE", NT_PRPSINFO, &info, sizeof info);
  notes.add("CORE", NT_AUXV, facts.auxiliary.data(), facts.auxiliary.size() * sizeof(std::uint64_t));
}

// Count and page size, then a range and an offset in pages for each, then the names.
void add_files(note_writer& notes, const memory_plan& plan) {
  std::vector<std::uint64_t> words{plan.files.size(), page_size};
  std::string names;
  for (const auto& f : plan.files) {
    words.insert(words.end(), {f.va, f.va + f.size, f.offset / page_size});
    names.append(f.path.c_str(), f.path.size() + 1);
  }
  std::string note(reinterpret_cast<const char*>(words.data()), words.size() * sizeof words[0]);
  note += names;
  notes.add("CORE", NT_FILE, note.data(), note.size());
}

Elf64_Ehdr file_header(std::size_t segments) {
  Elf64_Ehdr h{};
  std::memcpy(h.e_ident, ELFMAG, SELFMAG);
  h.e_ident[EI_CLASS] = ELFCLASS64;
  h.e_ident[EI_DATA] = ELFDATA2LSB;
  h.e_ident[EI_VERSION] = EV_CURRENT;
  h.e_type = ET_CORE;
  h.e_machine = EM_X86_64;
  h.e_version = EV_CURRENT;
  h.e_phoff = sizeof h;
  h.e_ehsize = sizeof h;
  h.e_phentsize = sizeof(Elf64_Phdr);
  h.e_phnum = static_cast<Elf64_Half>(segments);
  return h;
}

Elf64_Phdr load_segment(const memory_plan::part& p, std::uint64_t offset) {
  Elf64_Phdr h{};
  h.p_type = PT_LOAD;
  h.p_flags = (p.protection & PROT_READ ? PF_R : 0U) | (p.protection & PROT_WRITE ? PF_W : 0U) |
              (p.protection & PROT_EXEC ? PF_X : 0U);
  h.p_offset = offset;
  h.p_vaddr = p.va;
  h.p_filesz = p.content ? p.size : 0;
  h.p_memsz = p.size;
  h.p_align = page_size;
  return h;
}

bool write_at(int fd, const std::string& bytes, std::uint64_t offset) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n =
        ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = ENOSPC;
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

result<void> write_core(int fd, address_space& memory, const core_facts& facts) {
  memory_plan plan = memory.plan_core();
  // More would need the form for large counts, which no guest of ours can fill with anything of use.
  constexpr std::size_t most_segments = PN_XNUM - 2;
  if (plan.parts.size() > most_segments) plan.parts.resize(most_segments);
  note_writer notes;
  for (const saved_thread& t : facts.threads) {
    add_thread(notes, facts, t);
    if (&t == &facts.threads.front()) {
      add_process(notes, facts);
      add_files(notes, plan);
    }
  }
  const std::size_t count = plan.parts.size() + 1;
  const Elf64_Ehdr header = file_header(count);
  const std::uint64_t notes_at = sizeof header + count * sizeof(Elf64_Phdr);
  Elf64_Phdr note_segment{};
  note_segment.p_type = PT_NOTE;
  note_segment.p_offset = notes_at;
  note_segment.p_filesz = notes.bytes().size();
  note_segment.p_align = 4;
  std::string head(reinterpret_cast<const char*>(&header), sizeof header);
  head.append(reinterpret_cast<const char*>(&note_segment), sizeof note_segment);
  const std::uint64_t first = page_ceil(notes_at + notes.bytes().size());
  std::uint64_t end = first;
  for (const auto& p : plan.parts) {
    const Elf64_Phdr segment = load_segment(p, end);
    head.append(reinterpret_cast<const char*>(&segment), sizeof segment);
    end += segment.p_filesz;
  }
  head += notes.bytes();
  const auto failed = [] { return errno_error("writing the core file"); };
  if (::ftruncate(fd, static_cast<off_t>(end)) != 0 || !write_at(fd, head, 0)) return failed();
  std::uint64_t offset = first;
  for (const auto& p : plan.parts) {
    if (!p.content) continue;
    if (!memory.write_core_part(p, fd, offset)) return failed();
    offset += p.size;
  }
  return {};
}

}  // namespace osvm::unikernel
