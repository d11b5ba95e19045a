#include "library.hpp"

#include <algorithm>
#include <array>

namespace osvm::audit {
namespace {

bool has_segment(std::string_view path, std::string_view segment) {
  for (std::size_t at = path.find(segment); at != std::string_view::npos; at = path.find(segment, at + 1)) {
    const bool left = at == 0 || path[at - 1] == ':';
    const auto end = at + segment.size();
    if (left && (end == path.size() || path[end] == ':')) return true;
  }
  return false;
}

std::string_view tail(std::string_view path) {
  const auto colon = path.rfind("::");
  return colon == std::string_view::npos ? path : path.substr(colon + 2);
}

// Token builders take the program's id first and, since 3.1.1, refuse others; system builders have a fixed
// one.
constexpr builder_row builders[] = {
    {"spl_token", "transfer", "", 3},
    {"spl_token", "transfer_checked", "", 4},
    {"spl_token", "mint_to", "", 3},
    {"spl_token", "mint_to_checked", "", 3},
    {"spl_token", "burn", "", 3},
    {"spl_token", "burn_checked", "", 3},
    {"spl_token", "approve", "", 3},
    {"spl_token", "approve_checked", "", 4},
    {"spl_token", "revoke", "", 2},
    {"spl_token", "set_authority", "", 4},
    {"spl_token", "close_account", "", 3},
    {"spl_token", "freeze_account", "", 3},
    {"spl_token", "thaw_account", "", 3},
    {"spl_token", "sync_native", "", -1},
    {"spl_token", "initialize_account", "", -1},
    {"spl_token", "initialize_account2", "", -1},
    {"spl_token", "initialize_account3", "", -1},
    {"spl_token", "initialize_mint", "", -1},
    {"spl_token", "initialize_mint2", "", -1},
    {"spl_token", "initialize_multisig", "", -1},
    {"spl_token_2022", "transfer", "", 3},
    {"spl_token_2022", "transfer_checked", "", 4},
    {"spl_token_2022", "mint_to", "", 3},
    {"spl_token_2022", "mint_to_checked", "", 3},
    {"spl_token_2022", "burn", "", 3},
    {"spl_token_2022", "burn_checked", "", 3},
    {"spl_token_2022", "approve", "", 3},
    {"spl_token_2022", "set_authority", "", 4},
    {"spl_token_2022", "close_account", "", 3},
    {"spl_token_2022", "freeze_account", "", 3},
    {"spl_token_2022", "thaw_account", "", 3},
    {"spl_token_2022", "initialize_account", "", -1},
    {"spl_token_2022", "initialize_account3", "", -1},
    {"spl_token_2022", "initialize_mint", "", -1},
    {"spl_token_2022", "initialize_mint2", "", -1},
    {"system_instruction", "transfer", "system_program::ID", 0},
    {"system_instruction", "create_account", "system_program::ID", 0, 1},
    {"system_instruction", "create_account_with_seed", "system_program::ID", 0},
    {"system_instruction", "allocate", "system_program::ID", 0},
    {"system_instruction", "assign", "system_program::ID", 0},
    {"system_instruction", "advance_nonce_account", "system_program::ID", 1},
    {"system_instruction", "withdraw_nonce_account", "system_program::ID", 1},
    {"spl_associated_token_account", "create_associated_token_account", "spl_associated_token_account::ID",
     0},
    {"spl_associated_token_account", "create_associated_token_account_idempotent",
     "spl_associated_token_account::ID", 0},
    {"spl_memo", "build_memo", "spl_memo::ID", -1},
    {"stake", "authorize", "stake::program::ID", 1},
    {"stake", "split", "stake::program::ID", 1},
    {"stake", "withdraw", "stake::program::ID", 1},
    {"stake", "deactivate_stake", "stake::program::ID", 1},
    {"stake", "delegate_stake", "stake::program::ID", 1},
    {"bpf_loader_upgradeable", "upgrade", "bpf_loader_upgradeable::ID", 2},
    {"bpf_loader_upgradeable", "set_upgrade_authority", "bpf_loader_upgradeable::ID", 1},
};

template <std::size_t N>
bool among(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::array<std::string_view, 79> transparent_names = {"then_some",
                                                                "clone",
                                                                "cloned",
                                                                "copied",
                                                                "as_ref",
                                                                "as_mut",
                                                                "borrow",
                                                                "borrow_mut",
                                                                "unwrap",
                                                                "expect",
                                                                "into",
                                                                "try_into",
                                                                "to_owned",
                                                                "to_account_info",
                                                                "to_account_infos",
                                                                "as_account_info",
                                                                "deref",
                                                                "deref_mut",
                                                                "iter",
                                                                "iter_mut",
                                                                "into_iter",
                                                                "to_bytes",
                                                                "to_vec",
                                                                "as_slice",
                                                                "as_mut_slice",
                                                                "as_bytes",
                                                                "to_le_bytes",
                                                                "to_be_bytes",
                                                                "as_seed",
                                                                "try_borrow",
                                                                "try_borrow_mut",
                                                                "unwrap_or_default",
                                                                "as_deref",
                                                                "as_deref_mut",
                                                                "into_inner",
                                                                "get_mut_unchecked",
                                                                "as_array",
                                                                "inner",
                                                                "to_string",
                                                                "peekable",
                                                                "enumerate",
                                                                "rev",
                                                                "skip",
                                                                "take",
                                                                "into_boxed_slice",
                                                                "as_key",
                                                                "by_ref",
                                                                "collect",
                                                                "ok",
                                                                "flatten",
                                                                "to_pubkey",
                                                                "as_ptr",
                                                                "as_mut_ptr",
                                                                "get_lamports",
                                                                "info",
                                                                "account_info",
                                                                "as_key_ref",
                                                                "address_ref",
                                                                "account",
                                                                "unchecked",
                                                                "load_unchecked_ref",
                                                                "into_ref",
                                                                "get_ref",
                                                                "split_at",
                                                                "split_at_mut",
                                                                "chunks_exact",
                                                                "chunks",
                                                                "zip",
                                                                "cycle",
                                                                "step_by",
                                                                "last",
                                                                "as_str",
                                                                "drain",
                                                                "unwrap_unchecked",
                                                                "into_iter_mut",
                                                                "as_info",
                                                                "to_base",
                                                                "base",
                                                                "as_account_view"};
constexpr std::array<std::string_view, 9> receiver_names = {
    "map_err", "ok_or", "ok_or_else", "unwrap_or_else", "inspect", "inspect_err", "context", "or", "or_else"};
constexpr std::array<std::string_view, 7> closure_names = {"map",          "and_then",   "then",  "for_each",
                                                           "try_for_each", "filter_map", "map_or"};
constexpr std::array<std::string_view, 12> data_names = {"try_borrow_data",
                                                         "try_borrow_mut_data",
                                                         "borrow_data",
                                                         "borrow_mut_data",
                                                         "borrow_data_unchecked",
                                                         "borrow_mut_data_unchecked",
                                                         "try_borrow_account_data",
                                                         "data_mut",
                                                         "borrow_unchecked",
                                                         "borrow_unchecked_mut",
                                                         "unchecked_borrow_data",
                                                         "unchecked_borrow_mut_data"};
constexpr std::array<std::string_view, 7> lamport_names = {"lamports",
                                                           "try_lamports",
                                                           "try_borrow_lamports",
                                                           "try_borrow_mut_lamports",
                                                           "borrow_mut_lamports_unchecked",
                                                           "borrow_lamports_unchecked",
                                                           "get_lamports"};
constexpr std::array<std::string_view, 28> parse_names = {"unpack",
                                                          "unpack_unchecked",
                                                          "unpack_from_slice",
                                                          "try_from_slice",
                                                          "try_from_slice_unchecked",
                                                          "deserialize",
                                                          "deserialize_unchecked",
                                                          "from_bytes",
                                                          "from_bytes_mut",
                                                          "try_from_bytes",
                                                          "try_from_bytes_mut",
                                                          "from_slice",
                                                          "load",
                                                          "load_mut",
                                                          "load_unchecked",
                                                          "load_mut_unchecked",
                                                          "load_from_bytes",
                                                          "load_mut_bytes",
                                                          "load_bytes",
                                                          "try_deserialize_unchecked",
                                                          "deserialize_reader",
                                                          "try_from_slice_with_schema",
                                                          "pod_from_bytes",
                                                          "pod_from_bytes_mut",
                                                          "pod_read_unaligned",
                                                          "unpack_mut",
                                                          "from_account_data",
                                                          "read"};
constexpr std::array<std::string_view, 9> tagged_names = {
    "try_deserialize",      "from_account_info", "from_account_view", "try_from_account_info",
    "try_from_unchecked",   "unpack_and_check",  "safe_deserialize",  "from_account_info_with_check",
    "try_from_account_data"};
constexpr std::array<std::string_view, 22> writer_names = {
    "serialize",      "try_serialize", "pack_into_slice", "pack",
    "write_all",      "write",         "copy_from_slice", "clone_from_slice",
    "fill",           "sol_memset",    "sol_memcpy",      "sol_memmove",
    "serialize_into", "to_writer",     "into_bytes",      "save",
    "store",          "exit",          "set_data",        "copy_within",
    "set_inner",      "write_to"};
constexpr std::array<std::string_view, 50> std_names = {
    "len",          "is_empty", "get",      "get_mut", "push",      "pop",   "insert",  "remove", "contains",
    "contains_key", "find",     "position", "any",     "all",       "sum",   "min",     "max",    "abs",
    "pow",          "sqrt",     "cmp",      "eq",      "ne",        "lt",    "gt",      "le",     "ge",
    "is_some",      "is_none",  "is_ok",    "is_err",  "unwrap_or", "next",  "fold",    "filter", "extend",
    "sort",         "sort_by",  "retain",   "clear",   "truncate",  "first", "replace", "swap",   "default",
    "new",          "count",    "nth",      "log",     "key"};

}  // namespace

const builder_row* find_builder(std::string_view path) noexcept {
  const auto name = tail(path);
  const builder_row* named = nullptr;
  for (const auto& row : builders) {
    if (row.name != name) continue;
    if (has_segment(path, row.module)) return &row;
    // The same builders under other crates' names: solana_system_interface::instruction,
    // token_2022::instruction.
    const bool other = path.find("system") != std::string_view::npos && has_segment(path, "instruction");
    if (row.module == "system_instruction" && (other || has_segment(path, "system_program"))) named = &row;
    if (row.module == "spl_token" && path.find("token") != std::string_view::npos &&
        has_segment(path, "instruction"))
      named = &row;
  }
  return named;
}

bool signer_role(std::string_view field, std::string_view called) noexcept {
  if (field == "authority" || field == "owner" || field == "payer" || field == "funder" ||
      field == "funding" || field == "mint_authority" || field == "current_authority" ||
      field == "update_authority" || field == "freeze_authority" || field == "user" || field == "signer")
    return true;
  return field == "from" &&
         (called == "transfer" || called == "create_account" || called == "transfer_with_seed");
}

method_class classify_method(std::string_view name) noexcept {
  if (among(name, data_names)) return method_class::data;
  if (among(name, lamport_names)) return method_class::lamports;
  if (among(name, transparent_names)) return method_class::transparent;
  if (among(name, receiver_names)) return method_class::receiver;
  if (among(name, closure_names)) return method_class::first_closure;
  if (among(name, writer_names)) return method_class::writer;
  return method_class::none;
}

method_class classify_function(std::string_view name) noexcept {
  if (among(name, tagged_names)) return method_class::tagged_parse;
  if (among(name, parse_names) || name.starts_with("try_from_slice") || name.starts_with("load_") ||
      name.starts_with("unpack"))
    return method_class::parse;
  if (among(name, writer_names)) return method_class::writer;
  return method_class::none;
}

bool is_std_method(std::string_view name) noexcept {
  return among(name, std_names);
}

bool self_describing(std::string_view type) noexcept {
  return type == "Account" || type == "Mint" || type == "TokenAccount" || type == "Multisig" ||
         type == "SplTokenAccount";
}

bool sounds_like_check(std::string_view name) noexcept {
  for (const std::string_view word :
       {"assert", "check", "verify", "validate", "require", "ensure", "expect_"})
    if (name.find(word) != std::string_view::npos && !name.starts_with("checked_") && name != "unchecked")
      return true;
  return false;
}

}  // namespace osvm::audit
