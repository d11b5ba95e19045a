// A block as it was recorded somewhere - an RPC answer, BigTable, an archive, a stream - in the form that a
// ledger keeps: wire bytes of transactions and protobuf messages of what happened to them.
#pragma once

#include <osvm/ledger/slot_meta.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace osvm::ledger {

struct recorded_transaction {
  std::string wire;
  std::optional<std::string> meta{};  // TransactionStatusMeta; none where the source has none
};

// An entry of the Proof of History. Its transactions are the block's next ones.
struct recorded_entry {
  std::uint64_t num_hashes = 0;
  solana::hash hash{};
  std::uint32_t transactions = 0;
};

// A value.
struct recorded_block {
  slot_t slot = 0, parent = 0;
  std::optional<solana::hash> previous_blockhash{};
  solana::hash blockhash{};
  std::vector<recorded_transaction> transactions{};
  std::vector<recorded_entry> entries{};  // empty where the source has none: RPC answers, BigTable
  std::optional<std::string> rewards{};   // Rewards
  std::optional<std::int64_t> time{};
  std::optional<std::uint64_t> height{};
  // False where the source knows of finality, and does not say it of this block: it may lie on a fork.
  bool final = true;
  // False for a source that saw the block go by without its transactions.
  bool whole = true;
  // How many the source says that there are, where it does not bring them.
  std::uint64_t missing_transactions = 0;
};

struct block_format_limits {
  std::size_t max_json = 512 << 20;
  std::size_t max_message = 512 << 20;
  std::size_t max_transactions = 1 << 20;
};

// The object of getBlock, in encoding base64, base58 or json with transaction details "full", or a whole
// JSON-RPC answer around it, or a line {"slot":…,"block":…}. `slot` is for answers, which do not say theirs.
// errc::malformed, errc::unsupported: jsonParsed cannot be taken back to bytes.
result<recorded_block> parse_json_block(std::string_view text, std::optional<slot_t> slot,
                                        block_format_limits limits = {});
// `solana.storage.ConfirmedBlock.ConfirmedBlock`, which does not say its slot.
result<recorded_block> parse_protobuf_block(bytes_view message, slot_t slot, block_format_limits limits = {});
result<std::string> encode_protobuf_block(const recorded_block& b);

// Where blocks come from. Not thread-safe.
class block_source {
 public:
  virtual ~block_source() = default;
  // Nothing at the end.
  virtual result<std::optional<recorded_block>> next() = 0;
  // Bytes read so far and in all (0: not known), for progress.
  virtual std::uint64_t position() const noexcept = 0;
  virtual std::uint64_t size() const noexcept = 0;
  // What was there but could not be used, for people: "12 votes without a slot".
  virtual std::vector<std::string> remarks() const { return {}; }
};

enum class block_format {
  detect,    // by content and name
  json,      // getBlock answers: one a file, or one a line {"slot":…,"block":{…}}
  protobuf,  // one ConfirmedBlock a file, the slot in the name
  car,       // Old Faithful: IPLD blocks of an epoch
  geyser,    // Yellowstone SubscribeUpdate messages, each behind its length as u32 big-endian
};
std::optional<block_format> parse_block_format(std::string_view name) noexcept;

struct source_options {
  block_format format = block_format::detect;
  std::optional<slot_t> slot{};  // of the one block, when neither the file nor its name says it
  block_format_limits limits{};
};
// `path` is a file (also compressed as .zst) or a folder of files, taken in the order of their slots.
result<std::unique_ptr<block_source>> open_block_source(const std::string& path, source_options options = {});

}  // namespace osvm::ledger
