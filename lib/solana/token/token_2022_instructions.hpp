// Token-2022's extensions as instructions. A base instruction's number chooses the extension, its second byte
// what is asked of it. Split over three files by kind.
#pragma once

#include "../instructions/parser.hpp"

namespace osvm::solana::token_2022 {

// Instruction 21 and on; false when the number is none.
bool parse(std::uint8_t which, const instruction_args& in, argument_reader& args, parsed_info& out);
// Confidential transfers, their fees, minting and burning: instructions 27, 37 and 42.
void parse_confidential(std::uint8_t which, const instruction_args& in, argument_reader& args,
                        parsed_info& out);
// 46, the burn that needs a second authority.
void parse_permissioned_burn(argument_reader& args, parsed_info& out);
// Token group and token metadata: told by their first eight bytes. False when it is none of them.
bool parse_interface(bytes_view data, parsed_info& out);

// Behind the accounts proper stands one owner, or a multisig account and its signers.
void signers(parsed_info& out, std::size_t index, std::string_view single, std::string_view multisig,
             std::size_t accounts = ~std::size_t{0});
// A key that is all zero is none: null.
void key_or_null(parsed_info& out, std::string_view name, const pubkey& key);
// A key that is all zero is none: no field.
void key_if_any(parsed_info& out, std::string_view name, const pubkey& key);
void base64_text(parsed_info& out, std::string_view name, bytes_view bytes);
// Zero or more accounts behind each other as an array.
void account_range(parsed_info& out, std::string_view name, std::size_t from, std::size_t to);
// The data must end here.
inline void ends(argument_reader& args) {
  if (!args.rest().empty()) args.fail();
}

}  // namespace osvm::solana::token_2022
