#include "unikernel/debug/register_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <tuple>
#include <utility>
#include <vector>

namespace osvm::unikernel {
namespace {

constexpr std::uint64_t avx_feature = 4;
constexpr std::size_t xstate_header = 512;
constexpr std::size_t avx_offset = 576;  // of the upper halves in the standard XSAVE form

// Where a register lies: in the general ones, in the extended state, or nowhere (a constant).
struct place {
  std::string name;
  std::size_t bits = 64;
  const char* type = "int64";
  const char* group = nullptr;
  std::uint64_t kvm::registers::*general = nullptr;
  std::uint64_t saved_thread::*base = nullptr;
  std::size_t extended = 0, extended_size = 0;  // offset and bytes in the XSAVE area; 0: not there
  std::uint64_t constant = 0;

  std::size_t size() const noexcept { return bits / 8; }
};

using feature = std::pair<const char*, std::vector<place>>;

std::vector<place> core_registers() {
  using r = kvm::registers;
  const std::pair<const char*, std::uint64_t r::*> general[] = {
      {"rax", &r::rax}, {"rbx", &r::rbx}, {"rcx", &r::rcx}, {"rdx", &r::rdx},
      {"rsi", &r::rsi}, {"rdi", &r::rdi}, {"rbp", &r::rbp}, {"rsp", &r::rsp},
      {"r8", &r::r8},   {"r9", &r::r9},   {"r10", &r::r10}, {"r11", &r::r11},
      {"r12", &r::r12}, {"r13", &r::r13}, {"r14", &r::r14}, {"r15", &r::r15}};
  std::vector<place> all;
  for (const auto& [name, member] : general) {
    const bool points = member == &r::rsp || member == &r::rbp;
    all.push_back({.name = name, .type = points ? "data_ptr" : "int64", .general = member});
  }
  all.push_back({.name = "rip", .type = "code_ptr", .general = &r::rip});
  all.push_back({.name = "eflags", .bits = 32, .type = "i386_eflags", .general = &r::rflags});
  const std::pair<const char*, std::uint64_t> segments[] = {{"cs", 0x33}, {"ss", 0x2b}, {"ds", 0},
                                                            {"es", 0},    {"fs", 0},    {"gs", 0}};
  for (const auto& [name, value] : segments)
    all.push_back({.name = name, .bits = 32, .type = "int32", .constant = value});
  for (unsigned n = 0; n < 8; ++n)
    all.push_back({.name = fmt::format("st{}", n),
                   .bits = 80,
                   .type = "i387_ext",
                   .extended = 32 + n * 16U,
                   .extended_size = 10});
  // The XSAVE area has the 64-bit form of the instruction and data pointers: their halves.
  const std::tuple<const char*, std::size_t, std::size_t> control[] = {
      {"fctrl", 0, 2}, {"fstat", 2, 2},  {"ftag", 4, 1},   {"fiseg", 12, 2},
      {"fioff", 8, 4}, {"foseg", 20, 2}, {"fooff", 16, 4}, {"fop", 6, 2}};
  for (const auto& [name, offset, size] : control) {
    place p{.name = name, .bits = 32, .type = "int", .group = "float"};
    // FCW lies at offset 0, which else says "not there".
    p.extended = offset == 0 ? xstate_capacity : offset;
    p.extended_size = size;
    all.push_back(std::move(p));
  }
  return all;
}

std::vector<place> sse_registers() {
  std::vector<place> all;
  for (unsigned n = 0; n < 16; ++n)
    all.push_back({.name = fmt::format("xmm{}", n),
                   .bits = 128,
                   .type = "vec128",
                   .extended = 160 + n * 16U,
                   .extended_size = 16});
  all.push_back({.name = "mxcsr",
                 .bits = 32,
                 .type = "i386_mxcsr",
                 .group = "vector",
                 .extended = 24,
                 .extended_size = 4});
  return all;
}

std::vector<feature> features(const xstate_layout& layout) {
  std::vector<feature> all;
  all.emplace_back("org.gnu.gdb.i386.core", core_registers());
  all.emplace_back("org.gnu.gdb.i386.sse", sse_registers());
  // Without this one gdb does not take the target for a Linux program. We are never inside a call.
  all.emplace_back("org.gnu.gdb.i386.linux",
                   std::vector<place>{{.name = "orig_rax", .type = "int", .constant = ~std::uint64_t{0}}});
  all.emplace_back("org.gnu.gdb.i386.segments",
                   std::vector<place>{{.name = "fs_base", .type = "int", .base = &saved_thread::fs_base},
                                      {.name = "gs_base", .type = "int", .base = &saved_thread::gs_base}});
  if (layout.features & avx_feature) {
    std::vector<place> upper;
    for (unsigned n = 0; n < 16; ++n)
      upper.push_back({.name = fmt::format("ymm{}h", n),
                       .bits = 128,
                       .type = "uint128",
                       .extended = avx_offset + n * 16U,
                       .extended_size = 16});
    all.emplace_back("org.gnu.gdb.i386.avx", std::move(upper));
  }
  return all;
}

std::vector<place> all_places(const xstate_layout& layout) {
  std::vector<place> all;
  for (auto& [name, places] : features(layout))
    all.insert(all.end(), std::make_move_iterator(places.begin()), std::make_move_iterator(places.end()));
  return all;
}

std::size_t offset_of(const place& p) noexcept {
  return p.extended == xstate_capacity ? 0 : p.extended;
}

std::string value_of(const place& p, const saved_thread& t) {
  std::string out(p.size(), '\0');
  std::uint64_t number = p.constant;
  if (p.general) number = t.user.*p.general;
  if (p.base) number = t.*p.base;
  if (p.extended) {
    std::memcpy(out.data(), t.xstate.data() + offset_of(p), p.extended_size);
  } else {
    std::memcpy(out.data(), &number, std::min(out.size(), sizeof number));
  }
  return out;
}

void set_value(const place& p, saved_thread& t, std::string_view bytes) {
  std::uint64_t number = 0;
  if (p.size() <= sizeof number) std::memcpy(&number, bytes.data(), p.size());
  if (p.general) t.user.*p.general = number;
  if (p.base) t.*p.base = number;
  if (!p.extended) return;
  std::memcpy(t.xstate.data() + offset_of(p), bytes.data(), p.extended_size);
  // What XSTATE_BV leaves out is in its initial state, whatever the area holds.
  std::uint64_t parts = 0;
  std::memcpy(&parts, t.xstate.data() + xstate_header, sizeof parts);
  parts |= offset_of(p) >= avx_offset ? avx_feature : 3;
  std::memcpy(t.xstate.data() + xstate_header, &parts, sizeof parts);
}

}  // namespace

std::string register_description(const xstate_layout& layout) {
  std::string out =
      "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
      "<architecture>i386:x86-64</architecture><osabi>GNU/Linux</osabi>";
  for (const auto& [name, places] : features(layout)) {
    out += fmt::format("<feature name=\"{}\">", name);
    if (name == std::string_view("org.gnu.gdb.i386.core")) {
      out +=
          "<flags id=\"i386_eflags\" size=\"4\"><field name=\"CF\" start=\"0\" end=\"0\"/>"
          "<field name=\"PF\" start=\"2\" end=\"2\"/><field name=\"AF\" start=\"4\" end=\"4\"/>"
          "<field name=\"ZF\" start=\"6\" end=\"6\"/><field name=\"SF\" start=\"7\" end=\"7\"/>"
          "<field name=\"TF\" start=\"8\" end=\"8\"/><field name=\"IF\" start=\"9\" end=\"9\"/>"
          "<field name=\"DF\" start=\"10\" end=\"10\"/><field name=\"OF\" start=\"11\" end=\"11\"/></flags>";
    }
    if (name == std::string_view("org.gnu.gdb.i386.sse")) {
      out +=
          "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/><vector id=\"v2d\" type=\"ieee_double\" "
          "count=\"2\"/><vector id=\"v16i8\" type=\"int8\" count=\"16\"/><vector id=\"v8i16\" "
          "type=\"int16\" count=\"8\"/><vector id=\"v4i32\" type=\"int32\" count=\"4\"/><vector "
          "id=\"v2i64\" type=\"int64\" count=\"2\"/><union id=\"vec128\"><field name=\"v4_float\" "
          "type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" "
          "type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" "
          "type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" "
          "type=\"uint128\"/></union><flags id=\"i386_mxcsr\" size=\"4\"><field name=\"IE\" start=\"0\" "
          "end=\"0\"/><field name=\"DE\" start=\"1\" end=\"1\"/><field name=\"ZE\" start=\"2\" "
          "end=\"2\"/><field name=\"OE\" start=\"3\" end=\"3\"/><field name=\"UE\" start=\"4\" "
          "end=\"4\"/><field name=\"PE\" start=\"5\" end=\"5\"/></flags>";
    }
    for (const place& p : places) {
      out += fmt::format("<reg name=\"{}\" bitsize=\"{}\" type=\"{}\"", p.name, p.bits, p.type);
      if (p.group) out += fmt::format(" group=\"{}\"", p.group);
      out += "/>";
    }
    out += "</feature>";
  }
  return out + "</target>";
}

std::string register_bytes(const saved_thread& t, const xstate_layout& layout) {
  std::string out;
  for (const place& p : all_places(layout)) out += value_of(p, t);
  return out;
}

bool set_register_bytes(saved_thread& t, const xstate_layout& layout, std::string_view bytes) {
  for (const place& p : all_places(layout)) {
    if (bytes.empty()) return true;
    if (bytes.size() < p.size()) return false;
    set_value(p, t, bytes.substr(0, p.size()));
    bytes.remove_prefix(p.size());
  }
  return bytes.empty();
}

std::string one_register(const saved_thread& t, const xstate_layout& layout, std::size_t number) {
  const auto all = all_places(layout);
  return number < all.size() ? value_of(all[number], t) : std::string();
}

bool set_one_register(saved_thread& t, const xstate_layout& layout, std::size_t number,
                      std::string_view bytes) {
  const auto all = all_places(layout);
  if (number >= all.size() || bytes.size() != all[number].size()) return false;
  set_value(all[number], t, bytes);
  return true;
}

}  // namespace osvm::unikernel
