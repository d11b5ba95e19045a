#include <osvm/core/text.hpp>
#include <osvm/ledger/error.hpp>
#include <osvm/ledger/snapshot.hpp>

#include <charconv>

#include "solana/argument_reader.hpp"
#include "tar.hpp"

namespace osvm::ledger {
namespace {

std::optional<std::uint64_t> digits(std::string_view text) {
  std::uint64_t v = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (failed != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return v;
}

// Two numbers around `between`: "100.3", "100/100".
std::optional<std::pair<std::uint64_t, std::uint64_t>> two_numbers(std::string_view text, char between) {
  const auto at = text.find(between);
  if (at == std::string_view::npos) return std::nullopt;
  const auto first = digits(text.substr(0, at)), second = digits(text.substr(at + 1));
  if (!first || !second) return std::nullopt;
  return std::pair(*first, *second);
}

class archive_reader {
 public:
  archive_reader(byte_source& from, const snapshot_visitor& visit, const snapshot_limits& limits)
      : from_(from), visit_(visit), limits_(limits) {}

  result<std::uint64_t> entry(const tar_entry& e) {
    total_ += e.size;
    if (total_ > limits_.max_bytes)
      return error(osvm::errc::limit_exceeded, "snapshot: more bytes than the limit allows");
    const auto path = std::string_view(e.name).starts_with("./") ? e.name.substr(2) : e.name;
    if (e.directory) return std::uint64_t{0};
    if (path == "version") return version(e);
    if (path.starts_with("snapshots/")) {
      const auto slots = two_numbers(path.substr(10), '/');
      if (slots && slots->first == slots->second) return manifest(e);
    }
    if (path.starts_with("accounts/")) return storage(e, path.substr(9));
    return std::uint64_t{0};
  }
  result<> finish() const {
    if (!have_manifest_) return error(errc::corrupt, "snapshot: no manifest in the archive");
    return {};
  }

 private:
  result<std::string> take(const tar_entry& e, std::size_t most) {
    if (e.size > most)
      return error(osvm::errc::limit_exceeded,
                   "snapshot: " + printable(e.name) + " is larger than the limit");
    std::string bytes;
    for (constexpr std::uint64_t step = 16 << 20; bytes.size() < e.size;) {  // a false size costs no memory
      const auto part = std::min<std::uint64_t>(step, e.size - bytes.size());
      const auto at = bytes.size();
      bytes.resize(at + part);
      OSVM_CHECK(from_.read_all(bytes.data() + at, part));
    }
    return bytes;
  }
  result<std::uint64_t> version(const tar_entry& e) {
    OSVM_TRY(auto text, take(e, 64));
    while (!text.empty() && text.back() == '\n') text.pop_back();
    if (text != "1.2.0")
      return error(errc::unsupported_format, "snapshot: version " + printable(text) + "; 1.2.0 is read");
    return e.size;
  }
  result<std::uint64_t> manifest(const tar_entry& e) {
    OSVM_TRY(const auto bytes, take(e, limits_.max_manifest));
    OSVM_TRY(auto m, parse_manifest(as_bytes(bytes)));
    storages_ = m.storages;
    have_manifest_ = true;
    if (visit_.manifest) OSVM_CHECK(visit_.manifest(std::move(m)));
    return e.size;
  }
  result<std::uint64_t> storage(const tar_entry& e, std::string_view name) {
    const auto numbers = two_numbers(name, '.');
    if (!numbers) return error(errc::corrupt, "snapshot: a storage named " + printable(e.name));
    if (!have_manifest_) return error(errc::corrupt, "snapshot: accounts before the manifest");
    const auto known = storages_.find(*numbers);
    if (known == storages_.end()) return std::uint64_t{0};  // validators drop what the manifest lacks
    if (known->second > e.size)
      return error(errc::corrupt, "snapshot: " + printable(e.name) + " is shorter than the manifest says");
    OSVM_TRY(auto bytes, take(e, limits_.max_storage));
    bytes.resize(known->second);
    if (visit_.storage) OSVM_CHECK(visit_.storage(numbers->first, std::move(bytes)));
    return e.size;
  }

  byte_source& from_;
  const snapshot_visitor& visit_;
  const snapshot_limits& limits_;
  std::uint64_t total_ = 0;
  bool have_manifest_ = false;
  std::map<std::pair<slot_t, std::uint64_t>, std::uint64_t> storages_;
};

}  // namespace

result<> read_snapshot(const std::string& path, const snapshot_visitor& visit, snapshot_limits limits) {
  OSVM_TRY(const auto from, open_byte_source(path));
  archive_reader reader(*from, visit, limits);
  OSVM_CHECK(each_tar_entry(*from, limits.max_entries, [&](const tar_entry& e) { return reader.entry(e); }));
  return reader.finish();
}

result<> each_record(bytes_view storage, slot_t slot,
                     const std::function<void(const stored_record&)>& visit) {
  constexpr std::size_t header = 136;
  while (!storage.empty()) {
    solana::argument_reader in(storage);
    stored_record r{.slot = slot, .address = {}, .owner = {}};
    in.number<std::uint64_t>();  // write version
    const auto size = in.number<std::uint64_t>();
    r.address = in.key();
    r.lamports = in.number<std::uint64_t>();
    r.rent_epoch = in.number<std::uint64_t>();
    r.owner = in.key();
    r.executable = in.number<std::uint8_t>() != 0;
    in.take(7 + 32);  // padding and a hash that is not used any more
    r.data = in.take(size);
    if (!in.ok()) return error(errc::corrupt, "snapshot: a record that does not fit its storage");
    visit(r);
    const auto length = (header + size + 7) / 8 * 8;  // the last record may lack its padding
    storage = storage.subspan(std::min<std::size_t>(length, storage.size()));
  }
  return {};
}

}  // namespace osvm::ledger
