/* Solana's wire formats: base58, transactions, accounts, and decoding by programs' interfaces (IDLs). JSON
 * texts have the shapes of a validator's JSON-RPC. Conventions: see osvm.h. */
#ifndef OSVM_SOLANA_H
#define OSVM_SOLANA_H

#include "osvm.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { OSVM_SOLANA_ADDRESS_SIZE = 32, OSVM_SOLANA_SIGNATURE_SIZE = 64 };

/* ---- base58 ---- */

/* At most 4,096 bytes. */
OSVM_API osvm_error* osvm_solana_base58_encode(const void* bytes, size_t size, char** out_text);
/* Exactly `size` bytes, or OSVM_ERROR_MALFORMED: 32 for an address or hash, 64 for a signature. */
OSVM_API osvm_error* osvm_solana_base58_decode(const char* text, void* out_bytes, size_t size);

/* ---- interfaces of programs ---- */

/* An Anchor IDL, of any version, or Shank's. Immutable, thread-safe. */
typedef struct osvm_solana_idl osvm_solana_idl;

OSVM_API osvm_error* osvm_solana_idl_parse(const char* json, osvm_solana_idl** out_idl);
/* The JSON text in the data of an on-chain IDL account, Anchor's or the program metadata program's. */
OSVM_API osvm_error* osvm_solana_idl_unpack(const void* data, size_t size, char** out_json);
/* Borrowed. */
OSVM_API const char* osvm_solana_idl_name(const osvm_solana_idl* idl);
/* Each gives {"info":…,"type":…}, or OSVM_ERROR_NOT_FOUND when nothing has the data's discriminator. */
OSVM_API osvm_error* osvm_solana_idl_account(const osvm_solana_idl* idl, const void* data, size_t size,
                                             char** out_json);
/* `accounts`: `account_count` addresses of 32 bytes, one behind the other; null when there is none. */
OSVM_API osvm_error* osvm_solana_idl_instruction(const osvm_solana_idl* idl, const uint8_t* program,
                                                 const uint8_t* accounts, size_t account_count,
                                                 const void* data, size_t size, char** out_json);
OSVM_API osvm_error* osvm_solana_idl_event(const osvm_solana_idl* idl, const void* data, size_t size,
                                           char** out_json);
OSVM_API void osvm_solana_idl_free(osvm_solana_idl* idl);

/* ---- decoding ---- */

enum {
  OSVM_SOLANA_AS_VALIDATOR = 1, /* decode what validators decode and nothing else */
  OSVM_SOLANA_HAS_MINT = 2      /* mint_decimals says something */
};

typedef struct osvm_solana_decode_options {
  uint32_t struct_size;
  uint32_t flags;                     /* OSVM_SOLANA_* */
  const osvm_solana_idl* const* idls; /* each for the program whose address it names */
  size_t idl_count;
  uint32_t mint_decimals; /* of a token account's mint: without them its amounts cannot be shown */
  uint32_t reserved;      /* zero */
} osvm_solana_decode_options;

OSVM_API void osvm_solana_decode_options_init(osvm_solana_decode_options* options, uint32_t struct_size);

/* {"parsed":…,"program":…,"space":…}; OSVM_ERROR_NOT_FOUND when no decoder understands the account. `address`
 * may be null; it tells sysvars apart. */
OSVM_API osvm_error* osvm_solana_account_json(const uint8_t* owner, const uint8_t* address, const void* data,
                                              size_t size, const osvm_solana_decode_options* options,
                                              char** out_json);
/* {"transaction":…,"meta":null,"version":…} of a transaction as it goes over the wire. */
OSVM_API osvm_error* osvm_solana_transaction_json(const void* wire, size_t size,
                                                  const osvm_solana_decode_options* options, char** out_json);
/* 1 when every signature is that of its key over the message, else 0. */
OSVM_API osvm_error* osvm_solana_transaction_verify(const void* wire, size_t size, int* out_valid);

#ifdef __cplusplus
}
#endif

#endif
