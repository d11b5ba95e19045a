// What an account decoder is: one file here defines one `const account_parser <file>_account`; CMake gathers
// them. A decoder writes the value of "parsed"; when it gives false, what it wrote is dropped. Keys are
// written in alphabetical order, as serde_json's maps are.
#pragma once

#include <osvm/solana/account.hpp>
#include <osvm/solana/programs.hpp>

#include <array>
#include <span>

#include "../argument_reader.hpp"

namespace osvm::solana {

struct account_args {
  const pubkey& address;
  bytes_view data;
  const account_context& context;
};

struct account_parser {
  const pubkey* owner;
  std::string_view name;  // as "program" says it
  bool (*parse)(const account_args& in, json_writer& out);
};

std::span<const account_parser* const> all_account_parsers() noexcept;  // generated
// Those that validators do not have: ../more/accounts. Generated.
std::span<const account_parser* const> more_account_parsers() noexcept;

// {"info":{…},"type":…}; `info` writes fields or a whole value.
template <class Info>
void write_typed(json_writer& out, std::string_view type, Info&& info) {
  out.begin_object();
  out.key("info");
  info();
  out.field("type", type);
  out.end_object();
}
inline bool write_type_alone(json_writer& out, std::string_view type) {
  out.begin_object();
  out.field("type", type);
  out.end_object();
  return true;
}
// A number as text, as amounts are.
template <class T>
void digits(json_writer& out, std::string_view name, T v) {
  out.key(name);
  out.plain(std::to_string(v));
}
template <class T>
void or_null(json_writer& out, std::string_view name, const std::optional<T>& v) {
  out.key(name);
  if (!v) return out.null();
  if constexpr (std::is_arithmetic_v<T>)
    out.number(v.value());
  else
    out.base58(*v);
}
inline void base64_pair(json_writer& out, std::string_view name, bytes_view data) {
  out.key(name);
  out.begin_array();
  out.base64(data);
  out.plain("base64");
  out.end_array();
}

bool parse_token_account(const account_args& in, json_writer& out);
// The array of "extensions", with its key, when `tlv` has any; `is_mint` or else a holding's.
void write_token_extensions(json_writer& out, bytes_view tlv, bool is_mint);
// The value of the first extension of that number.
std::optional<bytes_view> find_token_extension(bytes_view tlv, std::uint16_t number) noexcept;

}  // namespace osvm::solana
