/* A ledger, accounts and decoding through the C API. Argument: the folder that make_ledger wrote. */
#include <osvm_ledger.h>
#include <osvm_solana.h>

#include "expect.h"

static const char* folder;
static osvm_ledger* ledger;

static void opens_and_refuses(void) {
  EXPECT_ERROR(osvm_ledger_open("/", &ledger), "osvm.ledger", OSVM_LEDGER_NOT_A_LEDGER, "RocksDB");
  EXPECT_ERROR(osvm_ledger_open(NULL, &ledger), "osvm", OSVM_ERROR_INVALID_ARGUMENT, "folder");
  EXPECT(ledger == NULL);
  EXPECT_OK(osvm_ledger_open(folder, &ledger));
  int changed = 7;
  EXPECT_OK(osvm_ledger_refresh(ledger, &changed));
  EXPECT(changed == 0 || changed == 1);
  char* lost = NULL;
  EXPECT_OK(osvm_ledger_lost_json(ledger, &lost));
  EXPECT(strcmp(lost, "[]") == 0);
  osvm_string_free(lost);
}

static void knows_its_bounds(void) {
  osvm_ledger_bounds b;
  memset(&b, 0, sizeof b);
  EXPECT_ERROR(osvm_ledger_get_bounds(ledger, &b), "osvm", OSVM_ERROR_INVALID_ARGUMENT, "struct_size");
  osvm_ledger_bounds_init(&b, sizeof b);
  EXPECT_OK(osvm_ledger_get_bounds(ledger, &b));
  EXPECT(b.known == 15 && b.last_confirmed == 3); /* what is rooted is confirmed */
  EXPECT(b.lowest == 0 && b.highest == 3 && b.highest_full == 3 && b.first_root == 0 && b.last_root == 3);
}

static void iterates_slots(void) {
  static const uint64_t expected[] = {0, 1, 3};
  osvm_ledger_slots* slots = NULL;
  osvm_ledger_slot s;
  int more = 0;
  size_t count = 0;
  osvm_ledger_slot_init(&s, sizeof s);
  EXPECT_OK(osvm_ledger_slots_new(ledger, 0, &slots));
  for (;; ++count) {
    EXPECT_OK(osvm_ledger_slots_next(slots, &s, &more));
    if (!more) break;
    EXPECT(count < 3 && s.slot == expected[count] && s.shreds == 1);
    EXPECT(s.flags == (OSVM_LEDGER_SLOT_FULL | OSVM_LEDGER_SLOT_ROOT | OSVM_LEDGER_SLOT_HAS_PARENT));
  }
  EXPECT(count == 3 && s.slot == 3 && s.parent == 1);
  osvm_ledger_slots_free(slots);
  slots = NULL;
  EXPECT_OK(osvm_ledger_slots_new(ledger, 2, &slots));
  EXPECT_OK(osvm_ledger_slots_next(slots, &s, &more));
  EXPECT(more == 1 && s.slot == 3);
  osvm_ledger_slots_free(slots);
}

static void reads_a_block(uint8_t* signature) {
  osvm_ledger_block* block = NULL;
  osvm_ledger_transaction t;
  char* text = NULL;
  int valid = 0;
  EXPECT_ERROR(osvm_ledger_block_read(ledger, 2, &block), "osvm.ledger", OSVM_LEDGER_SKIPPED, "");
  EXPECT_OK(osvm_ledger_block_read(ledger, 1, &block));
  EXPECT(osvm_ledger_block_parent(block) == 0 && osvm_ledger_block_transactions(block) == 1);
  EXPECT_ERROR(osvm_ledger_block_transaction(block, 1, &t), "osvm", OSVM_ERROR_NOT_FOUND, "fewer");
  EXPECT_OK(osvm_ledger_block_transaction(block, 0, &t));
  EXPECT(t.size > 200 && memcmp(t.wire + 1, t.signature, OSVM_SOLANA_SIGNATURE_SIZE) == 0);
  memcpy(signature, t.signature, OSVM_SOLANA_SIGNATURE_SIZE);
  EXPECT_OK(osvm_solana_transaction_verify(t.wire, t.size, &valid));
  EXPECT(valid == 1);
  EXPECT_OK(osvm_solana_transaction_json(t.wire, t.size, NULL, &text));
  EXPECT_TEXT(text, "\"lamports\":42");
  osvm_string_free(text);
  EXPECT_ERROR(osvm_solana_transaction_json(t.wire, t.size - 1, NULL, &text), "osvm", OSVM_ERROR_TRUNCATED,
               "");
  EXPECT_OK(osvm_solana_base58_encode(osvm_ledger_block_hash(block), 32, &text));
  EXPECT(strlen(text) > 40);
  osvm_string_free(text);
  osvm_ledger_block_free(block);
}

static void answers_as_a_validator(const uint8_t* signature) {
  osvm_ledger_query q;
  char* text = NULL;
  uint8_t payer[OSVM_SOLANA_ADDRESS_SIZE];
  const uint8_t nobody[OSVM_SOLANA_SIGNATURE_SIZE] = {0};
  osvm_ledger_query_init(&q, sizeof q);
  EXPECT_OK(osvm_ledger_block_json(ledger, 1, NULL, &text));
  EXPECT_TEXT(text, "\"parentSlot\":0");
  osvm_string_free(text);
  q.encoding = "base64";
  q.details = "signatures";
  EXPECT_OK(osvm_ledger_block_json(ledger, 1, &q, &text));
  EXPECT_TEXT(text, "\"signatures\":[");
  osvm_string_free(text);
  q.encoding = "text";
  EXPECT_ERROR(osvm_ledger_block_json(ledger, 1, &q, &text), "osvm", OSVM_ERROR_INVALID_ARGUMENT, "encoding");
  q.encoding = "jsonParsed";
  EXPECT_OK(osvm_ledger_transaction_json(ledger, signature, &q, &text));
  EXPECT_TEXT(text, "\"slot\":1");
  osvm_string_free(text);
  EXPECT_ERROR(osvm_ledger_transaction_json(ledger, nobody, NULL, &text), "osvm", OSVM_ERROR_NOT_FOUND, "");
  EXPECT_OK(osvm_solana_base58_decode("FAe4sisG95oZ42w7buUn5qEE4TAnfTTFPiguZUHmhiF", payer, sizeof payer));
  EXPECT_OK(osvm_ledger_signatures_json(ledger, payer, NULL, &text));
  EXPECT_TEXT(text, "\"signature\":");
  osvm_string_free(text);
}

static void reads_accounts(void) {
  char path[4096];
  const char* paths[1];
  uint8_t held[OSVM_SOLANA_ADDRESS_SIZE], missing[OSVM_SOLANA_ADDRESS_SIZE];
  char* text = NULL;
  osvm_ledger_accounts* accounts = NULL;
  memset(held, 2, sizeof held);
  memset(missing, 9, sizeof missing);
  snprintf(path, sizeof path, "%s/accounts.json", folder);
  paths[0] = path;
  EXPECT_OK(osvm_ledger_accounts_load(paths, 1, &accounts));
  EXPECT(osvm_ledger_accounts_count(accounts) == 2);
  EXPECT_OK(osvm_ledger_account_json(accounts, held, NULL, &text));
  EXPECT_TEXT(text, "\"uiAmountString\":\"1.5\"");
  osvm_string_free(text);
  EXPECT_ERROR(osvm_ledger_account_json(accounts, missing, NULL, &text), "osvm", OSVM_ERROR_NOT_FOUND, "");
  EXPECT_ERROR(osvm_ledger_account_json(accounts, held, "x", &text), "osvm", OSVM_ERROR_INVALID_ARGUMENT, "");
  osvm_ledger_accounts_free(accounts);
}

static void decodes_by_an_interface(void) {
  static const char json[] =
      "{\"address\":\"TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA\",\"metadata\":{\"name\":\"shop\","
      "\"version\":\"1\",\"spec\":\"0.1.0\"},\"instructions\":[{\"name\":\"buy\",\"discriminator\":[5],"
      "\"accounts\":[{\"name\":\"payer\"}],\"args\":[{\"name\":\"n\",\"type\":\"u16\"}]}],\"accounts\":["
      "{\"name\":\"Store\",\"discriminator\":[9]}],\"types\":[{\"name\":\"Store\",\"type\":{\"kind\":"
      "\"struct\",\"fields\":[{\"name\":\"price\",\"type\":\"u8\"}]}}]}";
  static const uint8_t store[] = {9, 42}, buy[] = {5, 1, 1};
  uint8_t program[OSVM_SOLANA_ADDRESS_SIZE];
  osvm_solana_idl* idl = NULL;
  const osvm_solana_idl* idls[1];
  osvm_solana_decode_options o;
  char* text = NULL;
  EXPECT_ERROR(osvm_solana_idl_parse("{", &idl), "osvm", OSVM_ERROR_MALFORMED, "JSON");
  EXPECT_OK(osvm_solana_idl_parse(json, &idl));
  EXPECT(strcmp(osvm_solana_idl_name(idl), "shop") == 0);
  EXPECT_OK(osvm_solana_idl_account(idl, store, sizeof store, &text));
  EXPECT(strcmp(text, "{\"info\":{\"price\":42},\"type\":\"Store\"}") == 0);
  osvm_string_free(text);
  EXPECT_ERROR(osvm_solana_idl_event(idl, store, sizeof store, &text), "osvm", OSVM_ERROR_NOT_FOUND, "event");
  memset(program, 1, sizeof program);
  EXPECT_OK(osvm_solana_idl_instruction(idl, program, program, 1, buy, sizeof buy, &text));
  EXPECT_TEXT(text, "\"args\":{\"n\":257}");
  osvm_string_free(text);
  EXPECT_OK(osvm_solana_base58_decode("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", program, 32));
  EXPECT_ERROR(osvm_solana_account_json(program, NULL, store, sizeof store, NULL, &text), "osvm",
               OSVM_ERROR_NOT_FOUND, "2 bytes");
  osvm_solana_decode_options_init(&o, sizeof o);
  idls[0] = idl;
  o.idls = idls;
  o.idl_count = 1;
  EXPECT_OK(osvm_solana_account_json(program, NULL, store, sizeof store, &o, &text));
  EXPECT_TEXT(text, "\"program\":\"shop\"");
  osvm_string_free(text);
  o.flags = OSVM_SOLANA_AS_VALIDATOR;
  EXPECT_ERROR(osvm_solana_account_json(program, NULL, store, sizeof store, &o, &text), "osvm",
               OSVM_ERROR_NOT_FOUND, "");
  o.flags = 64;
  EXPECT_ERROR(osvm_solana_account_json(program, NULL, store, sizeof store, &o, &text), "osvm",
               OSVM_ERROR_INVALID_ARGUMENT, "flags");
  osvm_solana_idl_free(idl);
}

int main(int argc, char** argv) {
  uint8_t signature[OSVM_SOLANA_SIGNATURE_SIZE];
  if (argc != 2) return 2;
  folder = argv[1];
  opens_and_refuses();
  knows_its_bounds();
  iterates_slots();
  reads_a_block(signature);
  answers_as_a_validator(signature);
  reads_accounts();
  decodes_by_an_interface();
  osvm_ledger_free(ledger);
  osvm_ledger_free(NULL);
  return 0;
}
