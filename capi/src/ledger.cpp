// osvm_ledger.h over osvm/ledger.
#include <osvm_ledger.h>

#include <osvm/ledger/account_store.hpp>
#include <osvm/ledger/query.hpp>

#include <deque>

#include "guard.hpp"
#include "versioned.hpp"

namespace led = osvm::ledger;
namespace sol = osvm::solana;
using namespace osvm::capi;

namespace {

struct opened {
  led::blockstore store;
  std::optional<led::genesis> genesis;
};

}  // namespace

// Iterators share what they read from, so that handles may be freed in any order.
struct osvm_ledger {
  std::shared_ptr<opened> in;
};
struct osvm_ledger_slots {
  std::shared_ptr<opened> in;
  std::deque<led::slot_meta> ahead;
  std::uint64_t next = 0;
  bool at_end = false;
};
struct osvm_ledger_block {
  std::shared_ptr<const led::block> block;
  sol::hash hash;
};
struct osvm_ledger_accounts {
  led::account_store store;
};

namespace {

static_assert(OSVM_LEDGER_CORRUPT == static_cast<int>(led::errc::corrupt));
static_assert(OSVM_LEDGER_UNSUPPORTED_FORMAT == static_cast<int>(led::errc::unsupported_format));
static_assert(OSVM_LEDGER_LOST == static_cast<int>(led::errc::lost));
static_assert(OSVM_LEDGER_NOT_A_LEDGER == static_cast<int>(led::errc::not_a_ledger));
static_assert(OSVM_LEDGER_NO_SUCH_COLUMN == static_cast<int>(led::errc::no_such_column));
static_assert(OSVM_LEDGER_SKIPPED == static_cast<int>(led::errc::skipped));
static_assert(OSVM_LEDGER_INCOMPLETE == static_cast<int>(led::errc::incomplete));
static_assert(OSVM_LEDGER_DEAD == static_cast<int>(led::errc::dead));
static_assert(OSVM_LEDGER_NOT_ROOTED == static_cast<int>(led::errc::not_rooted));
static_assert(OSVM_LEDGER_CLEANED_UP == static_cast<int>(led::errc::cleaned_up));

constexpr uint32_t bit(bool set, unsigned value) {
  return set ? value : 0;
}

osvm::error bad_query(const char* field, const char* choices) {
  return osvm::error(osvm::errc::invalid_argument,
                     std::string("osvm_ledger_query.") + field + ": " + choices);
}

osvm_ledger_query default_query() {
  osvm_ledger_query q{};
  q.limit = 1000;
  return q;
}

struct queries {
  led::block_query block;
  led::signatures_query signatures;
};
osvm::result<queries> read_query(const osvm_ledger_query* query) {
  OSVM_TRY(const auto q, read_versioned(query, default_query(), "osvm_ledger_query"));
  const auto encoding = sol::parse_encoding(q.encoding ? q.encoding : "json");
  const auto details = sol::parse_details(q.details ? q.details : "full");
  const auto level = led::parse_commitment(q.commitment ? q.commitment : "finalized");
  if (!encoding) return bad_query("encoding", "json, jsonParsed, base64, base58");
  if (!details) return bad_query("details", "full, accounts, signatures, none");
  if (!level || *level == led::commitment::processed) return bad_query("commitment", "finalized, confirmed");
  if (q.limit == 0) return bad_query("limit", "at least 1");
  queries out;
  out.block.encode.encoding = *encoding;
  out.block.encode.max_version = 255;
  out.block.details = *details;
  out.block.level = out.signatures.level = *level;
  out.signatures.limit = q.limit;
  return out;
}

// Some slots at a time: a callback cannot wait for the caller's next step.
osvm::result<void> fill(osvm_ledger_slots& s) {
  constexpr std::size_t step = 256;
  if (!s.ahead.empty() || s.at_end) return {};
  OSVM_CHECK(s.in->store.each_meta(s.next, [&](const led::slot_meta& m) {
    s.ahead.push_back(m);
    return s.ahead.size() < step;
  }));
  s.at_end = s.ahead.size() < step || s.ahead.back().slot == ~0ULL;
  if (!s.ahead.empty()) s.next = s.ahead.back().slot + 1;
  return {};
}

osvm::result<osvm_ledger_slot> describe(const led::blockstore& store, const led::slot_meta& m) {
  OSVM_TRY(const bool root, store.is_root(m.slot));
  OSVM_TRY(const bool dead, store.is_dead(m.slot));
  osvm_ledger_slot out{};
  out.slot = m.slot, out.parent = m.parent.value_or(0), out.shreds = m.consumed;
  out.flags = bit(m.full(), OSVM_LEDGER_SLOT_FULL) | bit(root, OSVM_LEDGER_SLOT_ROOT) |
              bit(dead, OSVM_LEDGER_SLOT_DEAD) | bit(m.parent.has_value(), OSVM_LEDGER_SLOT_HAS_PARENT);
  return out;
}

template <class T>
T bytes_as(const uint8_t* bytes) {
  T out;
  std::memcpy(out.bytes.data(), bytes, T::size);
  return out;
}

}  // namespace

extern "C" {

osvm_error* osvm_ledger_open(const char* folder, osvm_ledger** out_ledger) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(folder);
    OSVM_REQUIRE(out_ledger);
    OSVM_TRY(auto store, led::blockstore::open(folder));
    auto genesis = led::load_genesis(folder);
    if (!genesis && genesis.error().code != boost::system::errc::no_such_file_or_directory)
      return genesis.error();
    auto in = std::make_shared<opened>(
        opened{std::move(store), genesis ? std::optional(std::move(*genesis)) : std::nullopt});
    *out_ledger = new osvm_ledger{std::move(in)};
    return {};
  });
}

osvm_error* osvm_ledger_refresh(osvm_ledger* ledger, int* out_changed) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(ledger);
    OSVM_TRY(const bool changed, ledger->in->store.refresh());
    if (out_changed) *out_changed = changed ? 1 : 0;
    return {};
  });
}

void osvm_ledger_free(osvm_ledger* ledger) {
  delete ledger;
}

void osvm_ledger_bounds_init(osvm_ledger_bounds* bounds, uint32_t struct_size) {
  init_versioned(bounds, struct_size, osvm_ledger_bounds{});
}

osvm_error* osvm_ledger_get_bounds(const osvm_ledger* ledger, osvm_ledger_bounds* out_bounds) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(ledger);
    OSVM_REQUIRE(out_bounds);
    const auto b = ledger->in->store.bounds();
    osvm_ledger_bounds out{};
    out.known = bit(b->lowest && b->highest, OSVM_LEDGER_KNOWS_SLOTS) |
                bit(b->highest_full.has_value(), OSVM_LEDGER_KNOWS_FULL) |
                bit(b->first_root && b->last_root, OSVM_LEDGER_KNOWS_ROOTS) |
                bit(b->last_confirmed.has_value(), OSVM_LEDGER_KNOWS_CONFIRMED);
    out.lowest = b->lowest.value_or(0), out.highest = b->highest.value_or(0);
    out.highest_full = b->highest_full.value_or(0);
    out.first_root = b->first_root.value_or(0), out.last_root = b->last_root.value_or(0);
    out.last_confirmed = b->last_confirmed.value_or(0);
    out.first_available = b->first_available;
    return write_versioned(out_bounds, out, "osvm_ledger_bounds");
  });
}

osvm_error* osvm_ledger_lost_json(const osvm_ledger* ledger, char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(ledger);
    OSVM_REQUIRE(out_json);
    std::string text;
    sol::json_writer out(text);
    out.begin_array();
    for (const auto& l : ledger->in->store.database().lost()) {
      out.begin_object();
      out.field("column", std::string_view(l.column));
      out.field("file", std::string_view(l.file));
      out.field("reason", std::string_view(l.reason));
      out.end_object();
    }
    out.end_array();
    *out_json = copy_string(text);
    return {};
  });
}

void osvm_ledger_slot_init(osvm_ledger_slot* slot, uint32_t struct_size) {
  init_versioned(slot, struct_size, osvm_ledger_slot{});
}

osvm_error* osvm_ledger_slots_new(const osvm_ledger* ledger, uint64_t first, osvm_ledger_slots** out_slots) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(ledger);
    OSVM_REQUIRE(out_slots);
    *out_slots = new osvm_ledger_slots{ledger->in, {}, first, false};
    return {};
  });
}

osvm_error* osvm_ledger_slots_next(osvm_ledger_slots* slots, osvm_ledger_slot* out_slot, int* out_more) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(slots);
    OSVM_REQUIRE(out_slot);
    OSVM_REQUIRE(out_more);
    OSVM_CHECK(fill(*slots));
    if (slots->ahead.empty()) return *out_more = 0, osvm::result<void>();
    OSVM_TRY(const auto described, describe(slots->in->store, slots->ahead.front()));
    OSVM_CHECK(write_versioned(out_slot, described, "osvm_ledger_slot"));
    slots->ahead.pop_front();
    *out_more = 1;
    return {};
  });
}

void osvm_ledger_slots_free(osvm_ledger_slots* slots) {
  delete slots;
}

osvm_error* osvm_ledger_block_read(const osvm_ledger* ledger, uint64_t slot, osvm_ledger_block** out_block) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(ledger);
    OSVM_REQUIRE(out_block);
    OSVM_TRY(auto block, ledger->in->store.read_block(slot));
    const auto hash = block->blockhash();
    *out_block = new osvm_ledger_block{std::move(block), hash};
    return {};
  });
}

uint64_t osvm_ledger_block_parent(const osvm_ledger_block* block) {
  return block ? block->block->parent() : 0;
}
const uint8_t* osvm_ledger_block_hash(const osvm_ledger_block* block) {
  return block ? block->hash.data() : nullptr;
}
size_t osvm_ledger_block_transactions(const osvm_ledger_block* block) {
  return block ? block->block->transactions().size() : 0;
}

osvm_error* osvm_ledger_block_transaction(const osvm_ledger_block* block, size_t index,
                                          osvm_ledger_transaction* out_transaction) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(block);
    OSVM_REQUIRE(out_transaction);
    const auto& all = block->block->transactions();
    if (index >= all.size()) return osvm::error(osvm::errc::not_found, "the block has fewer transactions");
    const auto wire = block->block->wire(index);
    const auto& signatures = all[index].signatures;
    out_transaction->wire = reinterpret_cast<const uint8_t*>(wire.data());
    out_transaction->size = wire.size();
    out_transaction->signature = signatures.empty() ? nullptr : signatures[0].data();
    return {};
  });
}

void osvm_ledger_block_free(osvm_ledger_block* block) {
  delete block;
}

void osvm_ledger_query_init(osvm_ledger_query* query, uint32_t struct_size) {
  init_versioned(query, struct_size, default_query());
}

osvm_error* osvm_ledger_block_json(const osvm_ledger* ledger, uint64_t slot, const osvm_ledger_query* query,
                                   char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(ledger);
    OSVM_REQUIRE(out_json);
    OSVM_TRY(const auto q, read_query(query));
    OSVM_TRY(const auto text, led::block_json(ledger->in->store, ledger->in->genesis, slot, q.block));
    *out_json = copy_string(text);
    return {};
  });
}

osvm_error* osvm_ledger_transaction_json(const osvm_ledger* ledger, const uint8_t* signature,
                                         const osvm_ledger_query* query, char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(ledger);
    OSVM_REQUIRE(signature);
    OSVM_REQUIRE(out_json);
    OSVM_TRY(const auto q, read_query(query));
    const auto s = bytes_as<sol::signature>(signature);
    OSVM_TRY(const auto text, led::transaction_json(ledger->in->store, ledger->in->genesis, s, q.block));
    if (text == "null")
      return osvm::error(osvm::errc::not_found, "no settled transaction has that signature in this ledger");
    *out_json = copy_string(text);
    return {};
  });
}

osvm_error* osvm_ledger_signatures_json(const osvm_ledger* ledger, const uint8_t* address,
                                        const osvm_ledger_query* query, char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(ledger);
    OSVM_REQUIRE(address);
    OSVM_REQUIRE(out_json);
    OSVM_TRY(const auto q, read_query(query));
    const auto key = bytes_as<sol::pubkey>(address);
    OSVM_TRY(const auto text,
             led::signatures_json(ledger->in->store, ledger->in->genesis, key, q.signatures));
    *out_json = copy_string(text);
    return {};
  });
}

osvm_error* osvm_ledger_accounts_load(const char* const* paths, size_t count,
                                      osvm_ledger_accounts** out_accounts) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(out_accounts);
    if (count != 0) OSVM_REQUIRE(paths);
    std::vector<std::string> list;
    for (size_t i = 0; i < count; ++i) {
      if (!paths[i]) return null_argument("paths");
      list.emplace_back(paths[i]);
    }
    OSVM_TRY(auto store, led::account_store::load(list));
    *out_accounts = new osvm_ledger_accounts{std::move(store)};
    return {};
  });
}

size_t osvm_ledger_accounts_count(const osvm_ledger_accounts* accounts) {
  return accounts ? accounts->store.size() : 0;
}

osvm_error* osvm_ledger_account_json(const osvm_ledger_accounts* accounts, const uint8_t* address,
                                     const char* encoding, char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(accounts);
    OSVM_REQUIRE(address);
    OSVM_REQUIRE(out_json);
    const auto how = sol::parse_account_encoding(encoding ? encoding : "jsonParsed");
    if (!how)
      return osvm::error(osvm::errc::invalid_argument, "encoding: jsonParsed, base64, base58, base64+zstd");
    const auto* a = accounts->store.find(bytes_as<sol::pubkey>(address));
    if (!a) return osvm::error(osvm::errc::not_found, "no such account there");
    std::string text;
    sol::json_writer out(text);
    sol::write_account(out, a->address, a->view, *how, {}, accounts->store.context_of(*a));
    *out_json = copy_string(text);
    return {};
  });
}

void osvm_ledger_accounts_free(osvm_ledger_accounts* accounts) {
  delete accounts;
}

}  // extern "C"
