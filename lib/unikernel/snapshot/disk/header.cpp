// The head of a template's file, and whose CPU it was made on.
#include "unikernel/snapshot/disk/template_file.hpp"

#include <osvm/core/blake3.hpp>
#include <osvm/unikernel/error.hpp>

#include <fmt/format.h>

#include <cstring>
#include <span>

namespace osvm::unikernel {
namespace {

constexpr std::string_view magic("OSVMTPL\n", 8);
constexpr std::size_t sealed_size = template_header_size - sizeof(digest);
constexpr std::uint64_t max_state = std::uint64_t{256} << 20, max_pages = std::uint64_t{1} << 40;

template <class T>
void put(std::string& out, std::size_t at, const T& value) {
  std::memcpy(out.data() + at, &value, sizeof value);
}
template <class T>
void get(std::string_view in, std::size_t at, T& value) {
  std::memcpy(&value, in.data() + at, sizeof value);
}

// Offsets of the fields.
constexpr std::size_t abi_at = 8, size_at = 12, state_size_at = 16, program_at = 24, program_size_at = 32,
                      pages_at = 40, pages_size_at = 48, cpu_at = 56, state_at = 88, program_digest_at = 120,
                      pages_digest_at = 152;

digest hash(std::string_view bytes) {
  return blake3_hash(std::as_bytes(std::span(bytes)));
}

}  // namespace

error bad_template(std::string what) {
  return {errc::bad_template, std::move(what)};
}

std::string encode_header(const template_header& h) {
  std::string out(template_header_size, '\0');
  std::memcpy(out.data(), magic.data(), magic.size());
  put(out, abi_at, h.abi);
  put(out, size_at, static_cast<std::uint32_t>(template_header_size));
  put(out, state_size_at, h.state_size);
  put(out, program_at, h.program_at);
  put(out, program_size_at, h.program_size);
  put(out, pages_at, h.pages_at);
  put(out, pages_size_at, h.pages_size);
  put(out, cpu_at, h.cpu);
  put(out, state_at, h.state);
  put(out, program_digest_at, h.program);
  put(out, pages_digest_at, h.pages);
  put(out, sealed_size, hash(std::string_view(out).substr(0, sealed_size)));
  return out;
}

result<template_header> decode_header(std::string_view bytes) {
  if (bytes.size() < template_header_size || !bytes.starts_with(magic))
    return bad_template("it does not begin as a template does");
  template_header h;
  get(bytes, abi_at, h.abi);
  if (h.abi != template_abi)
    return bad_template(
        fmt::format("it was written as version {}, this library reads version {}", h.abi, template_abi));
  digest sealed{};
  get(bytes, sealed_size, sealed);
  if (sealed != hash(bytes.substr(0, sealed_size))) return bad_template("its header is damaged");
  get(bytes, state_size_at, h.state_size);
  get(bytes, program_at, h.program_at);
  get(bytes, program_size_at, h.program_size);
  get(bytes, pages_at, h.pages_at);
  get(bytes, pages_size_at, h.pages_size);
  get(bytes, cpu_at, h.cpu);
  get(bytes, state_at, h.state);
  get(bytes, program_digest_at, h.program);
  get(bytes, pages_digest_at, h.pages);
  const bool sane = h.state_size <= max_state && h.pages_size <= max_pages && h.program_size <= max_pages &&
                    h.program_at == page_ceil(template_header_size + h.state_size) &&
                    h.pages_at == page_ceil(h.program_at + h.program_size) && h.pages_size % page_size == 0 &&
                    h.program_size % page_size == 0;
  if (!sane) return bad_template("its header contradicts itself");
  return h;
}

// All leaves that a guest sees but for what differs between the processors of one host.
digest cpu_fingerprint(const kvm::host_facts& facts) {
  std::string seen = facts.cpu + '\n';
  if (facts.system) {
    for (kvm::cpuid_entry e : facts.system->cpuid) {
      if (e.function == 1) e.ebx &= 0x00ffffff;  // the initial APIC id
      if (e.function == 0xb || e.function == 0x1f || e.function == 0x8000001e) continue;  // topology
      seen.append(reinterpret_cast<const char*>(&e.function), 7 * sizeof e.function);
    }
    seen.append(reinterpret_cast<const char*>(&facts.system->xcr0), sizeof facts.system->xcr0);
    seen.append(reinterpret_cast<const char*>(&facts.system->xstate_size), sizeof facts.system->xstate_size);
  }
  return hash(seen);
}

}  // namespace osvm::unikernel
