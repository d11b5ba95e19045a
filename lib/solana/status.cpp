#include <osvm/solana/status.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "status_names.hpp"

namespace osvm::solana {
namespace {

bool names_index(std::uint32_t kind) {
  return kind == transaction_error::instruction_error || kind == transaction_error::duplicate_instruction ||
         kind == transaction_error::rent || kind == transaction_error::restricted;
}

template <std::size_t N>
std::optional<std::uint32_t> find_name(const status_name (&table)[N], std::string_view name) noexcept {
  const auto* at = std::ranges::find(table, name, &status_name::name);
  if (at == std::end(table)) return std::nullopt;
  return static_cast<std::uint32_t>(at - std::begin(table));
}

std::string instruction_text(const transaction_error& e) {
  const std::string text(instruction_errors[e.instruction_kind].text);
  return e.instruction_kind == transaction_error::custom_error ? text + fmt::format("{:#x}", e.custom) : text;
}

void write_instruction_error(json_writer& out, const transaction_error& e) {
  const auto name = instruction_errors[e.instruction_kind].name;
  if (e.instruction_kind == transaction_error::custom_error) {
    out.begin_object();
    out.field(name, e.custom);
    out.end_object();
  } else if (e.instruction_kind == transaction_error::borsh_io_error) {
    out.begin_object();  // it carried a text once; clients still expect the shape
    out.field(name, e.text.empty() ? std::string_view("Unknown") : std::string_view(e.text));
    out.end_object();
  } else {
    out.plain(name);
  }
}

}  // namespace

result<transaction_error> parse_transaction_error(bytes_view bincode) {
  byte_reader in(bincode);
  return read_transaction_error(in);
}

result<transaction_error> read_transaction_error(byte_reader& in) {
  transaction_error out;
  OSVM_TRY(out.kind, in.read<std::uint32_t>());
  if (out.kind >= std::size(transaction_errors))
    return error(osvm::errc::malformed, "unknown transaction error " + std::to_string(out.kind));
  if (names_index(out.kind)) {
    OSVM_TRY(out.index, in.read<std::uint8_t>());
  }
  if (out.kind != transaction_error::instruction_error) return out;
  OSVM_TRY(out.instruction_kind, in.read<std::uint32_t>());
  if (out.instruction_kind >= std::size(instruction_errors))
    return error(osvm::errc::malformed, "unknown instruction error " + std::to_string(out.instruction_kind));
  if (out.instruction_kind == transaction_error::custom_error) {
    OSVM_TRY(out.custom, in.read<std::uint32_t>());
  } else if (out.instruction_kind == transaction_error::borsh_io_error && in.remaining() >= 8) {
    OSVM_TRY(const auto length, in.read<std::uint64_t>());
    OSVM_TRY(const auto text, in.take(length));
    out.text.assign(reinterpret_cast<const char*>(text.data()), text.size());
  }
  return out;
}

std::string encode_transaction_error(const transaction_error& e) {
  std::string out;
  auto u32 = [&](std::uint32_t v) { out.append(reinterpret_cast<const char*>(&v), 4); };
  u32(e.kind);
  if (names_index(e.kind)) out.push_back(static_cast<char>(e.index));
  if (e.kind != transaction_error::instruction_error) return out;
  u32(e.instruction_kind);
  if (e.instruction_kind == transaction_error::custom_error) u32(e.custom);
  if (e.instruction_kind == transaction_error::borsh_io_error && !e.text.empty()) {
    const std::uint64_t length = e.text.size();
    out.append(reinterpret_cast<const char*>(&length), 8);
    out += e.text;
  }
  return out;
}

void write_json(json_writer& out, const transaction_error& e) {
  const auto name = transaction_errors[e.kind].name;
  if (!names_index(e.kind)) {
    out.plain(name);
    return;
  }
  out.begin_object();
  out.key(name);
  if (e.kind == transaction_error::instruction_error) {
    out.begin_array();
    out.number(std::uint64_t{e.index});
    write_instruction_error(out, e);
    out.end_array();
  } else if (e.kind == transaction_error::duplicate_instruction) {
    out.number(std::uint64_t{e.index});
  } else {
    out.begin_object();
    out.field("account_index", e.index);
    out.end_object();
  }
  out.end_object();
}

std::string to_string(const transaction_error& e) {
  std::string text(transaction_errors[e.kind].text);
  auto replace = [&](const std::string& with) {
    if (const auto at = text.find("{}"); at != std::string::npos) text.replace(at, 2, with);
  };
  replace(std::to_string(e.index));
  if (e.kind == transaction_error::instruction_error) replace(instruction_text(e));
  return text;
}

std::optional<std::uint32_t> transaction_error_kind(std::string_view name) noexcept {
  return find_name(transaction_errors, name);
}
std::optional<std::uint32_t> instruction_error_kind(std::string_view name) noexcept {
  return find_name(instruction_errors, name);
}

}  // namespace osvm::solana
