#include <algorithm>

#include "instructions/parser.hpp"

namespace osvm::solana {

parsed_info& parsed_info::account(std::string_view name, std::size_t index) {
  const auto* k = account_at(index);
  if (!k) return fail(), *this;
  std::string json;
  json.reserve(48);  // an address and its quotes
  json_writer(json).base58(*k);
  return raw(name, std::move(json));
}

parsed_info& parsed_info::text(std::string_view name, std::string_view value) {
  std::string json;
  json.reserve(value.size() + 2);
  json_writer(json).string(value);
  return raw(name, std::move(json));
}

parsed_info& parsed_info::account_list(std::string_view name, std::size_t from) {
  std::string json;
  json_writer out(json);
  out.begin_array();
  for (std::size_t i = from; i < in_.accounts.size(); ++i) {
    const auto* k = account_at(i);
    if (!k) return fail(), *this;
    out.base58(*k);
  }
  out.end_array();
  return raw(name, std::move(json));
}

std::string parsed_info::json() {
  if (!whole.empty()) return whole;
  std::ranges::sort(fields_);
  std::string text;
  json_writer out(text);
  out.begin_object();
  out.key("info");
  out.begin_object();
  for (const auto& [name, value] : fields_) {
    out.key(name);
    out.raw(value);
  }
  out.end_object();
  out.field("type", std::string_view(type));
  out.end_object();
  return text;
}

const instruction_parser* find_instruction_parser(const pubkey& program) noexcept {
  for (const auto* p : all_instruction_parsers())
    for (const auto* id : p->programs)
      if (id && *id == program) return p;
  return nullptr;
}

bool parse_instruction(const instruction_parser& parser, const instruction_args& in, std::string& json) {
  parsed_info out(in);
  for (const auto a : in.accounts)
    if (a >= in.keys.size()) return false;
  parser.parse(in, out);
  if (!out.ok()) return false;
  json = out.json();
  return true;
}

std::string ui_amount_string(std::string_view amount, unsigned decimals) {
  std::string s(amount);
  if (decimals == 0 || decimals > 255) return s;
  if (s.size() <= decimals) s.insert(0, decimals + 1 - s.size(), '0');
  s.insert(s.size() - decimals, 1, '.');
  while (s.back() == '0') s.pop_back();
  if (s.back() == '.') s.pop_back();
  return s;
}

std::string ui_amount_json(std::uint64_t amount, std::uint8_t decimals) {
  std::string text;
  json_writer out(text);
  const auto digits = std::to_string(amount);
  out.begin_object();
  out.field("amount", std::string_view(digits));
  out.field("decimals", decimals);
  out.key("uiAmount");
  if (decimals <= 19) {  // ten to that power is a 64-bit number
    std::uint64_t power = 1;
    for (int i = 0; i < decimals; ++i) power *= 10;
    out.number(static_cast<double>(amount) / static_cast<double>(power));
  } else {
    out.null();
  }
  out.field("uiAmountString", std::string_view(ui_amount_string(digits, decimals)));
  out.end_object();
  return text;
}

}  // namespace osvm::solana
