/* Assertions for C tests: the first that fails says where, and ends the test with 1. */
#ifndef OSVM_TESTS_CAPI_EXPECT_H
#define OSVM_TESTS_CAPI_EXPECT_H

#include <errno.h>
#include <fcntl.h>
#include <osvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPECT(condition)                                                       \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                  \
    }                                                                           \
  } while (0)

#define EXPECT_TEXT(text, part) expect_text(__FILE__, __LINE__, text, part)
#define EXPECT_OK(call) expect_ok(__FILE__, __LINE__, #call, call)
#define EXPECT_ERROR(call, domain, code, part) \
  expect_error(__FILE__, __LINE__, #call, call, domain, code, part)

static inline void expect_text(const char* file, int line, const char* text, const char* part) {
  if (text && strstr(text, part)) return;
  fprintf(stderr, "%s:%d: \"%s\" does not contain \"%s\"\n", file, line, text ? text : "(null)", part);
  exit(1);
}

static inline void expect_ok(const char* file, int line, const char* call, osvm_error* error) {
  if (!error) return;
  fprintf(stderr, "%s:%d: %s failed: %s (%s:%d)\n", file, line, call, osvm_error_message(error),
          osvm_error_domain(error), (int)osvm_error_code(error));
  exit(1);
}

/* The call must fail with exactly this domain and code, and say `part` in its message. */
static inline void expect_error(const char* file, int line, const char* call, osvm_error* error,
                                const char* domain, int code, const char* part) {
  if (!error) {
    fprintf(stderr, "%s:%d: %s succeeded, expected %s:%d\n", file, line, call, domain, code);
    exit(1);
  }
  if (strcmp(osvm_error_domain(error), domain) != 0 || osvm_error_code(error) != code ||
      !strstr(osvm_error_message(error), part)) {
    fprintf(stderr, "%s:%d: %s gave %s:%d \"%s\", expected %s:%d with \"%s\"\n", file, line, call,
            osvm_error_domain(error), (int)osvm_error_code(error), osvm_error_message(error), domain, code,
            part);
    exit(1);
  }
  osvm_error_free(error);
}

/* Ends the test as skipped, with the reason, where no VM can be made. */
static inline void skip_without_kvm(void) {
  const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (kvm < 0) {
    printf("skipped: /dev/kvm cannot be opened: %s\n", strerror(errno));
    exit(77);
  }
  close(kvm);
}

#endif
