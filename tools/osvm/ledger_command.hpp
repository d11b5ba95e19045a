// What the ledger commands share: opening, words that are slots, printing JSON that is already text.
#pragma once

#include <osvm/ledger/query.hpp>

#include <string>

#include "context.hpp"

namespace osvm::cli {

struct opened_ledger {
  ledger::blockstore store;
  std::optional<ledger::genesis> genesis;  // nothing where the folder has none
};
// With the side index in `index`, or where that is empty the one that `osvm ledger index` made for it, where
// there is one.
result<opened_ledger> open_ledger(const std::string& folder, const std::string& index = {});
// The folder of the index that open_ledger() would use: `index`, which must be there, or the default one if
// it is; empty: none.
result<std::string> find_index(const std::string& ledger, const std::string& index);
// $XDG_STATE_HOME/osvm/index/<hash of the ledger's path>, or below ~/.local/state.
result<std::string> index_folder(const std::string& ledger);
result<std::string> make_index_folder(const std::string& ledger);
result<ledger::slot_t> parse_slot(const std::string& text);
// --from and --to, both included; an empty `to` is the highest slot there is.
struct slot_range {
  ledger::slot_t from = 0, to = ~ledger::slot_t{0};
};
result<slot_range> parse_slot_range(const std::string& from, const std::string& to);
// --encoding and --details, with --max-version always above what exists.
result<ledger::block_query> make_block_query(const std::string& encoding, const std::string& details);

// JSON text, indented unless --json asks for one line.
void print_json_text(const context& ctx, std::string_view json);
std::string indent_json(std::string_view json);
// Names on stderr what the ledger could not give.
void note_lost(const context& ctx, const ledger::blockstore& store);
void write_lost(solana::json_writer& out, const ledger::blockstore& store);

}  // namespace osvm::cli
