#include <osvm/core/text.hpp>
#include <osvm/ledger/ledger_writer.hpp>

#include <fstream>
#include <iterator>

#include "../ledger_command.hpp"
#include "../progress.hpp"
#include "../stop_flag.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class ledger_import final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("source", source_, {}, "a file or folder of blocks: JSON, protobuf, CAR or a geyser capture");
    o.word("ledger", folder_, {}, "the ledger folder to make; it must not exist");
    o.value("format", "NAME", format_, "auto, json, protobuf, car or geyser");
    o.value("slot", "SLOT", slot_, "of the one block, where neither it nor its file's name says");
    o.value("genesis", "FILE", genesis_, "a genesis.bin to put into the ledger");
    o.value("for-agave", "RELEASE", release_, "1.18, 2.2 or 3.1: whose encodings to write");
  }
  int run(context& ctx) override {
    const auto done = import(ctx);
    return done ? *done : ctx.fail(done.error());
  }

 private:
  result<ledger::source_options> source() const {
    ledger::source_options out;
    const auto format = ledger::parse_block_format(format_);
    if (!format) return error(errc::invalid_argument, "--format: auto, json, protobuf, car or geyser");
    out.format = *format;
    if (!slot_.empty()) {
      OSVM_TRY(out.slot, parse_slot(slot_));
    }
    return out;
  }
  result<ledger::ledger_writer> target() const {
    ledger::ledger_writer_options options;
    const auto release = ledger::parse_ledger_release(release_);
    if (!release) return error(errc::invalid_argument, "--for-agave: 1.18, 2.2 or 3.1");
    options.release = *release;
    OSVM_TRY(auto writer, ledger::ledger_writer::create(folder_, options));
    if (genesis_.empty()) return writer;
    std::ifstream in(genesis_, std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(in), {});
    if (!in) return error(errc::not_found, printable(genesis_));
    OSVM_CHECK(writer.set_genesis(as_bytes(bytes)));
    return writer;
  }
  result<int> import(const context& ctx) const {
    OSVM_TRY(const auto options, source());
    OSVM_TRY(const auto from, ledger::open_block_source(source_, options));
    const stop_flag stop;
    OSVM_TRY(auto writer, target());
    {
      progress bar(ctx, "importing");
      while (true) {
        OSVM_TRY(const auto block, from->next());
        if (!block) break;
        OSVM_CHECK(writer.add(*block));
        const auto& s = writer.stats();
        bar.update(from->position(), from->size(),
                   std::to_string(s.blocks) + " blocks, " + std::to_string(s.transactions) + " transactions");
        if (stop.raised()) break;
      }
    }
    if (stop.raised()) {
      ctx.note("interrupted: nothing was left behind");
      return stop.exit_status();
    }
    if (writer.stats().blocks + writer.stats().partial == 0)
      return error(errc::not_found, printable(source_) + ": no block in it");
    OSVM_CHECK(writer.finish());
    report(ctx, writer.stats(), from->remarks());
    return static_cast<int>(writer.stats().partial ? exit_code::partly : exit_code::done);
  }
  static void report(const context& ctx, const ledger::ledger_writer_stats& s,
                     const std::vector<std::string>& remarks) {
    if (ctx.json()) {
      std::string text;
      solana::json_writer out(text);
      out.begin_object();
      out.field("blocks", s.blocks);
      out.field("transactions", s.transactions);
      out.field("statuses", s.statuses);
      out.field("shreds", s.shreds);
      out.field("bytes", s.bytes);
      out.field("withoutProofOfHistory", s.without_entries);
      out.field("withoutTransactions", s.partial);
      out.field("parentsKnownByHash", s.parents);
      out.key("remarks");
      out.begin_array();
      for (const auto& r : remarks) out.string(r);
      out.end_array();
      out.end_object();
      return print_json_text(ctx, text);
    }
    ctx.print(std::to_string(s.blocks) + " blocks, " + std::to_string(s.transactions) + " transactions, " +
              std::to_string(s.shreds) + " shreds, " + show_size(s.bytes) + "\n");
    if (s.without_entries)
      ctx.note(std::to_string(s.without_entries) + " blocks came without their Proof of History");
    if (s.statuses < s.transactions)
      ctx.note(std::to_string(s.transactions - s.statuses) + " transactions came without a status");
    if (s.partial)
      ctx.note(std::to_string(s.partial) +
               " blocks came without their transactions: only time, height and rewards were kept");
    for (const auto& r : remarks) ctx.note(printable(r));
  }
  std::string source_, folder_, format_ = "auto", slot_, genesis_, release_ = "3.1";
};

}  // namespace

extern const command cmd_ledger_import_entry;
const command cmd_ledger_import_entry{
    .path = "ledger import",
    .summary = "make a ledger that validators read from recorded blocks",
    .examples =
        "  osvm ledger import blocks.jsonl ./ledger\n"
        "  osvm ledger import block.json ./ledger --slot 254170887\n"
        "  osvm ledger import epoch-400.car ./ledger --genesis genesis.bin",
    .make = make_invocation<ledger_import>,
};

}  // namespace osvm::cli
