#include "unikernel/debug/commands.hpp"

#include "unikernel/debug/packet.hpp"
#include "unikernel/debug/register_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include <sys/stat.h>
#include <unistd.h>

namespace osvm::unikernel {
namespace {

constexpr std::string_view ok = "OK", failed = "E01", no_memory_there = "E0e";
constexpr std::size_t most_memory = max_debug_packet / 2 - 64;  // bytes in one answer, in hexadecimal

// gdb numbers signals in its own way (include/gdb/signals.def); by Linux's number.
constexpr std::array<unsigned char, 32> gdb_signals{0,  1,  2,  3,  4,  5,   6,  10, 8,  9,  30,
                                                    11, 31, 13, 14, 15, 143, 20, 19, 17, 18, 21,
                                                    22, 16, 24, 25, 26, 27,  28, 23, 32, 12};
constexpr unsigned unknown_signal = 143;

unsigned gdb_signal(int linux_number) noexcept {
  if (linux_number < 0 || linux_number >= static_cast<int>(gdb_signals.size())) return unknown_signal;
  return gdb_signals[static_cast<std::size_t>(linux_number)];
}

int linux_signal(std::uint64_t gdb_number) noexcept {
  for (std::size_t n = 1; n < gdb_signals.size(); ++n)
    if (gdb_signals[n] == gdb_number && gdb_number != unknown_signal) return static_cast<int>(n);
  return 0;
}

// Cuts the text before `separator` off; all of it when there is none.
std::string_view cut(std::string_view& text, char separator) {
  const auto at = text.find(separator);
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return head;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

struct range {
  std::uint64_t va = 0, size = 0;
};

std::optional<range> range_of(std::string_view text) {
  const auto va = number_of_hex(cut(text, ',')), size = number_of_hex(text);
  if (!va || !size) return std::nullopt;
  return range{*va, *size};
}

// 0 and -1 mean "any" and "all".
std::optional<int> thread_number(std::string_view text) {
  if (text == "-1") return 0;
  const auto n = number_of_hex(text);
  if (!n || *n > 0x7fffffff) return std::nullopt;
  return static_cast<int>(*n);
}

// A part of a long text, as qXfer answers it: "m" more, "l" the last.
std::string window_of(std::string_view all, std::string_view offset_and_size) {
  const auto r = range_of(offset_and_size);
  if (!r || r->va > all.size()) return std::string(failed);
  const std::size_t size = std::min<std::uint64_t>({r->size, all.size() - r->va, most_memory});
  return (r->va + size < all.size() ? "m" : "l") + std::string(all.substr(r->va, size));
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// What gdb asks for in qXfer:threads, with names.
std::string escaped_xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<' || c == '>' || c == '&' || c == '"' || static_cast<unsigned char>(c) < 0x20) {
      out += '.';
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string debug_commands::stop_reply(const debug_stop& stop) {
  last_ = stop;
  selected_ = stop.tid;
  std::string out = fmt::format("T{:02x}thread:{:x};", stop.signal ? gdb_signal(stop.signal) : 0, stop.tid);
  if (stop.at_breakpoint) out += "swbreak:;";
  if (const auto t = target_.thread(stop.tid)) {
    for (const unsigned number : {6U, 7U, 16U})  // rbp, rsp, rip: what is asked for first
      out += fmt::format("{:02x}:{};", number, to_hex(one_register(*t, target_.layout(), number)));
  }
  return out;
}

std::string debug_commands::end_reply(const exit_report& report) {
  if (report.cause == exit_cause::exited) return fmt::format("W{:02x}", report.status & 0xff);
  return fmt::format("X{:02x}", gdb_signal(report.signal ? report.signal : SIGKILL));
}

std::shared_ptr<const saved_thread> debug_commands::selected() {
  if (selected_ != 0) return target_.thread(selected_);
  const auto all = target_.threads();
  return all.empty() ? nullptr : target_.thread(all.front());
}

std::string debug_commands::thread_list() {
  std::string out = "m";
  for (const int tid : target_.threads()) out += fmt::format("{}{:x}", out.size() > 1 ? "," : "", tid);
  return out;
}

std::string debug_commands::thread_description() {
  std::string out = "<?xml version=\"1.0\"?><threads>";
  for (const int tid : target_.threads())
    out += fmt::format("<thread id=\"{:x}\" name=\"{}\"/>", tid, escaped_xml(target_.thread_name(tid)));
  return out + "</threads>";
}

std::string debug_commands::transfer(std::string_view body) {
  const std::string_view object = cut(body, ':');
  if (!take(body, "read:")) return {};
  const std::string_view annex = cut(body, ':');
  if (object == "features")
    return annex == "target.xml" ? window_of(register_description(target_.layout()), body) : "E00";
  if (object == "threads") return window_of(thread_description(), body);
  if (object == "exec-file") return window_of(target_.executable(), body);
  if (object == "auxv") {
    const auto words = target_.auxiliary();
    return window_of(text_of(std::as_bytes(std::span(words))), body);
  }
  return {};
}

std::string debug_commands::query(std::string_view body) {
  if (body.starts_with("qSupported")) {
    std::string out = fmt::format(
        "PacketSize={:x};QStartNoAckMode+;vContSupported+;swbreak+;qXfer:features:read+;qXfer:auxv:read+;"
        "qXfer:threads:read+",
        max_debug_packet);
    if (!target_.executable().empty()) out += ";qXfer:exec-file:read+";
    return out;
  }
  if (body == "QStartNoAckMode") {
    no_acknowledgements_ = true;
    return std::string(ok);
  }
  if (body == "qC") return fmt::format("QC{:x}", selected_ ? selected_ : target_.pid());
  if (body.starts_with("qAttached")) return "1";
  if (body == "qfThreadInfo") return thread_list();
  if (body == "qsThreadInfo") return "l";
  if (body.starts_with("qSymbol")) return std::string(ok);
  if (take(body, "qThreadExtraInfo,")) {
    const auto tid = thread_number(body);
    return tid ? to_hex(target_.thread_name(*tid)) : std::string(failed);
  }
  if (take(body, "qXfer:")) return transfer(body);
  return {};
}

std::string debug_commands::read_registers() {
  const auto t = selected();
  return t ? to_hex(register_bytes(*t, target_.layout())) : std::string(failed);
}

std::string debug_commands::write_registers(std::string_view text) {
  const auto t = selected();
  const auto bytes = bytes_of_hex(text);
  if (!t || !bytes) return std::string(failed);
  saved_thread now = *t;
  const bool done = set_register_bytes(now, target_.layout(), *bytes) && target_.change_thread(now);
  return std::string(done ? ok : failed);
}

std::string debug_commands::read_register(std::string_view text) {
  const auto t = selected();
  const auto number = number_of_hex(text);
  if (!t || !number) return std::string(failed);
  const std::string value = one_register(*t, target_.layout(), *number);
  return value.empty() ? std::string(failed) : to_hex(value);
}

std::string debug_commands::write_register(std::string_view text) {
  const auto t = selected();
  const auto number = number_of_hex(cut(text, '='));
  const auto bytes = bytes_of_hex(text);
  if (!t || !number || !bytes) return std::string(failed);
  saved_thread now = *t;
  const bool done = set_one_register(now, target_.layout(), *number, *bytes) && target_.change_thread(now);
  return std::string(done ? ok : failed);
}

std::string debug_commands::read_memory(std::string_view text) {
  const auto r = range_of(text);
  if (!r) return std::string(failed);
  std::vector<std::byte> bytes(std::min<std::uint64_t>(r->size, most_memory));
  const std::size_t n = target_.read(r->va, bytes);
  if (n == 0 && !bytes.empty()) return std::string(no_memory_there);
  return to_hex(text_of(std::span(bytes).first(n)));
}

std::string debug_commands::write_memory(std::string_view text, bool binary) {
  const auto r = range_of(cut(text, ':'));
  if (!r) return std::string(failed);
  const auto bytes = binary ? std::optional<std::string>(text) : bytes_of_hex(text);
  if (!bytes || bytes->size() != r->size) return std::string(failed);
  return std::string(target_.write(r->va, bytes_of(*bytes)) ? ok : no_memory_there);
}

std::string debug_commands::breakpoint(std::string_view text, bool set) {
  if (cut(text, ',') != "0") return {};  // watchpoints and hardware breakpoints: gdb steps instead
  const auto r = range_of(cut(text, ';'));
  if (!r) return std::string(failed);
  const bool done = set ? target_.add_breakpoint(r->va) : target_.remove_breakpoint(r->va);
  return std::string(done ? ok : no_memory_there);
}

std::string debug_commands::select_thread(std::string_view text) {
  if (text.empty()) return std::string(failed);
  const bool for_registers = text[0] == 'g';
  const auto tid = thread_number(text.substr(1));
  if (!tid || (*tid != 0 && !target_.thread(*tid))) return std::string(failed);
  if (for_registers) selected_ = *tid;
  return std::string(ok);
}

// vCont;action[:thread]... : the first action that names a thread is its.
debug_answer debug_commands::go_on(std::string_view body) {
  std::vector<debug_resume> how;
  while (!body.empty()) {
    std::string_view one = cut(body, ';');
    const std::string_view action = cut(one, ':');
    const auto tid = one.empty() ? std::optional<int>(0) : thread_number(one);
    if (action.empty() || !tid) return {std::string(failed)};
    const char kind = action[0];
    debug_resume r{.tid = *tid, .step = kind == 's' || kind == 'S'};
    if (kind == 'C' || kind == 'S') {
      const auto number = number_of_hex(action.substr(1));
      if (!number) return {std::string(failed)};
      r.signal = linux_signal(*number);
    } else if (kind != 'c' && kind != 's') {
      return {std::string(failed)};
    }
    how.push_back(r);
  }
  if (how.empty()) return {std::string(failed)};
  target_.resume(how);
  return {std::nullopt, debug_answer::then::runs};
}

// c, s, C, S of debuggers that do not know vCont.
debug_answer debug_commands::go_on_old(std::string_view body) {
  debug_resume r{.step = body[0] == 's' || body[0] == 'S'};
  if (body[0] == 'C' || body[0] == 'S') {
    body.remove_prefix(1);
    const auto number = number_of_hex(cut(body, ';'));
    if (!number) return {std::string(failed)};
    r.signal = linux_signal(*number);
  } else if (body.size() > 1) {
    return {std::string(failed)};  // from another address: gdb sets the register itself
  }
  std::vector<debug_resume> how{r};
  if (r.step || r.signal) {
    how[0].tid = selected_ ? selected_ : target_.pid();
    how.push_back({});
  }
  target_.resume(how);
  return {std::nullopt, debug_answer::then::runs};
}

std::string debug_commands::open_file(std::string_view text) {
  const auto path = bytes_of_hex(cut(text, ','));
  const auto flags = number_of_hex(cut(text, ','));
  if (!path || !flags) return fmt::format("F-1,{:x}", EINVAL);
  if (*flags != 0) return fmt::format("F-1,{:x}", EROFS);
  if (files_.size() >= max_files) return fmt::format("F-1,{:x}", EMFILE);
  const int fd = target_.open_file(*path);
  // gdb's numbers of errors are Linux's for these (gdb manual, "Errno Values").
  if (fd < 0) return fmt::format("F-1,{:x}", -fd == EACCES || -fd == ENOENT ? -fd : ENOENT);
  files_[fd] = unique_fd(fd);
  return fmt::format("F{:x}", fd);
}

std::string debug_commands::read_file(std::string_view text) {
  const auto fd = number_of_hex(cut(text, ','));
  const auto size = number_of_hex(cut(text, ','));
  const auto offset = number_of_hex(text);
  if (!fd || !size || !offset) return fmt::format("F-1,{:x}", EINVAL);
  const auto it = files_.find(static_cast<int>(*fd));
  if (it == files_.end()) return fmt::format("F-1,{:x}", EBADF);
  std::string bytes(std::min<std::uint64_t>(*size, most_memory), '\0');
  const ssize_t n = ::pread(it->second.get(), bytes.data(), bytes.size(), static_cast<off_t>(*offset));
  if (n < 0) return fmt::format("F-1,{:x}", EINVAL);
  bytes.resize(static_cast<std::size_t>(n));
  return fmt::format("F{:x};", n) + bytes;
}

// struct stat of the protocol: thirteen big-endian fields, of which gdb uses the size.
std::string debug_commands::file_status(std::string_view text) {
  const auto fd = number_of_hex(text);
  const auto it = fd ? files_.find(static_cast<int>(*fd)) : files_.end();
  struct stat st {};
  if (it == files_.end() || ::fstat(it->second.get(), &st) != 0) return fmt::format("F-1,{:x}", EBADF);
  std::string out;
  const auto add = [&](std::uint64_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  };
  for (const std::uint64_t word : {std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{st.st_mode},
                                   std::uint64_t{1}, std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{0}})
    add(word, 4);
  for (const auto word : {st.st_size, static_cast<off_t>(st.st_blksize), st.st_blocks})
    add(static_cast<std::uint64_t>(word), 8);
  for (const time_t time : {st.st_atime, st.st_mtime, st.st_ctime}) add(static_cast<std::uint64_t>(time), 4);
  return fmt::format("F{:x};", out.size()) + out;
}

std::string debug_commands::file_request(std::string_view body) {
  const std::string_view what = cut(body, ':');
  if (what == "setfs") return "F0";
  if (what == "open") return open_file(body);
  if (what == "pread") return read_file(body);
  if (what == "fstat") return file_status(body);
  if (what == "close") {
    const auto fd = number_of_hex(body);
    return fd && files_.erase(static_cast<int>(*fd)) ? "F0" : fmt::format("F-1,{:x}", EBADF);
  }
  return {};
}

debug_answer debug_commands::handle(std::string_view body) {
  if (body.empty()) return {std::string()};
  const std::string_view rest = body.substr(1);
  switch (body[0]) {
    case '?': return {stop_reply(last_.tid ? last_ : debug_stop{.tid = target_.pid()})};
    case 'g': return {read_registers()};
    case 'G': return {write_registers(rest)};
    case 'p': return {read_register(rest)};
    case 'P': return {write_register(rest)};
    case 'm': return {read_memory(rest)};
    case 'M': return {write_memory(rest, false)};
    case 'X': return {write_memory(rest, true)};
    case 'Z': return {breakpoint(rest, true)};
    case 'z': return {breakpoint(rest, false)};
    case 'H': return {select_thread(rest)};
    case 'T': {
      const auto tid = thread_number(rest);
      return {std::string(tid && target_.thread(*tid) ? ok : failed)};
    }
    case 'c':
    case 'C':
    case 's':
    case 'S': return go_on_old(body);
    case 'D': return {std::string(ok), debug_answer::then::detaches};
    case 'k': target_.kill(); return {std::nullopt, debug_answer::then::detaches};
    case 'q':
    case 'Q': return {query(body)};
    default: break;
  }
  if (body == "vCont?") return {"vCont;c;C;s;S"};
  if (take(body, "vCont;")) return go_on(body);
  if (take(body, "vFile:")) return {file_request(body)};
  if (body.starts_with("vKill")) {
    target_.kill();
    return {std::string(ok), debug_answer::then::detaches};
  }
  return {std::string()};
}

}  // namespace osvm::unikernel
