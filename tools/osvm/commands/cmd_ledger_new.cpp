#include <osvm/core/text.hpp>
#include <osvm/ledger/genesis_writer.hpp>
#include <osvm/ledger/ledger_writer.hpp>

#include <charconv>

#include "../ledger_command.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class ledger_new final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("ledger", folder_, {}, "the ledger folder to make; it must not exist");
    o.value("creation-time", "UNIX", time_, "seconds since 1970 that the genesis names");
    o.value("slots-per-epoch", "N", slots_, "length of an epoch");
    o.value("ticks-per-slot", "N", ticks_, "ticks of the Proof of History in each slot");
    o.value("hashes-per-tick", "N", hashes_, "hashes of each tick");
    o.value("for-agave", "RELEASE", release_, "1.18, 2.2 or 3.1: whose encodings to write");
  }
  int run(context& ctx) override {
    const auto done = make(ctx);
    return done ? static_cast<int>(exit_code::done) : ctx.fail(done.error());
  }

 private:
  result<> make(const context& ctx) const {
    ledger::genesis_options genesis;
    OSVM_TRY(const auto time, named("--creation-time", parse_count(time_, 0, 1ULL << 40)));
    OSVM_TRY(genesis.slots_per_epoch, named("--slots-per-epoch", parse_count(slots_, 32, 1ULL << 32)));
    OSVM_TRY(genesis.ticks_per_slot, named("--ticks-per-slot", parse_count(ticks_, 1, 1024)));
    OSVM_TRY(const auto hashes, named("--hashes-per-tick", parse_count(hashes_, 1, 10'000'000)));
    genesis.creation_time = static_cast<std::int64_t>(time);
    genesis.hashes_per_tick = hashes;
    ledger::ledger_writer_options options;
    const auto release = ledger::parse_ledger_release(release_);
    if (!release) return error(errc::invalid_argument, "--for-agave: 1.18, 2.2 or 3.1");
    options.release = *release;
    const auto bytes = ledger::encode_genesis(genesis);
    OSVM_TRY(const auto parsed, ledger::parse_genesis(as_bytes(bytes)));
    OSVM_TRY(auto writer, ledger::ledger_writer::create(folder_, options));
    OSVM_CHECK(writer.set_genesis(as_bytes(bytes)));
    OSVM_CHECK(writer.add(ledger::genesis_block(parsed)));
    OSVM_CHECK(writer.finish());
    if (ctx.json())
      print_json_text(ctx, "{\"genesis\":\"" + parsed.hash.to_string() + "\"}");
    else
      ctx.print("genesis " + parsed.hash.to_string() + "\n");
    return {};
  }
  std::string folder_, time_ = "0", slots_ = "432000", ticks_ = "64", hashes_ = "12500", release_ = "3.1";
};

}  // namespace

extern const command cmd_ledger_new_entry;
const command cmd_ledger_new_entry{
    .path = "ledger new",
    .summary = "make an empty ledger: a genesis and its slot 0",
    .examples =
        "  osvm ledger new ./ledger\n  osvm ledger new ./ledger --slots-per-epoch 8192 --creation-time "
        "1700000000",
    .make = make_invocation<ledger_new>,
};

}  // namespace osvm::cli
