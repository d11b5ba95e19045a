/* A Solana validator's ledger, read-only and beside the running validator: slots, blocks, transactions; and
 * accounts of snapshots and dumped files. JSON texts have the shapes of a validator's JSON-RPC.
 * Conventions: see osvm.h. */
#ifndef OSVM_LEDGER_H
#define OSVM_LEDGER_H

#include "osvm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Codes of the domain "osvm.ledger". */
enum {
  OSVM_LEDGER_CORRUPT = 1,
  OSVM_LEDGER_UNSUPPORTED_FORMAT = 2,
  OSVM_LEDGER_LOST = 3, /* the row lies in a missing or damaged file */
  OSVM_LEDGER_NOT_A_LEDGER = 4,
  OSVM_LEDGER_NO_SUCH_COLUMN = 5,
  OSVM_LEDGER_SKIPPED = 6, /* the slot has no block */
  OSVM_LEDGER_INCOMPLETE = 7,
  OSVM_LEDGER_DEAD = 8,
  OSVM_LEDGER_NOT_ROOTED = 9,
  OSVM_LEDGER_CLEANED_UP = 10
};

typedef struct osvm_ledger osvm_ledger;

/* The ledger folder, or its database folder. Takes no lock and writes nothing. */
OSVM_API osvm_error* osvm_ledger_open(const char* folder, osvm_ledger** out_ledger);
/* Takes over what a running validator has added; 1 when something had. */
OSVM_API osvm_error* osvm_ledger_refresh(osvm_ledger* ledger, int* out_changed);
/* Slots, blocks and iterators that came from it stay valid. */
OSVM_API void osvm_ledger_free(osvm_ledger* ledger);

/* Bits of osvm_ledger_bounds.known: which of the fields say something. */
enum {
  OSVM_LEDGER_KNOWS_SLOTS = 1, /* lowest, highest */
  OSVM_LEDGER_KNOWS_FULL = 2,
  OSVM_LEDGER_KNOWS_ROOTS = 4, /* first_root, last_root */
  OSVM_LEDGER_KNOWS_CONFIRMED = 8
};

typedef struct osvm_ledger_bounds {
  uint32_t struct_size;
  uint32_t known;
  uint64_t lowest, highest;
  uint64_t highest_full;
  uint64_t first_root, last_root;
  uint64_t last_confirmed;
  uint64_t first_available; /* the first block that can be served with its parent's hash */
} osvm_ledger_bounds;

OSVM_API void osvm_ledger_bounds_init(osvm_ledger_bounds* bounds, uint32_t struct_size);
OSVM_API osvm_error* osvm_ledger_get_bounds(const osvm_ledger* ledger, osvm_ledger_bounds* out_bounds);
/* A JSON array of what the ledger could not give: files, their columns and the reasons. */
OSVM_API osvm_error* osvm_ledger_lost_json(const osvm_ledger* ledger, char** out_json);

/* ---- slots ---- */

enum {
  OSVM_LEDGER_SLOT_FULL = 1, /* all its shreds are there */
  OSVM_LEDGER_SLOT_ROOT = 2,
  OSVM_LEDGER_SLOT_DEAD = 4,
  OSVM_LEDGER_SLOT_HAS_PARENT = 8
};

typedef struct osvm_ledger_slot {
  uint32_t struct_size;
  uint32_t flags; /* OSVM_LEDGER_SLOT_* */
  uint64_t slot, parent;
  uint64_t shreds; /* data shreds from the first on without a gap */
} osvm_ledger_slot;

typedef struct osvm_ledger_slots osvm_ledger_slots;

OSVM_API void osvm_ledger_slot_init(osvm_ledger_slot* slot, uint32_t struct_size);
/* Every slot that the ledger knows, ascending, from `first` on. Used by one thread at a time. */
OSVM_API osvm_error* osvm_ledger_slots_new(const osvm_ledger* ledger, uint64_t first,
                                           osvm_ledger_slots** out_slots);
/* 1 and the next slot, or 0 at the end. */
OSVM_API osvm_error* osvm_ledger_slots_next(osvm_ledger_slots* slots, osvm_ledger_slot* out_slot,
                                            int* out_more);
OSVM_API void osvm_ledger_slots_free(osvm_ledger_slots* slots);

/* ---- blocks as they were sent ---- */

typedef struct osvm_ledger_block osvm_ledger_block;

typedef struct osvm_ledger_transaction {
  const uint8_t* wire; /* borrowed from the block */
  size_t size;
  const uint8_t* signature; /* the first one's 64 bytes; null when it has none */
} osvm_ledger_transaction;

OSVM_API osvm_error* osvm_ledger_block_read(const osvm_ledger* ledger, uint64_t slot,
                                            osvm_ledger_block** out_block);
OSVM_API uint64_t osvm_ledger_block_parent(const osvm_ledger_block* block);
/* 32 bytes, borrowed. */
OSVM_API const uint8_t* osvm_ledger_block_hash(const osvm_ledger_block* block);
OSVM_API size_t osvm_ledger_block_transactions(const osvm_ledger_block* block);
OSVM_API osvm_error* osvm_ledger_block_transaction(const osvm_ledger_block* block, size_t index,
                                                   osvm_ledger_transaction* out_transaction);
OSVM_API void osvm_ledger_block_free(osvm_ledger_block* block);

/* ---- answers as a validator gives them ---- */

typedef struct osvm_ledger_query {
  uint32_t struct_size;
  uint32_t limit;         /* of signatures; default 1,000 */
  const char* encoding;   /* "json" (default), "jsonParsed", "base64", "base58" */
  const char* details;    /* "full" (default), "accounts", "signatures", "none" */
  const char* commitment; /* "finalized" (default), "confirmed" */
} osvm_ledger_query;

OSVM_API void osvm_ledger_query_init(osvm_ledger_query* query, uint32_t struct_size);
/* getBlock. */
OSVM_API osvm_error* osvm_ledger_block_json(const osvm_ledger* ledger, uint64_t slot,
                                            const osvm_ledger_query* query, char** out_json);
/* getTransaction; OSVM_ERROR_NOT_FOUND when the ledger has no settled transaction with that signature. */
OSVM_API osvm_error* osvm_ledger_transaction_json(const osvm_ledger* ledger, const uint8_t* signature,
                                                  const osvm_ledger_query* query, char** out_json);
/* getSignaturesForAddress: newest first. */
OSVM_API osvm_error* osvm_ledger_signatures_json(const osvm_ledger* ledger, const uint8_t* address,
                                                 const osvm_ledger_query* query, char** out_json);

/* ---- accounts ---- */

typedef struct osvm_ledger_accounts osvm_ledger_accounts;

/* Each path is a snapshot archive, a dumped account (.json), or a folder of these. */
OSVM_API osvm_error* osvm_ledger_accounts_load(const char* const* paths, size_t count,
                                               osvm_ledger_accounts** out_accounts);
OSVM_API size_t osvm_ledger_accounts_count(const osvm_ledger_accounts* accounts);
/* {"lamports","data","owner",…} in "jsonParsed" (null: this), "base64", "base58" or "base64+zstd";
 * OSVM_ERROR_NOT_FOUND. */
OSVM_API osvm_error* osvm_ledger_account_json(const osvm_ledger_accounts* accounts, const uint8_t* address,
                                              const char* encoding, char** out_json);
OSVM_API void osvm_ledger_accounts_free(osvm_ledger_accounts* accounts);

#ifdef __cplusplus
}
#endif

#endif
