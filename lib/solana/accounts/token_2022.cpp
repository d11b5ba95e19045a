// Accounts of the token-2022 program: those of the token program with extensions behind them.
#include "parser.hpp"

namespace osvm::solana {

extern const account_parser token_2022_account;
const account_parser token_2022_account{&programs::token_2022, "spl-token-2022", parse_token_account};

}  // namespace osvm::solana
