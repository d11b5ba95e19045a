// What an instruction parser is: one file here defines one `const instruction_parser <file>_parser`; CMake
// gathers them. Shapes and names follow anza-xyz/agave `transaction-status/src/parse_*.rs`.
#pragma once

#include <osvm/solana/encode.hpp>
#include <osvm/solana/programs.hpp>

#include <array>
#include <span>
#include <string>
#include <vector>

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

// Reads bincode and the tight forms of the token programs; after a failure everything reads as zero.
class argument_reader {
 public:
  explicit argument_reader(bytes_view data) noexcept : data_(data) {}
  template <class T>
  T number() noexcept {
    T v{};
    if (const auto b = take(sizeof(T)); b.size() == sizeof(T)) std::memcpy(&v, b.data(), sizeof(T));
    return v;
  }
  template <class T = pubkey>
  T key() noexcept {
    T out;
    if (const auto b = take(T::size); b.size() == T::size) std::memcpy(out.bytes.data(), b.data(), T::size);
    return out;
  }
  std::string_view string() noexcept {  // u64 length
    const auto b = take(number<std::uint64_t>());
    return {reinterpret_cast<const char*>(b.data()), b.size()};
  }
  template <class T>
  std::optional<T> option() noexcept {
    const auto tag = number<std::uint8_t>();
    if (tag > 1) ok_ = false;
    if (tag != 1) return std::nullopt;
    if constexpr (std::is_arithmetic_v<T>)
      return number<T>();
    else
      return key<T>();
  }
  std::uint64_t varint() noexcept {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto b = number<std::uint8_t>();
      v |= std::uint64_t{b & 0x7fU} << shift;
      if (b < 0x80) return v;
    }
    ok_ = false;
    return 0;
  }
  bytes_view take(std::uint64_t n) noexcept {
    if (n > data_.size()) return ok_ = false, data_ = {}, bytes_view{};
    const auto out = data_.first(n);
    data_ = data_.subspan(n);
    return out;
  }
  bytes_view rest() const noexcept { return data_; }
  bool ok() const noexcept { return ok_; }

 private:
  bytes_view data_;
  bool ok_ = true;
};

struct instruction_parser {
  std::array<const pubkey*, 2> programs;
  std::string_view name;  // as "program" says it
  void (*parse)(const instruction_args& in, parsed_info& out);
};

std::span<const instruction_parser* const> all_instruction_parsers() noexcept;  // generated
const instruction_parser* find_instruction_parser(const pubkey& program) noexcept;
// False when the instruction is none that the parser knows; `json` gets the value of "parsed".
bool parse_instruction(const instruction_parser& parser, const instruction_args& in, std::string& json);

// Token amounts as people read them. 1500, 3 -> "1.5".
std::string ui_amount_string(std::string_view amount, unsigned decimals);
// {"amount","decimals","uiAmount","uiAmountString"}
std::string ui_amount_json(std::uint64_t amount, std::uint8_t decimals);

}  // namespace osvm::solana
