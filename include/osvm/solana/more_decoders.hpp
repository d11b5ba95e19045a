// Decoding beyond what validators decode. A validator's jsonParsed knows a fixed set of programs; where this
// is given too, other programs' accounts, instructions and events are shown decoded, in the same shape.
#pragma once

namespace osvm::solana {

class idl_source;

// Borrowed things must outlive every use.
struct more_decoders {
  const idl_source* idls = nullptr;  // asked first
  bool builtin = true;  // Metaplex token metadata, name service, loader v4, feature gates, compute budget,
                        // signature checks, config
};

}  // namespace osvm::solana
