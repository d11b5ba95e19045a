// make_ledger FOLDER: a ledger of three blocks with one transfer, and a dumped mint and token account.
#include <osvm/solana/base64.hpp>

#include <filesystem>
#include <fstream>

#include "ledger/ledger_writer.hpp"

namespace {

// Made and signed by solders: 42 lamports.
constexpr std::string_view transfer =
    "ATVXUCqCyZgO2NbErY4Lpj7aPBaI52QRpu8O12KRpp7WiRvVHNhr6Tqja0DR9sS/ZRPh3PiunCUiBV5ow4oqJgkBAAEDA6EHv/"
    "POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbgJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMBAgIAAQwCAAAAKgAAAAAAAAA=";

std::string base64(const std::string& bytes) {
  return osvm::solana::base64_encode(osvm::as_bytes(bytes));
}

// Two accounts of the token program: a mint with 6 decimals, and 1.5 of it.
std::string accounts() {
  std::string mint(82, '\0'), held(165, '\0');
  mint[44] = 6, mint[45] = 1;
  held.replace(0, 64, 64, '\1');
  held[64] = '\x60', held[65] = '\xe3', held[66] = '\x16', held[108] = 1;
  const auto one = [](const std::string& address, const std::string& data) {
    return R"({"pubkey":")" + address +
           R"(","account":{"lamports":1,"owner":"TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA","executable":)" +
           R"(false,"rentEpoch":0,"data":[")" + base64(data) + R"(","base64"]}})";
  };
  const std::string of_mint = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi";  // 32 bytes of 1
  const std::string of_held = "8qbHbw2BbbTHBW1sbeqakYXVKRQM8Ne7pLK7m6CVfeR";  // of 2
  return "[" + one(of_mint, mint) + "," + one(of_held, held) + "]";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path folder = argv[1];
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder / "rocksdb");
  const auto bytes = osvm::solana::base64_decode(transfer).value();
  const std::string wire(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  osvm::ledger::test::ledger_writer w((folder / "rocksdb").string());
  w.block(0, 0, {});
  w.block(1, 0, {wire});
  w.block(3, 1, {});
  std::ofstream(folder / "accounts.json") << accounts();
  return 0;
}
