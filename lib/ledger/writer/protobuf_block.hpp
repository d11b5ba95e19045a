// The messages that BigTable and Geyser share.
#pragma once

#include <osvm/ledger/recorded_block.hpp>

#include "wire.hpp"

namespace osvm::ledger {

// `solana.storage.ConfirmedBlock.Transaction` to wire bytes and back.
result<std::string> read_protobuf_transaction(bytes_view message);
result<std::string> encode_protobuf_transaction(bytes_view wire);
// The only number of a message such as UnixTimestamp.
result<std::uint64_t> read_wrapped_number(bytes_view message);

}  // namespace osvm::ledger
