#include "parser.hpp"

namespace osvm::solana {

extern const account_parser token_account;
const account_parser token_account{&programs::token, "spl-token", parse_token_account};

}  // namespace osvm::solana
