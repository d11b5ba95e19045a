#include "ledger_command.hpp"

#include <osvm/core/text.hpp>
#include <osvm/ledger/side_index.hpp>
#include <osvm/solana/hashing.hpp>

#include <charconv>
#include <cstdlib>
#include <filesystem>

namespace osvm::cli {

result<std::string> find_index(const std::string& ledger, const std::string& index) {
  std::error_code failed;
  if (!index.empty()) {
    const auto at = std::filesystem::canonical(index, failed);
    if (failed) return error(failed, printable(index));
    return at.string();
  }
  const auto at = index_folder(ledger);
  const bool there = at && std::filesystem::exists(*at + "/CURRENT", failed);
  return there ? *at : std::string();
}

result<opened_ledger> open_ledger(const std::string& folder, const std::string& index) {
  ledger::blockstore_options options;
  OSVM_TRY(const auto at, find_index(folder, index));
  if (!at.empty()) {
    // One that cannot be opened is no reason not to answer, unless it was asked for.
    auto opened = ledger::side_index::open(at);
    if (!opened && !index.empty()) return opened.error();
    if (opened) options.index = std::make_shared<const ledger::side_index>(std::move(*opened));
  }
  OSVM_TRY(auto store, ledger::blockstore::open(folder, std::move(options)));
  opened_ledger out{std::move(store), std::nullopt};
  auto g = ledger::load_genesis(folder);
  if (g)
    out.genesis = std::move(*g);
  else if (g.error().code != boost::system::errc::no_such_file_or_directory)
    return g.error();
  return out;
}

result<std::string> index_folder(const std::string& ledger) {
  std::error_code failed;
  const auto path = std::filesystem::canonical(ledger, failed);
  if (failed) return error(failed, printable(ledger));
  const char *state = std::getenv("XDG_STATE_HOME"), *home = std::getenv("HOME");
  std::filesystem::path base;
  if (state && *state == '/')
    base = state;
  else if (home && *home == '/')
    base = std::filesystem::path(home) / ".local/state";
  else
    return error(errc::not_found, "neither XDG_STATE_HOME nor HOME says where to keep an index");
  const auto name = solana::sha256(as_bytes(path.string())).to_string().substr(0, 16);
  return (base / "osvm/index" / name).string();
}

result<std::string> make_index_folder(const std::string& ledger) {
  OSVM_TRY(auto at, index_folder(ledger));
  std::error_code failed;
  std::filesystem::create_directories(at, failed);
  if (failed) return error(failed, printable(at));
  return at;
}

result<ledger::slot_t> parse_slot(const std::string& text) {
  ledger::slot_t slot = 0;
  const auto [end, e] = std::from_chars(text.data(), text.data() + text.size(), slot);
  if (e != std::errc{} || end != text.data() + text.size() || text.empty())
    return error(errc::invalid_argument, "a slot is a number, not '" + printable(text) + "'");
  return slot;
}

result<slot_range> parse_slot_range(const std::string& from, const std::string& to) {
  slot_range out;
  OSVM_TRY(out.from, parse_slot(from));
  if (to.empty()) return out;
  OSVM_TRY(out.to, parse_slot(to));
  return out;
}

result<ledger::block_query> make_block_query(const std::string& encoding, const std::string& details) {
  ledger::block_query out;
  const auto e = solana::parse_encoding(encoding);
  const auto d = solana::parse_details(details);
  if (!e) return error(errc::invalid_argument, "--encoding: json, jsonParsed, base64, base58");
  if (!d) return error(errc::invalid_argument, "--details: full, accounts, signatures, none");
  out.encode.encoding = *e;
  out.encode.max_version = 255;
  out.details = *d;
  out.level = ledger::commitment::confirmed;
  return out;
}

std::string indent_json(std::string_view json) {
  std::string out;
  std::size_t depth = 0;
  bool quoted = false;
  auto line = [&] { out += "\n" + std::string(2 * depth, ' '); };
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted) {
      out += c;
      if (c == '\\' && i + 1 < json.size()) out += json[++i];
      if (c == '"') quoted = false;
      continue;
    }
    if (c == '"') quoted = true;
    const bool closes = c == '}' || c == ']', opens = c == '{' || c == '[';
    if (closes) {
      --depth;
      if (json[i - 1] != '{' && json[i - 1] != '[') line();
    }
    out += c;
    if (c == ':') out += ' ';
    if (c == ',') line();
    if (opens) {
      ++depth;
      if (i + 1 < json.size() && json[i + 1] != '}' && json[i + 1] != ']') line();
    }
  }
  return out;
}

void print_json_text(const context& ctx, std::string_view json) {
  ctx.print(ctx.json() ? std::string(json) + "\n" : indent_json(json) + "\n");
}

void note_lost(const context& ctx, const ledger::blockstore& store) {
  for (const auto& l : store.database().lost())
    ctx.note("not readable: " + l.file + (l.column.empty() ? "" : " of column " + l.column) + ": " +
             printable(l.reason));
}

void write_lost(solana::json_writer& out, const ledger::blockstore& store) {
  out.key("lost");
  out.begin_array();
  for (const auto& l : store.database().lost()) {
    out.begin_object();
    out.field("column", std::string_view(l.column));
    out.field("file", std::string_view(l.file));
    out.key("smallest");
    out.base58(as_bytes(l.smallest));
    out.key("largest");
    out.base58(as_bytes(l.largest));
    out.field("reason", std::string_view(l.reason));
    out.end_object();
  }
  out.end_array();
}

}  // namespace osvm::cli
