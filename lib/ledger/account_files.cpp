#include "account_files.hpp"

#include <osvm/core/text.hpp>
#include <osvm/ledger/error.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "snapshot/byte_source.hpp"

namespace osvm::ledger {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

error bad_account_file(const char* what) {
  return error(osvm::errc::malformed, std::string("account: ") + what);
}

const json::value* field(const json::object& o, std::string_view name) {
  return o.if_contains(name);
}

result<solana::pubkey> key(const json::object& o, std::string_view name) {
  const auto* v = field(o, name);
  if (!v || !v->is_string()) return bad_account_file("a key is missing");
  return solana::pubkey::parse(v->get_string());
}

result<std::uint64_t> number(const json::object& o, std::string_view name, bool needed) {
  const auto* v = field(o, name);
  if (v && v->is_int64() && v->get_int64() >= 0) return static_cast<std::uint64_t>(v->get_int64());
  if (v && v->is_uint64()) return v->get_uint64();
  if (v && v->is_double()) return ~0ULL;  // 2^64 - 1 as some tools round it
  if (v || needed) return bad_account_file("a number is missing or negative");
  return std::uint64_t{0};
}

result<std::string> data_of(const json::object& account) {
  const auto* v = field(account, "data");
  const auto* pair = v ? v->if_array() : nullptr;
  if (!pair || pair->size() != 2 || !(*pair)[0].is_string() || !(*pair)[1].is_string())
    return bad_account_file("data is no [text, encoding]");
  const std::string_view text = (*pair)[0].get_string(), encoding = (*pair)[1].get_string();
  const auto known = solana::parse_account_encoding(encoding);
  if (!known || *known == solana::account_encoding::binary || *known == solana::account_encoding::json_parsed)
    return bad_account_file("data is neither base64, base58 nor base64+zstd");
  return solana::decode_account_data(text, *known);
}

result<dumped_account> read_one(const json::value& v) {
  const auto* o = v.if_object();
  const auto* inner = o ? field(*o, "account") : nullptr;
  const auto* a = inner ? inner->if_object() : nullptr;
  if (!a) return bad_account_file("no {\"pubkey\",\"account\"} object");
  dumped_account out;
  OSVM_TRY(out.account.address, key(*o, "pubkey"));
  OSVM_TRY(out.account.view.owner, key(*a, "owner"));
  OSVM_TRY(out.account.view.lamports, number(*a, "lamports", true));
  OSVM_TRY(out.account.view.rent_epoch, number(*a, "rentEpoch", false));
  const auto* executable = field(*a, "executable");
  out.account.view.executable = executable && executable->is_bool() && executable->get_bool();
  OSVM_TRY(out.data, data_of(*a));
  return out;
}

// "snapshot-<slot>-…" and "incremental-snapshot-<base>-<slot>-…".
struct archive_name {
  std::string path;
  std::optional<slot_t> base{};
  slot_t slot = 0;
};

bool take_number(std::string_view& text, slot_t& v) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (failed != std::errc{} || end == text.data() + text.size() || *end != '-') return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return true;
}

std::optional<archive_name> read_name(const fs::path& file) {
  const auto whole = file.filename().string();
  std::string_view name = whole;
  if (name.find(".tar") == std::string_view::npos) return std::nullopt;
  archive_name out{.path = file.string()};
  constexpr std::string_view full = "snapshot-", incremental = "incremental-snapshot-";
  if (name.starts_with(incremental)) {
    name.remove_prefix(incremental.size());
    if (!take_number(name, out.base.emplace())) return std::nullopt;
  } else if (name.starts_with(full)) {
    name.remove_prefix(full.size());
  } else {
    return std::nullopt;
  }
  return take_number(name, out.slot) ? std::optional(out) : std::nullopt;
}

const archive_name* newest(const std::vector<archive_name>& list, std::optional<slot_t> base) {
  const archive_name* out = nullptr;
  for (const auto& a : list)
    if (a.base == base && (!out || a.slot > out->slot)) out = &a;
  return out;
}

}  // namespace

result<std::vector<dumped_account>> parse_account_dump(std::string_view text) {
  boost::system::error_code failed;
  const auto v = json::parse({text.data(), text.size()}, failed);
  if (failed) return bad_account_file("not JSON");
  std::vector<dumped_account> out;
  if (const auto* list = v.if_array()) {
    for (const auto& one : *list) {
      OSVM_TRY(auto a, read_one(one));
      out.push_back(std::move(a));
    }
    return out;
  }
  OSVM_TRY(auto a, read_one(v));
  out.push_back(std::move(a));
  return out;
}

result<std::vector<dumped_account>> read_account_dump(const std::string& path, std::size_t max_size) {
  OSVM_TRY(const auto from, open_byte_source(path));
  std::string text;
  char part[16384];
  while (true) {
    OSVM_TRY(const auto n, from->read(part, sizeof part));
    if (n == 0) break;
    text.append(part, n);
    if (text.size() > max_size) return error(osvm::errc::limit_exceeded, path + " is too large");
  }
  auto out = parse_account_dump(text);
  if (!out) return error(out.error().code, path + ": " + out.error().context);
  return out;
}

bool is_incremental_archive(const std::string& path) {
  const auto name = read_name(path);
  return name && name->base;
}

result<std::vector<std::string>> account_files_in(const std::string& folder) {
  std::error_code failed;
  std::vector<std::string> out;
  std::vector<archive_name> archives;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    if (at->path().extension() == ".json") out.push_back(at->path().string());
    if (auto a = read_name(at->path())) archives.push_back(std::move(*a));
  }
  if (failed) return error(failed, folder);
  std::ranges::sort(out);
  if (const auto* full = newest(archives, std::nullopt)) {
    out.push_back(full->path);
    if (const auto* more = newest(archives, full->slot)) out.push_back(more->path);
  }
  return out;
}

}  // namespace osvm::ledger
