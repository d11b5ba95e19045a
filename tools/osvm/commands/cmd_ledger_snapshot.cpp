// osvm ledger snapshot: what a snapshot archive holds, and whether its hashes say so.
#include <osvm/ledger/lt_hash.hpp>

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

std::string as_json(const ledger::snapshot_check& c) {
  std::string text;
  solana::json_writer out(text);
  out.begin_object();
  out.field("slot", c.slot);
  out.field("accounts", c.accounts);
  out.field("lamports", c.lamports);
  out.field("capitalization", c.capitalization);
  out.field("latticeHash", c.computed.checksum());
  out.key("manifestAgrees");
  c.manifest_has_hash ? out.boolean(c.manifest_agrees) : out.null();
  out.key("nameAgrees");
  c.named&& c.manifest_has_hash ? out.boolean(c.name_agrees) : out.null();
  out.field("holds", c.holds());
  out.end_object();
  return text;
}

class ledger_snapshot final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("archive", path_, {}, "a snapshot archive: .tar, .tar.zst or .tar.lz4");
    o.flag("verify", verify_, "hash every account and compare with the manifest and the file's name");
    o.value("incremental", "ARCHIVE", incremental_, "with --verify: what stands on top of the archive");
  }
  int run(context& ctx) override {
    if (verify_) return verify(ctx);
    if (!incremental_.empty())
      return ctx.fail(error(errc::invalid_argument, "--incremental belongs to --verify"), exit_code::usage);
    const auto c = count(path_);
    if (!c) return ctx.fail(c.error());
    print_json_text(ctx, as_json(*c));
    return static_cast<int>(exit_code::done);
  }

 private:
  int verify(const context& ctx) const {
    const auto c = ledger::verify_snapshot(path_, {.incremental = incremental_, .limits = {}});
    if (!c) return ctx.fail(c.error());
    print_json_text(ctx, as_json(*c));
    if (c->manifest_has_hash) return static_cast<int>(c->holds() ? exit_code::done : exit_code::failed);
    ctx.note("written before release 2.2: its accounts' hash is of another kind and was not compared");
    return static_cast<int>(c->capitalization == c->lamports ? exit_code::partly : exit_code::failed);
  }
  std::string path_, incremental_;
  bool verify_ = false;
};

}  // namespace

extern const command cmd_ledger_snapshot_entry;
const command cmd_ledger_snapshot_entry{
    .path = "ledger snapshot",
    .summary = "what a snapshot archive holds: its bank, how many accounts, whether their hash holds",
    .examples =
        "  osvm ledger snapshot snapshot-100-HASH.tar.zst\n"
        "  osvm ledger snapshot snapshot-100-HASH.tar.zst --verify\n"
        "  osvm ledger snapshot incremental-snapshot-100-200-HASH.tar.zst --json",
    .make = make_invocation<ledger_snapshot>,
};

}  // namespace osvm::cli
