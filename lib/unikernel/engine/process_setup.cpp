#include "unikernel/engine/process_setup.hpp"

#include "unikernel/vdso/vdso.hpp"

#include <cpuid.h>
#include <elf.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <array>
#include <cstring>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t pie_begin = 0x5555'0000'0000;
constexpr std::uint64_t stack_size = 8 << 20;
constexpr std::uint64_t vdso_base = user_end - (2 << 20);  // the clock page, then the vDSO
constexpr std::uint64_t map_random_pages = 1 << 24;        // 64 GiB below mmap_limit
constexpr std::uint64_t stack_highest = user_end - (16 << 20);
constexpr std::size_t max_argument_bytes = 2 << 20;
constexpr std::uint64_t guest_id = 1000;  // virtual uid and gid
constexpr int at_rseq_minimum = AT_MINSIGSTKSZ;

std::uint64_t random_below(std::uint64_t limit) noexcept {
  std::uint64_t r = 0;
  if (::getrandom(&r, sizeof r, 0) != sizeof r) return 0;
  return r % limit;
}

error no_memory(const char* what) {
  return {errc::too_large, std::string(what) + " does not fit the memory budget"};
}

result<std::uint64_t> load_image(address_space& memory, const detail::image_data& image) {
  std::uint64_t base = image.base;
  if (image.info.position_independent) {
    base = (pie_begin + random_below(1 << 24) * page_size) & ~(image.alignment - 1);
  }
  if (memory.map_image(base, image.file_bytes, image.memory.get(), image.ranges) < 0)
    return no_memory("the program");
  for (const image_range& z : image.zero_ranges) {
    if (memory.map({.address = base + z.offset,
                    .size = z.size,
                    .protection = z.protection,
                    .fixed = true,
                    .no_replace = true,
                    .name = ""}) < 0) {
      return no_memory("the program's zeroed memory");
    }
  }
  memory.init_break(base + image.end + random_below(1 << 10) * page_size);
  return base - image.base;
}

// The initial stack, written from its top downwards into a buffer and copied in at once.
class stack_builder {
 public:
  explicit stack_builder(std::uint64_t top) : top_(top) {}
  std::uint64_t push_bytes(const void* data, std::size_t size) {
    bytes_.insert(bytes_.begin(), static_cast<const char*>(data), static_cast<const char*>(data) + size);
    return top_ - bytes_.size();
  }
  std::uint64_t address() const noexcept { return top_ - bytes_.size(); }
  std::string& bytes() noexcept { return bytes_; }

 private:
  std::uint64_t top_;
  std::string bytes_;
};

// All strings in one block: pointers are known once its size is.
struct string_block {
  std::string bytes;
  std::vector<std::size_t> offsets;
  void add(const std::string& s) {
    offsets.push_back(bytes.size());
    bytes.append(s.c_str(), std::strlen(s.c_str()) + 1);
  }
};

struct addresses {
  std::uint64_t slide = 0;        // of the program
  std::uint64_t loader_base = 0;  // AT_BASE; 0: no loader
};

std::vector<std::uint64_t> auxiliary_vector(const detail::image_data& image, const addresses& where,
                                            const process_options& o, std::uint64_t random_va,
                                            std::uint64_t name_va, std::uint64_t platform_va) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  __get_cpuid(1, &a, &b, &c, &d);
  const std::uint64_t hwcap = d;
  unsigned xsave = 2048;
  if (__get_cpuid_count(0xd, 0, &a, &b, &c, &d)) xsave = b;
  std::vector<std::uint64_t> v{AT_HWCAP,
                               hwcap,
                               AT_PAGESZ,
                               page_size,
                               AT_CLKTCK,
                               100,
                               AT_PHENT,
                               sizeof(Elf64_Phdr),
                               AT_PHNUM,
                               image.header_count,
                               AT_BASE,
                               where.loader_base,
                               AT_FLAGS,
                               0,
                               AT_ENTRY,
                               image.info.entry + where.slide,
                               AT_UID,
                               guest_id,
                               AT_EUID,
                               guest_id,
                               AT_GID,
                               guest_id,
                               AT_EGID,
                               guest_id,
                               AT_SECURE,
                               0,
                               AT_RANDOM,
                               random_va,
                               AT_EXECFN,
                               name_va,
                               AT_PLATFORM,
                               platform_va,
                               AT_HWCAP2,
                               o.fsgsbase ? 2U : 0U,
                               static_cast<std::uint64_t>(at_rseq_minimum),
                               xsave + 1024};
  if (image.headers) v.insert(v.end(), {AT_PHDR, image.headers + where.slide});
  if (o.clock_page) v.insert(v.end(), {AT_SYSINFO_EHDR, vdso_base + page_size});
  v.insert(v.end(), {AT_NULL, 0});
  return v;
}

result<std::uint64_t> build_stack(address_space& memory, const detail::image_data& image,
                                  const addresses& where, const process_options& o,
                                  std::vector<std::uint64_t>& aux) {
  const std::uint64_t top = stack_highest - random_below(2048) * page_size;
  if (memory.map({.address = top - stack_size,
                  .size = stack_size,
                  .protection = PROT_READ | PROT_WRITE,
                  .fixed = true,
                  .grows_down = true,
                  .name = "[stack]"}) < 0) {
    return no_memory("the stack");
  }
  string_block strings;
  for (const auto& s : o.arguments) strings.add(s);
  for (const auto& s : o.environment) strings.add(s);
  strings.add(o.called.empty() ? o.executable : o.called);
  strings.add("x86_64");
  if (strings.bytes.size() > max_argument_bytes) return error(errc::arguments_too_long);
  std::array<char, 16> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
    return errno_error("getrandom");

  stack_builder stack(top - 8);  // the last word stays zero, as on Linux
  const std::uint64_t strings_va = stack.push_bytes(strings.bytes.data(), strings.bytes.size());
  const std::uint64_t random_va = stack.push_bytes(random.data(), random.size());
  const auto at = [&](std::size_t i) { return strings_va + strings.offsets[i]; };
  const std::size_t names = o.arguments.size() + o.environment.size();
  aux = auxiliary_vector(image, where, o, random_va, at(names), at(names + 1));

  std::vector<std::uint64_t> words{o.arguments.size()};
  for (std::size_t i = 0; i < o.arguments.size(); ++i) words.push_back(at(i));
  words.push_back(0);
  for (std::size_t i = o.arguments.size(); i < names; ++i) words.push_back(at(i));
  words.push_back(0);
  words.insert(words.end(), aux.begin(), aux.end());
  // RSP is 16-byte aligned at entry.
  const std::uint64_t lowest = stack.address() - words.size() * 8;
  const std::string padding(lowest % 16, '\0');
  stack.push_bytes(padding.data(), padding.size());
  const std::uint64_t rsp = stack.push_bytes(words.data(), words.size() * 8);
  if (!memory.poke(rsp, stack.bytes().data(), stack.bytes().size())) return no_memory("the stack");
  return rsp;
}

}  // namespace

clock_page* map_vdso(address_space& memory) {
  std::byte* clock = memory.map_special(vdso_base, page_size, PROT_READ, "[vvar]");
  std::byte* code = memory.map_special(vdso_base + page_size, page_size, PROT_READ | PROT_EXEC, "[vdso]");
  if (!clock || !code) return nullptr;
  const auto image = vdso_image();
  std::memcpy(code, image.data(), std::min<std::size_t>(image.size(), page_size));
  return reinterpret_cast<clock_page*>(clock);
}

result<process_start> set_up_process(address_space& memory, const detail::image_data& image,
                                     const process_options& o) {
  process_start start;
  memory.name_image(o.executable);
  memory.set_map_top(mmap_limit - random_below(map_random_pages) * page_size);
  addresses where;
  OSVM_TRY(where.slide, load_image(memory, image));
  start.regs.rip = image.info.entry + where.slide;
  if (o.clock_page) {
    start.clock = map_vdso(memory);
    if (!start.clock) return no_memory("the vDSO");
  }
  if (o.loader) {
    OSVM_TRY(const mapped_loader loader, map_loader(memory, *o.loader));
    where.loader_base = loader.base;
    start.regs.rip = loader.entry;
  }
  OSVM_TRY(start.regs.rsp, build_stack(memory, image, where, o, start.auxiliary));
  start.regs.rflags = kvm::rflags::user_fixed;
  return start;
}

}  // namespace osvm::unikernel
