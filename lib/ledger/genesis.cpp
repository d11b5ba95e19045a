#include <osvm/core/unique_fd.hpp>
#include <osvm/ledger/error.hpp>
#include <osvm/ledger/genesis.hpp>
#include <osvm/solana/hashing.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

namespace osvm::ledger {
namespace {

constexpr std::size_t max_genesis = 10 << 20;
constexpr std::uint64_t minimum_slots_per_epoch = 32;

result<> skip(byte_reader& in, std::uint64_t n) {
  OSVM_CHECK(in.take(n));
  return {};
}

result<> skip_account(byte_reader& in) {
  OSVM_CHECK(skip(in, 32 + 8));
  OSVM_TRY(const auto data, in.read<std::uint64_t>());
  OSVM_CHECK(in.take(data));
  return skip(in, 32 + 1 + 8);
}

result<std::uint64_t> skip_accounts(byte_reader& in) {
  OSVM_TRY(const auto count, in.read<std::uint64_t>());
  for (std::uint64_t i = 0; i < count; ++i) OSVM_CHECK(skip_account(in));
  return count;
}

result<> skip_processors(byte_reader& in) {
  OSVM_TRY(const auto count, in.read<std::uint64_t>());
  for (std::uint64_t i = 0; i < count; ++i) {
    OSVM_TRY(const auto name, in.read<std::uint64_t>());
    OSVM_CHECK(in.take(name));
    OSVM_CHECK(skip(in, 32));
  }
  return {};
}

result<std::optional<std::uint64_t>> read_option(byte_reader& in) {
  OSVM_TRY(const auto tag, in.read<std::uint8_t>());
  if (tag == 0) return std::optional<std::uint64_t>{};
  if (tag != 1) return error(errc::corrupt, "genesis: an option that is neither there nor not");
  OSVM_TRY(const auto v, in.read<std::uint64_t>());
  return std::optional(v);
}

}  // namespace

epoch_schedule::position epoch_schedule::locate(slot_t slot) const noexcept {
  if (slots_per_epoch == 0) return {};
  if (slot >= first_normal_slot) {
    const auto behind = slot - first_normal_slot;
    return {first_normal_epoch + behind / slots_per_epoch, behind % slots_per_epoch, slots_per_epoch};
  }
  // Warm-up: epochs of 32, 64, 128… slots. One that lasts so long is a lie of the file.
  constexpr slot_t longest_warmup = slot_t{1} << 62;
  if (slot > longest_warmup) return {};
  const auto power = std::bit_ceil(slot + minimum_slots_per_epoch + 1);
  const auto epoch = static_cast<std::uint64_t>(std::countr_zero(power)) - 6;
  const auto length = minimum_slots_per_epoch << epoch;
  return {epoch, slot - (length - minimum_slots_per_epoch), length};
}

slot_t epoch_schedule::first_slot(std::uint64_t epoch) const noexcept {
  if (epoch <= first_normal_epoch)
    return epoch > 57 ? ~slot_t{0} : ((std::uint64_t{1} << epoch) - 1) * minimum_slots_per_epoch;
  std::uint64_t out = 0;
  if (__builtin_mul_overflow(epoch - first_normal_epoch, slots_per_epoch, &out) ||
      __builtin_add_overflow(out, first_normal_slot, &out))
    return ~slot_t{0};
  return out;
}

result<genesis> parse_genesis(bytes_view file) {
  if (file.size() > max_genesis)
    return error(osvm::errc::limit_exceeded, "genesis.bin is larger than 10 MiB");
  byte_reader in(file);
  genesis out;
  out.hash = solana::sha256(file);
  OSVM_TRY(out.creation_time, in.read<std::int64_t>());
  OSVM_TRY(out.accounts, skip_accounts(in));
  OSVM_CHECK(skip_processors(in));
  OSVM_CHECK(skip_accounts(in));
  OSVM_TRY(out.ticks_per_slot, in.read<std::uint64_t>());
  OSVM_CHECK(skip(in, 8 + 12));
  OSVM_CHECK(read_option(in));
  OSVM_TRY(out.hashes_per_tick, read_option(in));
  OSVM_CHECK(skip(in, 8 + 33 + 17 + 48));  // padding, fees, rent, inflation
  OSVM_TRY(out.schedule.slots_per_epoch, in.read<std::uint64_t>());
  OSVM_TRY(out.schedule.leader_schedule_slot_offset, in.read<std::uint64_t>());
  OSVM_TRY(const auto warmup, in.read<std::uint8_t>());
  out.schedule.warmup = warmup != 0;
  OSVM_TRY(out.schedule.first_normal_epoch, in.read<std::uint64_t>());
  OSVM_TRY(out.schedule.first_normal_slot, in.read<std::uint64_t>());
  return out;
}

result<genesis> load_genesis(const std::string& ledger_folder) {
  const std::string path = ledger_folder + "/genesis.bin";
  const unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) return errno_error(path);
  struct ::stat st {};
  if (::fstat(fd.get(), &st) != 0) return errno_error(path);
  if (!S_ISREG(st.st_mode) || static_cast<std::size_t>(st.st_size) > max_genesis)
    return error(osvm::errc::limit_exceeded, path + " is no file of at most 10 MiB");
  std::vector<std::byte> bytes(static_cast<std::size_t>(st.st_size));
  for (std::size_t done = 0; done < bytes.size();) {
    const auto n = ::read(fd.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0) return errno_error(path);
    if (n == 0) return error(osvm::errc::truncated, path);
    done += static_cast<std::size_t>(n);
  }
  return parse_genesis(bytes);
}

}  // namespace osvm::ledger
