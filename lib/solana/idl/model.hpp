// An interface after parsing: types as trees, names of types resolved to indexes.
#pragma once

#include <osvm/solana/idl.hpp>

#include <boost/json/value.hpp>

#include <string>
#include <vector>

namespace osvm::solana::interface {

enum class kind : std::uint8_t {
  boolean,
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  u64,
  i64,
  f64,
  u128,
  i128,
  u256,
  i256,
  bytes,
  string,
  key,       // 32 bytes
  option,    // a byte, then the value if it is 1
  coption,   // four bytes, then room for the value in any case
  vector,    // u32 count
  array,     // `count` elements
  map,       // u32 count; inner: key, value
  tuple,     // inner: each element
  defined,   // `name`, with `inner` as its generic arguments
  generic,   // `name` of a parameter
  constant,  // as an argument: `count`
};

constexpr std::uint32_t unresolved = ~0U;

struct type {
  kind what = kind::boolean;
  std::vector<type> inner{};
  std::uint64_t count = 0;
  std::string name{};  // for arrays: of the parameter that says how many
  std::uint32_t target = unresolved;
};

struct field {
  std::string name;
  type what;
};

struct field_list {
  std::vector<field> list{};
  bool named = true;
};

struct variant {
  std::string name;
  field_list fields;
};

enum class layout : std::uint8_t {
  packed,   // one after the other: borsh, and what bytemuck checks to be without gaps
  aligned,  // as C lays them out
  custom,   // by code that the interface does not hold
};

struct definition {
  enum class shape : std::uint8_t { structure, enumeration, alias };
  std::string name;
  std::vector<std::string> generics{};
  shape what = shape::structure;
  layout placed = layout::packed;
  std::uint64_t align = 1;  // at least
  field_list fields{};
  std::vector<variant> variants{};
  type alias{};
};

// An account's or event's type behind its discriminator.
struct tagged {
  std::string name;
  std::string discriminator;
  type what;
};

struct account_slot {
  std::string name;  // "group.name" inside groups
  bool optional = false;
};

struct instruction {
  std::string name;
  std::string discriminator;
  std::vector<account_slot> accounts{};
  std::vector<field> arguments{};
};

struct model {
  idl_limits limits;
  idl_summary summary;
  std::vector<definition> definitions{};
  std::vector<tagged> accounts{}, events{};
  std::vector<instruction> instructions{};
  std::vector<idl_error_name> errors{};
};

result<model> read_model(std::string_view json, const idl_limits& limits);
// `text` as JSON; errc::malformed says where it stops being JSON.
result<boost::json::value> read_json(std::string_view text, const idl_limits& limits);

// "swapBaseIn" -> "swap_base_in", as Anchor derives an instruction's name from the interface's.
std::string snake_case(std::string_view name);
// The first 8 bytes of SHA-256("space:name").
std::string anchor_discriminator(std::string_view space, std::string_view name);

// Appends the JSON of the value at the front of `data`; `used` gets how many bytes it took.
result<> write_value(const model& m, const type& t, bytes_view data, std::string& json, std::size_t& used);
result<> write_fields(const model& m, std::span<const field> fields, bytes_view data, std::string& json,
                      std::size_t& used);

}  // namespace osvm::solana::interface
