// A small ledger, written by librocksdb, and the RPC server over it: what other programs' clients are tested
// against. Prints its address; a line "grow" on its input adds the next block, the end of input ends it.
#include <osvm/ledger/rpc_server.hpp>
#include <osvm/solana/message.hpp>

#include <sys/eventfd.h>

#include <iostream>
#include <thread>

#include "ledger_writer.hpp"

namespace {

using namespace osvm;
using namespace osvm::ledger;

std::string transfer(std::uint64_t lamports) {
  const auto key = solana::keypair::from_seed(as_bytes(std::string(32, 'k'))).value();
  const auto to = solana::pubkey::read(as_bytes(std::string(32, 't'))).value();
  const auto text = solana::build_message(
      {.payer = key.address(),
       .instructions = {solana::instructions::transfer(key.address(), to, lamports)},
       .blockhash = {},
       .version = lamports % 2 ? solana::message_version::v0 : solana::message_version::legacy});
  const solana::keypair* keys[] = {&key};
  return solana::sign_message(text.value(), keys).value();
}

}  // namespace

int main() {
  test::temporary_folder folder;
  const auto store = folder.path() + "/rocksdb";
  std::filesystem::create_directory(store);
  slot_t last = 0;
  {
    test::ledger_writer w(store);
    w.block(0, 0, {});
    for (; last < 3; ++last) w.block(last + 1, last, {transfer(last + 1)});
  }
  rpc_service service(*blockstore::open(folder.path()), std::nullopt, {});
  auto listener = listen_tcp("127.0.0.1:0").value();
  std::cout << local_address(listener.get()).value() << std::endl;
  rpc_server server(service, std::move(listener), {.refresh_every = std::chrono::milliseconds(20)});
  const unique_fd stop(::eventfd(0, EFD_CLOEXEC));
  std::thread thread([&] { (void)server.run(stop.get()); });
  for (std::string line; std::getline(std::cin, line);) {
    if (line != "grow") continue;
    test::ledger_writer w(store);
    w.block(last + 1, last, {transfer(last + 1)});
    ++last;
  }
  const std::uint64_t one = 1;
  (void)!::write(stop.get(), &one, sizeof one);
  thread.join();
}
