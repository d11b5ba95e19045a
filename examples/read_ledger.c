/* Lists a ledger's blocks and shows their transactions. Argument: a validator's ledger folder. */
#include <osvm_ledger.h>
#include <osvm_solana.h>
#include <stdio.h>

/* Says what went wrong, and releases the error. */
static int failed(osvm_error* error) {
  if (!error) return 0;
  fprintf(stderr, "read_ledger: %s\n", osvm_error_message(error));
  osvm_error_free(error);
  return 1;
}

static int show_block(const osvm_ledger* ledger, uint64_t slot) {
  osvm_ledger_block* block = NULL;
  osvm_ledger_transaction transaction;
  if (failed(osvm_ledger_block_read(ledger, slot, &block))) return 1;
  printf("slot %llu: %zu transactions\n", (unsigned long long)slot, osvm_ledger_block_transactions(block));
  for (size_t i = 0; i < osvm_ledger_block_transactions(block); ++i) {
    char* json = NULL;
    if (failed(osvm_ledger_block_transaction(block, i, &transaction))) break;
    if (failed(osvm_solana_transaction_json(transaction.wire, transaction.size, NULL, &json))) break;
    printf("%s\n", json);
    osvm_string_free(json);
  }
  osvm_ledger_block_free(block);
  return 0;
}

int main(int argc, char** argv) {
  osvm_ledger* ledger = NULL;
  osvm_ledger_slots* slots = NULL;
  osvm_ledger_slot slot;
  int more = 0, problems = 0;
  if (argc != 2) return 2;
  osvm_ledger_slot_init(&slot, sizeof slot);
  if (failed(osvm_ledger_open(argv[1], &ledger)) || failed(osvm_ledger_slots_new(ledger, 0, &slots)))
    return 1;
  for (;;) {
    if (failed(osvm_ledger_slots_next(slots, &slot, &more))) return 1;
    if (!more) break;
    if (slot.flags & OSVM_LEDGER_SLOT_FULL) problems += show_block(ledger, slot.slot);
  }
  osvm_ledger_slots_free(slots);
  osvm_ledger_free(ledger);
  return problems != 0;
}
