// osvm ledger snapshot: what a snapshot archive holds.
#include <osvm/ledger/snapshot.hpp>

#include "../ledger_command.hpp"

namespace osvm::cli {
namespace {

struct counted {
  ledger::bank_fields bank;
  std::uint64_t storages = 0, records = 0, deleted = 0, bytes = 0;
};

result<counted> count(const std::string& path) {
  counted out;
  OSVM_CHECK(ledger::read_snapshot(
      path, {.manifest = [&](ledger::snapshot_manifest&& m) -> result<> {
               out.bank = std::move(m.bank);
               return {};
             },
             .storage =
                 [&](ledger::slot_t slot, std::string&& bytes) {
                   ++out.storages, out.bytes += bytes.size();
                   return ledger::each_record(as_bytes(bytes), slot, [&](const ledger::stored_record& r) {
                     ++out.records, out.deleted += r.lamports == 0;
                   });
                 }}));
  return out;
}

std::string as_json(const counted& c) {
  const auto& b = c.bank;
  std::string text;
  solana::json_writer out(text);
  out.begin_object();
  out.field("slot", b.slot);
  out.field("epoch", b.epoch);
  out.field("blockHeight", b.block_height);
  out.field("hash", b.hash);
  out.field("parentSlot", b.parent_slot);
  out.field("parentHash", b.parent_hash);
  out.field("leader", b.leader);
  out.field("transactionCount", b.transaction_count);
  out.field("signatureCount", b.signature_count);
  out.field("capitalization", b.capitalization);
  out.field("genesisCreationTime", b.genesis_creation_time);
  out.field("slotsPerEpoch", b.schedule.slots_per_epoch);
  out.field("voteAccounts", b.vote_accounts.size());
  out.field("stakeDelegations", b.delegations);
  out.field("storages", c.storages);
  out.field("accountRecords", c.records);
  out.field("deletedRecords", c.deleted);
  out.field("storageBytes", c.bytes);
  out.end_object();
  return text;
}

class ledger_snapshot final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("archive", path_, {}, "a snapshot archive: .tar, .tar.zst or .tar.lz4");
  }
  int run(context& ctx) override {
    const auto c = count(path_);
    if (!c) return ctx.fail(c.error());
    print_json_text(ctx, as_json(*c));
    return static_cast<int>(exit_code::done);
  }

 private:
  std::string path_;
};

}  // namespace

extern const command cmd_ledger_snapshot_entry;
const command cmd_ledger_snapshot_entry{
    .path = "ledger snapshot",
    .summary = "what a snapshot archive holds: its bank, and how many accounts",
    .examples =
        "  osvm ledger snapshot snapshot-100-HASH.tar.zst\n"
        "  osvm ledger snapshot incremental-snapshot-100-200-HASH.tar.zst --json",
    .make = make_invocation<ledger_snapshot>,
};

}  // namespace osvm::cli
