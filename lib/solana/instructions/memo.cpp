#include <osvm/core/text.hpp>

#include "parser.hpp"

namespace osvm::solana {
namespace {

void parse_memo(const instruction_args& in, parsed_info& out) {
  const std::string_view text(reinterpret_cast<const char*>(in.data.data()), in.data.size());
  if (utf8_prefix(text) != text.size()) return out.fail();
  out.type = "memo";
  json_writer(out.whole).string(text);
}

}  // namespace

extern const instruction_parser memo_parser;
const instruction_parser memo_parser{
    {&programs::memo_v1, &programs::memo_v3, &programs::memo_v4}, "spl-memo", parse_memo};

}  // namespace osvm::solana
