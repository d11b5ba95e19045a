/* Audits through the C API. argv[1]: the fixtures of the checks. */
#include <osvm_audit.h>
#include <stdio.h>

#include "expect.h"

static char* audited(const char* fixtures, const char* name, const osvm_audit_options* options) {
  char path[4096];
  char* json = NULL;
  snprintf(path, sizeof path, "%s/%s", fixtures, name);
  osvm_error* e = osvm_audit_run(path, options, &json);
  if (e != NULL && osvm_error_code(e) == OSVM_ERROR_UNSUPPORTED) {
    fprintf(stderr, "NOT APPLICABLE: this build has no Rust grammar\n");
    exit(77);
  }
  EXPECT(e == NULL && json != NULL);
  return json;
}

int main(int argc, char** argv) {
  EXPECT(argc == 2);
  char* bad = audited(argv[1], "OSVM-A01/bad_anchor.rs", NULL);
  EXPECT(strstr(bad, "\"check\":\"OSVM-A01\"") != NULL);
  osvm_string_free(bad);
  char* good = audited(argv[1], "OSVM-A01/good_anchor.rs", NULL);
  EXPECT(strstr(good, "\"findings\":[]") != NULL);
  osvm_string_free(good);

  /* Only other checks: the same file is silent. */
  const char* only[] = {"OSVM-A03", "arbitrary-cpi"};
  osvm_audit_options options;
  osvm_audit_options_init(&options, sizeof options);
  options.checks = only;
  options.check_count = 2;
  char* other = audited(argv[1], "OSVM-A01/bad_anchor.rs", &options);
  EXPECT(strstr(other, "\"findings\":[]") != NULL);
  osvm_string_free(other);

  /* A check of the caller's own. */
  osvm_audit_options_init(&options, sizeof options);
  options.own_checks =
      "{\"checks\":[{\"id\":\"ACME-1\",\"title\":\"t\",\"severity\":\"low\","
      "\"when\":{\"type\":\"UncheckedAccount*\"}}]}";
  char* own = audited(argv[1], "OSVM-A15/bad.rs", &options);
  EXPECT(strstr(own, "\"check\":\"ACME-1\"") != NULL);
  osvm_string_free(own);

  char* json = NULL;
  options.own_checks = "[]";
  osvm_error* bad_own = osvm_audit_run(argv[1], &options, &json);
  EXPECT(bad_own != NULL && osvm_error_code(bad_own) == OSVM_ERROR_MALFORMED && json == NULL);
  osvm_error_free(bad_own);
  osvm_audit_options_init(&options, sizeof options);
  const char* unknown[] = {"no-such-check"};
  options.checks = unknown;
  options.check_count = 1;
  osvm_error* e = osvm_audit_run(argv[1], &options, &json);
  EXPECT(e != NULL && osvm_error_code(e) == OSVM_ERROR_INVALID_ARGUMENT && json == NULL);
  osvm_error_free(e);
  e = osvm_audit_run("/nonexistent/osvm", NULL, &json);
  EXPECT(e != NULL && json == NULL);
  osvm_error_free(e);
  e = osvm_audit_run(NULL, NULL, &json);
  EXPECT(e != NULL && osvm_error_code(e) == OSVM_ERROR_INVALID_ARGUMENT);
  osvm_error_free(e);

  EXPECT(osvm_audit_checks(&json) == NULL);
  EXPECT(strstr(json, "\"id\":\"OSVM-A01\"") != NULL);
  osvm_string_free(json);
  return 0;
}
