// What an instruction parser is: one file here defines one `const instruction_parser <file>_parser`; CMake
// gathers them. Shapes and names follow anza-xyz/agave `transaction-status/src/parse_*.rs`.
#pragma once

#include <osvm/solana/encode.hpp>
#include <osvm/solana/programs.hpp>

#include <array>
#include <span>
#include <string>
#include <vector>

#include "../argument_reader.hpp"

namespace osvm::solana {

struct instruction_args {
  std::span<const std::uint8_t> accounts;
  bytes_view data;
  const account_keys& keys;
};

// What a parser found. Fields may be added in any order: they are written sorted, as serde_json's maps are.
class parsed_info {
 public:
  explicit parsed_info(const instruction_args& in) : in_(in) {}

  std::string type;
  // The account at `index`; a missing one makes the whole instruction unparsed.
  parsed_info& account(std::string_view name, std::size_t index);
  parsed_info& text(std::string_view name, std::string_view value);
  template <class T>
  parsed_info& number(std::string_view name, T v) {
    return raw(name, std::to_string(v));
  }
  parsed_info& key(std::string_view name, const pubkey& k) { return text(name, k.to_string()); }
  parsed_info& raw(std::string_view name, std::string json) {
    fields_.emplace_back(name, std::move(json));
    return *this;
  }
  // Accounts `from`.. as an array of addresses.
  parsed_info& account_list(std::string_view name, std::size_t from);

  // False unless there are `n` accounts at least.
  bool need(std::size_t n) {
    ok_ = ok_ && in_.accounts.size() >= n;
    return ok_;
  }
  const pubkey* account_at(std::size_t index) const {
    return index < in_.accounts.size() ? in_.keys.find(in_.accounts[index]) : nullptr;
  }
  std::size_t accounts() const noexcept { return in_.accounts.size(); }
  void fail() noexcept { ok_ = false; }
  bool ok() const noexcept { return ok_ && !type.empty(); }
  // {"info":{…},"type":…}
  std::string json();

  // Instead of the above: the whole value (memos are a text).
  std::string whole;

 private:
  const instruction_args& in_;
  std::vector<std::pair<std::string, std::string>> fields_;
  bool ok_ = true;
};

struct instruction_parser {
  std::array<const pubkey*, 3> programs;
  std::string_view name;  // as "program" says it
  void (*parse)(const instruction_args& in, parsed_info& out);
};

std::span<const instruction_parser* const> all_instruction_parsers() noexcept;  // generated
// Those that validators do not have: ../more/instructions. Generated.
std::span<const instruction_parser* const> more_instruction_parsers() noexcept;
const instruction_parser* find_instruction_parser(const pubkey& program) noexcept;
// False when the instruction is none that the parser knows; `json` gets the value of "parsed".
bool parse_instruction(const instruction_parser& parser, const instruction_args& in, std::string& json);

// Token amounts as people read them. 1500, 3 -> "1.5".
std::string ui_amount_string(std::string_view amount, unsigned decimals);
// {"amount","decimals","uiAmount","uiAmountString"}
std::string ui_amount_json(std::uint64_t amount, std::uint8_t decimals);

}  // namespace osvm::solana
