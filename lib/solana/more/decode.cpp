#include "decode.hpp"

#include <osvm/solana/idl.hpp>

#include <vector>

#include "../accounts/parser.hpp"
#include "../instructions/parser.hpp"

namespace osvm::solana {

std::optional<more_decoded> decode_more(const account_args& in, const pubkey& owner) {
  const auto& more = *in.context.more;
  if (const auto described = more.idls ? more.idls->find(owner) : nullptr)
    if (auto json = described->account(in.data)) return more_decoded{described->summary().name, *json};
  if (!more.builtin) return std::nullopt;
  for (const auto* p : more_account_parsers()) {
    if (*p->owner != owner) continue;
    more_decoded out{std::string(p->name), {}};
    json_writer text(out.json);
    if (p->parse(in, text)) return out;
  }
  return std::nullopt;
}

std::optional<more_decoded> decode_more(const instruction_args& in, const pubkey& program,
                                        const more_decoders& more) {
  if (const auto described = more.idls ? more.idls->find(program) : nullptr) {
    std::vector<pubkey> accounts;
    for (const auto i : in.accounts)
      if (const auto* key = in.keys.find(i)) accounts.push_back(*key);
    if (accounts.size() == in.accounts.size())
      if (auto json = described->instruction(program, accounts, in.data))
        return more_decoded{described->summary().name, *json};
  }
  if (!more.builtin) return std::nullopt;
  for (const auto* p : more_instruction_parsers())
    for (const auto* id : p->programs) {
      if (!id || *id != program) continue;
      more_decoded out{std::string(p->name), {}};
      if (parse_instruction(*p, in, out.json)) return out;
    }
  return std::nullopt;
}

}  // namespace osvm::solana
