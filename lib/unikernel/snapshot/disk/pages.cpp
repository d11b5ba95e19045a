// Writing a template's file, and reading one into memory files of its own.
#include "unikernel/snapshot/disk/template_file.hpp"

#include <osvm/core/blake3.hpp>
#include <osvm/core/mapping.hpp>
#include <osvm/unikernel/error.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>

namespace osvm::unikernel {
namespace {

constexpr std::size_t piece = std::size_t{1} << 20;  // read, hashed and written while it is in the cache

std::span<const std::byte> bytes_of(const void* data, std::size_t size) {
  return {static_cast<const std::byte*>(data), size};
}

digest finished(const blake3& hash) {
  digest out{};
  hash.finish(out);
  return out;
}

bool write_at(int fd, const void* data, std::size_t size, std::uint64_t offset) {
  const auto* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::pwrite(fd, from, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = ENOSPC;
    if (n <= 0) return false;
    from += n;
    offset += static_cast<std::uint64_t>(n);
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

// False with errno 0: the file ends early.
bool read_at(int fd, void* data, std::size_t size, std::uint64_t offset) {
  auto* to = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t n = ::pread(fd, to, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = 0;
    if (n <= 0) return false;
    to += n;
    offset += static_cast<std::uint64_t>(n);
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

error read_failed(const char* what) {
  return errno == 0 ? bad_template(std::string("it ends before its ") + what + " do")
                    : errno_error("reading a template");
}

// Appends a memory file to the template's. Returns its digest.
result<digest> copy_out(int to, std::uint64_t offset, int from, std::uint64_t size) {
  blake3 hash;
  std::vector<char> bytes(std::min<std::uint64_t>(size, piece));
  for (std::uint64_t done = 0; done < size;) {
    const std::size_t n = std::min<std::uint64_t>(size - done, piece);
    if (!read_at(from, bytes.data(), n, done)) return errno_error("reading a template's memory");
    hash.update(bytes_of(bytes.data(), n));
    if (!write_at(to, bytes.data(), n, offset + done)) return errno_error("writing a template");
    done += n;
  }
  return finished(hash);
}

// A sealed memory file with a part of the template's, which must have this digest.
result<unique_fd> copy_in(int from, std::uint64_t offset, std::uint64_t size, const digest& wanted,
                          const char* what) {
  unique_fd file(::memfd_create("osvm-template", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(size)) != 0)
    return errno_error("memory of a template");
  blake3 hash;
  if (size > 0) {
    void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file.get(), 0);
    if (at == MAP_FAILED) return errno_error("memory of a template");
    const mapping memory(at, size);  // gone before the file is sealed
    for (std::uint64_t done = 0; done < size;) {
      const std::size_t n = std::min<std::uint64_t>(size - done, piece);
      if (!read_at(from, memory.data() + done, n, offset + done)) return read_failed(what);
      hash.update(bytes_of(memory.data() + done, n));
      done += n;
    }
  }
  if (finished(hash) != wanted) return bad_template(std::string("its ") + what + " are damaged");
  constexpr int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (::fcntl(file.get(), F_ADD_SEALS, seals) != 0) return errno_error("sealing the memory of a template");
  return file;
}

// Names of mappings are static storage: a file says which one.
const char* static_name(const std::string& name) {
  for (const char* known : {"", "[heap]", "[stack]", "/dev/zero (deleted)"})
    if (name == known) return known;
  return name == "/" ? nullptr : "";
}

saved_memory memory_of(template_state& s, unique_fd pages, std::uint64_t size) {
  saved_memory m;
  m.pages = std::move(pages);
  m.bytes = size;
  m.runs = std::move(s.runs);
  m.break_start = s.break_start;
  m.break_end = s.break_end;
  m.map_top = s.map_top;
  m.image_name = s.image_name;
  for (const saved_mapping& one : s.mappings) {
    vma v;
    v.end = one.end;
    v.protection = one.protection;
    v.kind = one.kind;
    v.shared = one.shared;
    v.was_writable = one.was_writable;
    v.grows_down = one.grows_down;
    v.not_forked = one.not_forked;
    v.wiped_by_fork = one.wiped_by_fork;
    v.populated = one.populated;
    v.name = static_name(one.name);
    v.file_offset = one.file_offset;
    m.vmas.emplace_back(one.begin, std::move(v));
    m.file_of.push_back(one.file);
  }
  m.backings = std::move(s.backings);
  return m;
}

}  // namespace

result<void> write_template(int file, const saved_instance& saved) {
  OSVM_TRY(template_state state, describe_template(saved));
  OSVM_TRY(const std::string described, encode_state(state));
  template_header h;
  h.cpu = cpu_fingerprint(saved.facts);
  h.state_size = described.size();
  h.program_at = page_ceil(template_header_size + described.size());
  h.program_size = state.image.file_bytes;
  h.pages_at = page_ceil(h.program_at + h.program_size);
  h.pages_size = saved.memory.bytes;
  h.state = blake3_hash(bytes_of(described.data(), described.size()));
  OSVM_TRY(h.program, copy_out(file, h.program_at, saved.program.data()->memory.get(), h.program_size));
  OSVM_TRY(h.pages, copy_out(file, h.pages_at, saved.memory.pages.get(), h.pages_size));
  const std::string head = encode_header(h);
  // The head comes last: a file without it is none.
  if (!write_at(file, described.data(), described.size(), template_header_size) ||
      ::ftruncate(file, static_cast<off_t>(h.pages_at + h.pages_size)) != 0 ||
      !write_at(file, head.data(), head.size(), 0))
    return errno_error("writing a template");
  return {};
}

result<std::shared_ptr<const saved_instance>> read_template(int file, const kvm::host_facts& facts) {
  struct stat st {};
  if (::fstat(file, &st) != 0) return errno_error("reading a template");
  if (!S_ISREG(st.st_mode)) return bad_template("it is no regular file");
  std::string head(template_header_size, '\0');
  if (!read_at(file, head.data(), head.size(), 0)) return read_failed("header");
  OSVM_TRY(const template_header h, decode_header(head));
  if (static_cast<std::uint64_t>(st.st_size) != h.pages_at + h.pages_size)
    return bad_template("its length is not what its header says: it was cut off, or something follows it");
  if (h.cpu != cpu_fingerprint(facts))
    return bad_template("it was made on another kind of CPU, which the guest has seen");
  std::string described(h.state_size, '\0');
  if (!read_at(file, described.data(), described.size(), template_header_size))
    return read_failed("description");
  if (blake3_hash(bytes_of(described.data(), described.size())) != h.state)
    return bad_template("its description is damaged");
  OSVM_TRY(template_state state, decode_state(described));
  OSVM_CHECK(check_state(state, h.pages_size, h.program_size));
  auto image = std::make_shared<detail::image_data>(std::move(state.image));
  OSVM_TRY(image->memory, copy_in(file, h.program_at, h.program_size, h.program, "program's bytes"));
  OSVM_TRY(unique_fd pages, copy_in(file, h.pages_at, h.pages_size, h.pages, "pages"));
  auto out = std::make_shared<saved_instance>(saved_instance{
      .program = unikernel::image::of(std::move(image)), .options = state.options, .facts = facts});
  out->memory = memory_of(state, std::move(pages), h.pages_size);
  out->process = std::move(state.process);
  out->next_id = state.next_id;
  return std::shared_ptr<const saved_instance>(std::move(out));
}

}  // namespace osvm::unikernel
