/* Audits the Rust source of Solana programs. Reads files only: nothing is built, run or downloaded.
 * Conventions: see osvm.h. */
#ifndef OSVM_AUDIT_H
#define OSVM_AUDIT_H

#include "osvm.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct osvm_audit_options {
  uint32_t struct_size;
  uint32_t threads;          /* 0: two */
  const char* const* checks; /* ids or names; none: all of them */
  size_t check_count;
  const char* own_checks; /* checks of your own as JSON (osvm/audit/own_checks.hpp); null: none */
} osvm_audit_options;

OSVM_API void osvm_audit_options_init(osvm_audit_options* options, uint32_t struct_size);

/* Audits the folder or file at `path`; `options` may be null. *out_json is what `osvm audit --format json`
 * prints. Findings are no errors: an error says that nothing could be looked at, OSVM_ERROR_UNSUPPORTED that
 * this build has no Rust grammar. */
OSVM_API osvm_error* osvm_audit_run(const char* path, const osvm_audit_options* options, char** out_json);

/* [{"id":"OSVM-A01","name":…,"title":…,"cwe":…,"severity":…,"confidence":…,"rationale":…,"fix":…},…] */
OSVM_API osvm_error* osvm_audit_checks(char** out_json);

#ifdef __cplusplus
}
#endif
#endif
