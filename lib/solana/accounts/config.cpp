// The config program's accounts: keys, then what they vouch for. Validators decode those of validator-info,
// whose text is JSON itself.
#include <osvm/core/text.hpp>

#include <boost/json/parse.hpp>

#include <algorithm>

#include "parser.hpp"

namespace osvm::solana {
namespace {

constexpr pubkey validator_info = programs::detail::address("Va1idator1nfo111111111111111111111111111111");

// With sorted keys and numbers as serde_json prints them.
void write_sorted(json_writer& out, const boost::json::value& v) {
  if (const auto* o = v.if_object()) {
    std::vector<const boost::json::object::value_type*> fields;
    for (const auto& f : *o) fields.push_back(&f);
    std::ranges::sort(fields, {}, [](const auto* f) { return std::string_view(f->key()); });
    out.begin_object();
    for (const auto* f : fields) {
      out.string(f->key());
      out.text().push_back(':');
      std::string inner;
      json_writer w(inner);
      write_sorted(w, f->value());
      out.text() += inner;
    }
    out.end_object();
  } else if (const auto* a = v.if_array()) {
    out.begin_array();
    for (const auto& e : *a) write_sorted(out, e);
    out.end_array();
  } else if (v.is_string()) {
    out.string(v.get_string());
  } else if (v.is_double()) {
    out.number(v.get_double());
  } else if (v.is_int64()) {
    out.number(std::int64_t{v.get_int64()});
  } else if (v.is_uint64()) {
    out.number(std::uint64_t{v.get_uint64()});
  } else if (v.is_bool()) {
    out.boolean(v.get_bool());
  } else {
    out.null();
  }
}

struct signed_key {
  pubkey key;
  bool signer = false;
};

std::uint64_t compact_u16(argument_reader& args) {
  std::uint64_t v = 0;
  for (unsigned shift = 0; shift < 21; shift += 7) {
    const auto b = args.number<std::uint8_t>();
    v |= std::uint64_t{b & 0x7fU} << shift;
    if (b < 0x80) {
      if (v > 0xffff || (b == 0 && shift)) args.fail();
      return v;
    }
  }
  args.fail();
  return 0;
}

std::vector<signed_key> read_keys(argument_reader& args) {
  std::vector<signed_key> keys;
  for (auto n = compact_u16(args); n-- && args.ok();) {
    const auto key = args.key();
    keys.push_back({key, args.boolean()});
  }
  return keys;
}

bool write_validator_info(json_writer& out, const std::vector<signed_key>& keys, std::string_view text) {
  if (utf8_prefix(text) != text.size()) return false;
  boost::system::error_code failed;
  const auto value = boost::json::parse({text.data(), text.size()}, failed);
  if (failed) return false;
  write_typed(out, "validatorInfo", [&] {
    out.begin_object();
    out.key("configData");
    write_sorted(out, value);
    out.key("keys");
    out.begin_array();
    for (const auto& k : keys) {
      out.begin_object();
      out.field("pubkey", k.key);
      out.field("signer", k.signer);
      out.end_object();
    }
    out.end_array();
    out.end_object();
  });
  return true;
}

bool parse_config(const account_args& in, json_writer& out) {
  argument_reader args(in.data);
  const auto keys = read_keys(args);
  if (in.context.release == account_release::agave_3 && in.address == programs::stake_config) {
    const auto rate = args.number<double>();
    const auto penalty = args.number<std::uint8_t>();
    write_typed(out, "stakeConfig", [&] {
      out.begin_object();
      out.field("slashPenalty", penalty);
      out.field("warmupCooldownRate", rate);
      out.end_object();
    });
    return args.ok();
  }
  if (!args.ok() || keys.empty() || keys[0].key != validator_info) return false;
  const auto text = args.string();
  return args.ok() && write_validator_info(out, keys, text);
}

}  // namespace

extern const account_parser config_account;
const account_parser config_account{&programs::config, "config", parse_config};

}  // namespace osvm::solana
