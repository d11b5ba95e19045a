#include <osvm/core/text.hpp>
#include <osvm/core/unique_fd.hpp>
#include <osvm/ledger/ledger_export.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

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
    const auto range = parse_slot_range(from_, to_);
    if (!range) return ctx.fail(range.error(), exit_code::usage);
    if (format_ != "json" && format_ != "protobuf")
      return ctx.fail(error(errc::invalid_argument, "--format: json or protobuf"), exit_code::usage);
    const auto done = copy(ctx, range->from, range->to);
    return done ? *done : ctx.fail(done.error());
  }

 private:
  // Where blocks go: a hidden file or folder beside the target, of a name of its own, that is renamed at the
  // end.
  class sink {
   public:
    static result<sink> open(const std::string& target, bool many) {
      sink out(many);
      if (target == "-") return out;
      auto at = fs::path(target).lexically_normal();
      if (!at.has_filename() && !many)
        return error(errc::invalid_argument, printable(target) + " names a folder: a file is to be made");
      if (!at.has_filename()) at = at.parent_path();
      struct ::stat st {};
      if (::lstat(at.c_str(), &st) == 0) return error(errc::busy, printable(target) + " exists already");
      out.target_ = at.string();
      out.folder_ = at.has_parent_path() ? at.parent_path().string() : ".";
      auto name = out.folder_ + "/." + at.filename().string() + ".XXXXXX";
      if (many) {
        if (!::mkdtemp(name.data())) return errno_error(printable(target));
        out.part_ = name;
        out.file_ = unique_fd(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
        if (out.file_ && ::fchmod(out.file_.get(), 0755) != 0) return errno_error(printable(name));
      } else {
        out.file_ = unique_fd(::mkostemp(name.data(), O_CLOEXEC));
        if (!out.file_) return errno_error(printable(target));
        out.part_ = name;
        if (::fchmod(out.file_.get(), 0644) != 0) return errno_error(printable(name));
      }
      if (!out.file_) return errno_error(printable(name));
      return out;
    }
    sink(sink&& other) noexcept
        : target_(std::move(other.target_)),
          folder_(std::move(other.folder_)),
          part_(std::exchange(other.part_, {})),
          many_(other.many_),
          file_(std::move(other.file_)) {}
    ~sink() {
      std::error_code ignored;
      if (!part_.empty()) fs::remove_all(part_, ignored);
    }
    result<> add(const context& ctx, ledger::slot_t slot, const std::string& bytes) {
      if (target_.empty()) return ctx.print(bytes + "\n"), result<>();
      if (!many_) return write(file_.get(), bytes + "\n");
      const auto name = std::to_string(slot) + ".pb";
      const unique_fd one(
          ::openat(file_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
      if (!one) return errno_error(printable(part_) + "/" + name);
      OSVM_CHECK(write(one.get(), bytes));
      return ::fsync(one.get()) == 0 ? result<>() : result<>(errno_error(printable(part_) + "/" + name));
    }
    result<> finish() {
      if (target_.empty()) return {};
      if (::fsync(file_.get()) != 0) return errno_error(printable(part_));
      if (rename_new(part_, target_) != 0) return errno_error(printable(target_));
      part_.clear();
      const unique_fd above(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (above) (void)::fsync(above.get());
      return {};
    }

   private:
    explicit sink(bool many) : many_(many) {}
    result<> write(int fd, std::string_view bytes) const {
      while (!bytes.empty()) {
        const auto n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno_error(printable(part_));
        bytes.remove_prefix(static_cast<std::size_t>(n));
      }
      return {};
    }
    // Nothing that has come to lie there is replaced. Some filesystems cannot say so in one step.
    static int rename_new(const std::string& from, const std::string& to) {
#ifdef RENAME_NOREPLACE
      if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
      if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) return -1;
#endif
      struct ::stat st {};
      if (::lstat(to.c_str(), &st) == 0) return errno = EEXIST, -1;
      return ::rename(from.c_str(), to.c_str());
    }
    std::string target_, folder_, part_;  // no target: standard output; the part is removed unless renamed
    bool many_;
    unique_fd file_;
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
