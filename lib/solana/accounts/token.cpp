// Accounts of the token program: mints, token accounts, multisigs (token/account.cpp reads both programs').
#include "parser.hpp"

namespace osvm::solana {

extern const account_parser token_account;
const account_parser token_account{&programs::token, "spl-token", parse_token_account};

}  // namespace osvm::solana
