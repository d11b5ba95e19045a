#include <osvm/core/text.hpp>
#include <osvm/ledger/ledger_export.hpp>

#include <filesystem>
#include <fstream>

#include "../ledger_command.hpp"
#include "../progress.hpp"
#include "../stop_flag.hpp"

namespace osvm::cli {
namespace {

namespace fs = std::filesystem;

class ledger_export final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("ledger", folder_, {}, "the ledger folder, or its database folder");
    o.word("target", target_, {}, "the file (json; - for standard output) or folder (protobuf) to make");
    o.value("format", "NAME", format_, "json: a line a block; protobuf: a file a block");
    o.value("from", "SLOT", from_, "first slot");
    o.value("to", "SLOT", to_, "last slot (default: the highest)");
  }
  int run(context& ctx) override {
    const auto from = parse_slot(from_);
    const auto to = to_.empty() ? result<ledger::slot_t>(~0ULL) : parse_slot(to_);
    if (!from) return ctx.fail(from.error(), exit_code::usage);
    if (!to) return ctx.fail(to.error(), exit_code::usage);
    if (format_ != "json" && format_ != "protobuf")
      return ctx.fail(error(errc::invalid_argument, "--format: json or protobuf"), exit_code::usage);
    const auto done = copy(ctx, *from, *to);
    return done ? *done : ctx.fail(done.error());
  }

 private:
  // Where blocks go: a temporary file or folder that is renamed at the end.
  class sink {
   public:
    static result<sink> open(const std::string& target, bool many) {
      sink out(target, many);
      std::error_code failed;
      if (target == "-") return out;
      if (fs::exists(target, failed)) return error(errc::busy, printable(target) + " exists already");
      fs::remove_all(out.part_, failed);
      if (many)
        fs::create_directory(out.part_, failed);
      else
        out.file_.open(out.part_, std::ios::binary);
      if (failed) return error(failed, printable(out.part_));
      if (!many && !out.file_) return errno_error(printable(out.part_));
      return out;
    }
    sink(sink&& other) noexcept
        : target_(std::move(other.target_)),
          part_(std::exchange(other.part_, {})),
          many_(other.many_),
          file_(std::move(other.file_)) {}
    ~sink() {
      std::error_code ignored;
      if (!part_.empty()) fs::remove_all(part_, ignored);
    }
    result<> add(const context& ctx, ledger::slot_t slot, const std::string& bytes) {
      if (target_ == "-") return ctx.print(bytes + "\n"), result<>();
      if (many_) {
        std::ofstream one(part_ + "/" + std::to_string(slot) + ".pb", std::ios::binary);
        one << bytes;
        one.close();
        return one ? result<>() : result<>(errno_error(printable(part_)));
      }
      file_ << bytes << '\n';
      return file_ ? result<>() : result<>(errno_error(printable(part_)));
    }
    result<> finish() {
      if (target_ == "-") return {};
      if (!many_) {
        file_.close();
        if (!file_) return errno_error(printable(part_));
      }
      std::error_code failed;
      fs::rename(part_, target_, failed);
      if (failed) return error(failed, printable(target_));
      part_.clear();
      return {};
    }

   private:
    sink(std::string target, bool many) : target_(std::move(target)), many_(many) {
      if (target_ != "-") part_ = target_ + ".part";
    }
    std::string target_, part_;
    bool many_;
    std::ofstream file_;
  };

  result<std::optional<std::string>> block(const opened_ledger& l, ledger::slot_t slot) const {
    OSVM_TRY(const auto b, l.store.read_block(slot));
    if (ledger::is_hash_only(*b)) return std::optional<std::string>{};
    if (format_ == "json") {
      OSVM_TRY(auto line, ledger::export_json_line(l.store, l.genesis, slot));
      return std::optional(std::move(line));
    }
    OSVM_TRY(const auto recorded, ledger::read_recorded_block(l.store, slot));
    OSVM_TRY(auto message, ledger::encode_protobuf_block(recorded));
    return std::optional(std::move(message));
  }

  result<int> copy(const context& ctx, ledger::slot_t from, ledger::slot_t to) const {
    if (format_ == "protobuf" && target_ == "-")
      return error(errc::invalid_argument, "protobuf blocks need a folder: each is a file of its own");
    OSVM_TRY(const auto opened, open_ledger(folder_));
    std::vector<ledger::slot_t> slots;
    OSVM_CHECK(opened.store.each_meta(from, [&](const ledger::slot_meta& m) {
      if (m.slot <= to && m.full()) slots.push_back(m.slot);
      return m.slot <= to;
    }));
    const stop_flag stop;
    OSVM_TRY(auto out, sink::open(target_, format_ == "protobuf"));
    std::uint64_t written = 0, refused = 0;
    {
      progress bar(ctx, "exporting");
      for (std::size_t i = 0; i < slots.size() && !stop.raised(); ++i) {
        const auto made = block(opened, slots[i]);
        if (made && *made) {
          OSVM_CHECK(out.add(ctx, slots[i], **made));
          ++written;
        } else if (!made) {
          ctx.note("slot " + std::to_string(slots[i]) + ": " + made.error().to_string());
          ++refused;
        }
        bar.update(i, slots.size(), std::to_string(written) + " blocks");
      }
    }
    if (stop.raised()) return stop.exit_status();
    OSVM_CHECK(out.finish());
    ctx.note(std::to_string(written) + " blocks, " + std::to_string(refused) + " could not be");
    note_lost(ctx, opened.store);
    return static_cast<int>(refused ? exit_code::partly : exit_code::done);
  }
  std::string folder_, target_, format_ = "json", from_ = "0", to_;
};

}  // namespace

extern const command cmd_ledger_export_entry;
const command cmd_ledger_export_entry{
    .path = "ledger export",
    .summary = "write a ledger's blocks as JSON lines or protobuf files",
    .examples =
        "  osvm ledger export ./ledger blocks.jsonl\n"
        "  osvm ledger export ./ledger - --from 100 --to 200 | zstd > blocks.jsonl.zst\n"
        "  osvm ledger export ./ledger ./blocks --format protobuf",
    .make = make_invocation<ledger_export>,
};

}  // namespace osvm::cli
