#include "decode_peers.hpp"

#include <sstream>

#include "../child_process.hpp"

namespace osvm::cli::bench {
namespace {

// Each prints lines of a name and the nanoseconds of one call, the best of 20 batches.
constexpr const char* solders_script = R"(
import time
from solders.pubkey import Pubkey
from solders.token.state import TokenAccount
key = Pubkey(bytes(range(1, 33)))
text = str(key)
data = bytes([7]) * 64 + (1234567890).to_bytes(8, 'little') + bytes(36) + b'\1' + bytes(56)
assert Pubkey.from_string(text) == key and TokenAccount.from_bytes(data).amount == 1234567890
def best(name, call, argument):
    least = 1e9
    for _ in range(20):
        begin = time.perf_counter_ns()
        for _ in range(5000): call(argument)
        least = min(least, (time.perf_counter_ns() - begin) / 5000)
    print(name, least)
best('base58.encode32', str, key)
best('base58.decode32', Pubkey.from_string, text)
best('token_account.struct', TokenAccount.from_bytes, data)
)";

constexpr const char* kit_script = R"(
const kit = require(process.argv[1] + '/@solana/kit');
const encoder = kit.getAddressEncoder(), decoder = kit.getAddressDecoder();
const bytes = Uint8Array.from({length: 32}, (_, i) => i + 1);
const text = decoder.decode(bytes);
const token = kit.getStructDecoder([['mint', decoder], ['owner', decoder], ['amount', kit.getU64Decoder()],
  ['delegateTag', kit.getU32Decoder()], ['delegate', decoder], ['state', kit.getU8Decoder()]]);
const data = new Uint8Array(165).fill(7, 0, 64);
new DataView(data.buffer).setBigUint64(64, 1234567890n, true);
if (token.decode(data).amount !== 1234567890n) process.exit(1);
const best = (name, call, argument) => {
  let least = 1e9;
  for (let b = 0; b < 20; ++b) {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < 2000; ++i) call(argument);
    least = Math.min(least, Number(process.hrtime.bigint() - begin) / 2000);
  }
  console.log(name, least);
};
best('base58.encode32', (b) => decoder.decode(b), bytes);
best('base58.decode32', (t) => encoder.encode(t), text);
best('token_account.struct', (d) => token.decode(d), data);
)";

void measure(report& out, const std::string& peer, const std::vector<std::string>& command) {
  auto child = child_process::start(command);
  auto lines = child ? child->finish() : result<std::string>(child.error());
  if (!lines) return out.remark(peer + ": not measured: " + lines.error().to_string());
  std::istringstream in(*lines);
  std::string name;
  for (double ns = 0; in >> name >> ns;) out.value("peer." + peer + "." + name, "ns", ns);
}

}  // namespace

void measure_decode_peers(report& out, const decode_peers& peers) {
  if (!peers.python.empty()) measure(out, "solders", {peers.python, "-c", solders_script});
  if (!peers.node_modules.empty())
    measure(out, "kit", {"node", "-e", kit_script, std::string(peers.node_modules)});
}

}  // namespace osvm::cli::bench
