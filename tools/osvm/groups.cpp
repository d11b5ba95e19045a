#include "command.hpp"

namespace osvm::cli {

std::span<const command_group> command_groups() noexcept {
  static constexpr command_group groups[] = {
      {"bench", "measure, with host facts and correctness checks"},
      {"doctor", "what this machine can do, and what to change"},
      {"image", "programs with their files in one verified file"},
      {"mount", "named files and folders that guests may be granted"},
      {"idl", "programs' interfaces, by which accounts and instructions are decoded"},
      {"ledger", "read a Solana validator's ledger: slots, blocks, transactions"},
      {"token", "tokens of a Solana snapshot: who holds them"},
      {"proxy", "a reverse proxy that replaces what is behind it without losing a request"},
      {"rpc", "serve Solana's JSON-RPC", "rpc-manager"},
  };
  return groups;
}

}  // namespace osvm::cli
