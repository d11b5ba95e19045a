// Asks a Solana node for its slot, then sends a signed transfer if it is told how much.
//   ask_node URL [KEYFILE ADDRESS LAMPORTS]
#include <osvm/solana/base64.hpp>
#include <osvm/solana/json_slices.hpp>
#include <osvm/solana/message.hpp>
#include <osvm/solana/rpc_client.hpp>

#include <cstdio>
#include <cstdlib>

using namespace osvm;

// The error of a call as an error like others; what the node said is in its text.
static result<std::string> ask(solana::rpc_client& node, solana::rpc_call call) {
  auto answer = node.call(std::move(call));
  if (!answer) return answer.error().error;
  return *answer;
}

static result<std::string> send(solana::rpc_client& node, char** words) {
  OSVM_TRY(const auto key, solana::keypair::load(words[0]));
  OSVM_TRY(const auto to, solana::pubkey::parse(words[1]));
  OSVM_TRY(const auto latest, ask(node, {.method = "getLatestBlockhash"}));
  const auto value = solana::json_member(latest, "value").value_or("");
  const auto quoted = solana::json_member(value, "blockhash").value_or("\"\"");
  OSVM_TRY(const auto blockhash, solana::hash::parse(quoted.substr(1, quoted.size() - 2)));
  const auto lamports = std::strtoull(words[2], nullptr, 10);
  OSVM_TRY(
      const auto message,
      solana::build_message({.payer = key.address(),
                             .instructions = {solana::instructions::transfer(key.address(), to, lamports)},
                             .blockhash = blockhash}));
  const solana::keypair* signers[] = {&key};
  OSVM_TRY(const auto wire, solana::sign_message(message, signers));
  // Made once, whatever happens: a lost answer is an error, not a second transfer.
  return ask(node,
             {.method = "sendTransaction",
              .params = "[\"" + solana::base64_encode(as_bytes(wire)) + "\",{\"encoding\":\"base64\"}]"});
}

int main(int argc, char** argv) {
  const auto where = net::parse_url(argc > 1 ? argv[1] : "");
  if (!where) return std::fprintf(stderr, "%s\n", where.error().to_string().c_str()), 2;
  runtime loop;
  solana::rpc_client node(loop.get_executor(), *where);
  const auto slot = ask(node, {.method = "getSlot"});
  if (!slot) return std::fprintf(stderr, "%s\n", slot.error().to_string().c_str()), 1;
  std::printf("slot %s\n", slot->c_str());
  if (argc < 5) return 0;
  const auto sent = send(node, argv + 2);
  if (!sent) return std::fprintf(stderr, "%s\n", sent.error().to_string().c_str()), 1;
  std::printf("sent %s\n", sent->c_str());
}
