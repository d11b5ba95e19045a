/* libosvm for C: errors, version, runtime and host facts. Each module has its own header beside this one.
 *
 * Conventions of the whole C API
 *  1. Names are osvm_<module>_<thing>_<verb>. Handles are opaque; what a `_new`, `_load`, `_start` or
 *     `_probe` hands out is released once with the `_free` of its type. Every `_free` accepts null.
 *  2. A call that can fail returns `osvm_error*`: null on success, else an error that the caller owns and
 *     releases with osvm_error_free(). After a failure each `out_` pointer holds what it held before.
 *  3. What arrives through an `out_` pointer is owned by the caller: handles by their `_free`, `char*` by
 *     osvm_string_free(). A returned `const char*` is borrowed: it lives as long as the handle it came from.
 *  4. Arguments are borrowed during the call only; the library keeps no pointer of the caller's. Strings end
 *     with NUL. A null pointer where none is allowed is OSVM_ERROR_INVALID_ARGUMENT, not a crash.
 *  5. Option structs begin with `uint32_t struct_size` and are filled with defaults by their `_init`, to
 *     which the caller passes sizeof. They only grow at the end: an older caller gets defaults for what it
 *     does not know, and a newer caller is refused only when it sets (non-zero bytes) what this library does
 *     not know. A null options pointer means all defaults. Structs in arrays have no size and never grow.
 *  6. Result structs begin with `struct_size` too: call `_init`; the library fills what both sides know.
 *  7. Enumerations travel as uint32_t. Later versions may add values: treat an unknown one as "other".
 *  8. Times are milliseconds (`_ms`) or nanoseconds (`_ns`). A negative timeout (OSVM_FOREVER): no deadline.
 *  9. Threads begin only in osvm_runtime_new() and osvm_unikernel_instance_start(). Handles are thread-safe,
 *     except that `_free` must be the last call on one. Loading starts no thread and opens no descriptor.
 * 10. The library never prints, exits, aborts on bad input, installs signal handlers or reads environment
 *     variables.
 */
#ifndef OSVM_H
#define OSVM_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define OSVM_API __attribute__((visibility("default")))
#else
#define OSVM_API
#endif

#define OSVM_FOREVER (-1)

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version ---- */

/* "0.1.0". Static. */
OSVM_API const char* osvm_version(void);

/* ---- errors ---- */

typedef struct osvm_error osvm_error;

/* Codes of the domain "osvm", which no module owns. */
enum {
  OSVM_ERROR_UNSUPPORTED = 1,      /* this host or this version cannot do it */
  OSVM_ERROR_INVALID_ARGUMENT = 2, /* the message names the argument */
  OSVM_ERROR_LIMIT_EXCEEDED = 3,
  OSVM_ERROR_MALFORMED = 4,
  OSVM_ERROR_TRUNCATED = 5,
  OSVM_ERROR_TIMED_OUT = 6,
  OSVM_ERROR_CANCELLED = 7,
  OSVM_ERROR_NOT_FOUND = 8,
  OSVM_ERROR_DENIED = 9,
  OSVM_ERROR_BUSY = 10,
  OSVM_ERROR_CLOSED = 11
};

/* Codes of the domain "osvm.kvm": why this host cannot run hardware-isolated guests. */
enum {
  OSVM_KVM_NO_DEVICE = 1,
  OSVM_KVM_NO_PERMISSION = 2,
  OSVM_KVM_NOT_KVM = 3,
  OSVM_KVM_MISSING_FEATURE = 4,
  OSVM_KVM_PROBE_FAILED = 5
};

/* Who defines the code: "osvm", "osvm.kvm", "osvm.unikernel", "osvm.ledger", "osvm.hotswap", or "system"
 * (the code is an errno). Other names, such as Asio's "asio.misc", may come up; treat them as opaque. */
OSVM_API const char* osvm_error_domain(const osvm_error* error);
OSVM_API int32_t osvm_error_code(const osvm_error* error);
/* For people: what was tried, on what, what went wrong. */
OSVM_API const char* osvm_error_message(const osvm_error* error);
OSVM_API void osvm_error_free(osvm_error* error);

/* ---- strings ---- */

OSVM_API void osvm_string_free(char* string);

/* ---- runtime: the threads that asynchronous work runs on ---- */

typedef struct osvm_runtime osvm_runtime;

typedef struct osvm_runtime_options {
  uint32_t struct_size;
  uint32_t threads; /* 1..256; default 1 */
} osvm_runtime_options;

OSVM_API void osvm_runtime_options_init(osvm_runtime_options* options, uint32_t struct_size);
/* Starts the threads. */
OSVM_API osvm_error* osvm_runtime_new(const osvm_runtime_options* options, osvm_runtime** out_runtime);
/* Gives up the caller's share. The threads end, joined, when neither the caller nor an instance or proxy that
 * was made with this runtime holds it any more. */
OSVM_API void osvm_runtime_free(osvm_runtime* runtime);

/* ---- host facts: what this host's KVM can do, found by running a small VM ---- */

typedef struct osvm_host osvm_host;

/* Takes a few milliseconds. Keep the handle and pass it in instance options: each start saves the probe. */
OSVM_API osvm_error* osvm_host_probe(osvm_host** out_host);
/* One JSON object with every fact. Borrowed. */
OSVM_API const char* osvm_host_json(const osvm_host* host);
OSVM_API void osvm_host_free(osvm_host* host);

#ifdef __cplusplus
}
#endif

#endif
