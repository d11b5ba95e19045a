#include <osvm/ledger/lt_hash.hpp>
#include <osvm/solana/account.hpp>
#include <osvm/solana/base58.hpp>
#include <osvm/solana/programs.hpp>

#include "ledger.hpp"

namespace osvm::cli::bench {
namespace {

constexpr unsigned batches = 20, rounds = 20000;

// Nanoseconds of one call, measured in batches.
template <class Call>
std::vector<double> per_call(Call&& call) {
  std::vector<double> out;
  for (unsigned b = 0; b < batches; ++b) {
    const stopwatch watch;
    for (unsigned i = 0; i < rounds; ++i) call(i);
    out.push_back(watch.ms() * 1e6 / rounds);
  }
  return out;
}

double per_second(const std::vector<double>& nanoseconds) {
  return 1e9 / summarize(nanoseconds).p50;
}

result<void> base58(report& out) {
  auto key = solana::programs::token.bytes;
  char text[solana::base58_32_max];
  std::size_t size = 0;
  out.samples("base58.encode32", "ns", per_call([&](unsigned i) {
                key[31] = static_cast<std::uint8_t>(i);
                size = solana::base58_encode_32(key.data(), text);
              }));
  std::array<std::uint8_t, 32> back{};
  bool ok = true;
  out.samples("base58.decode32", "ns", per_call([&](unsigned) {
                ok = ok && solana::base58_decode_32({text, size}, back.data());
              }));
  if (!ok || back != key) out.fail("base58 does not give back what it was given");
  return {};
}

std::string token_account() {
  std::string d(165, '\0');
  d.replace(0, 64, 64, '\7');
  const std::uint64_t amount = 1234567890;
  d.replace(64, 8, reinterpret_cast<const char*>(&amount), 8);
  d[108] = 1;
  return d;
}

result<void> accounts(report& out) {
  const auto data = token_account();
  const solana::account_view account{solana::programs::token, 1, 0, false, as_bytes(data)};
  std::uint64_t sum = 0;
  const auto structs = per_call([&](unsigned) { sum += solana::read_token_holding(account.data)->amount; });
  if (sum != 1234567890ULL * batches * rounds) out.fail("a token account was not read as it is");
  out.samples("token_account.struct", "ns", structs);
  out.value("token_account.structs", "per second", per_second(structs));
  solana::account_context context;
  context.mint = solana::token_mint{.supply = 0, .decimals = 6};
  std::string text;
  bool ok = true;
  const auto parsed = per_call([&](unsigned) {
    text.clear();
    solana::json_writer json(text);
    ok = solana::write_parsed_account(json, {}, account, context) && ok;
  });
  if (!ok || text.find(R"("uiAmountString":"1234.56789")") == std::string::npos)
    out.fail("a token account's JSON is not what it holds");
  out.samples("token_account.json", "ns", parsed);
  out.value("token_account.jsons", "per second", per_second(parsed));
  return {};
}

result<void> hashes(report& out) {
  const auto data = token_account();
  ledger::stored_record r{
      .address = solana::programs::token, .owner = solana::programs::token, .lamports = 1};
  r.data = as_bytes(data);
  ledger::lt_hash sum;
  out.samples("lattice_hash.account", "ns", per_call([&](unsigned i) {
                r.lamports = i + 1;
                sum.add(r);
              }));
  for (unsigned b = 0; b < batches; ++b)
    for (r.lamports = 1; r.lamports <= rounds; ++r.lamports) sum.subtract(r);
  if (sum != ledger::lt_hash{}) out.fail("what was added to a lattice hash could not be taken away again");
  return {};
}

}  // namespace

result<void> measure_decode(report& out) {
  OSVM_CHECK(base58(out));
  OSVM_CHECK(accounts(out));
  return hashes(out);
}

}  // namespace osvm::cli::bench
