/* Run one unmodified Linux ELF program as the only program of its own virtual machine.
 * Conventions: see osvm.h. */
#ifndef OSVM_UNIKERNEL_H
#define OSVM_UNIKERNEL_H

#include "osvm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Codes of the domain "osvm.unikernel". */
enum {
  OSVM_UNIKERNEL_NOT_AN_ELF = 1,
  OSVM_UNIKERNEL_WRONG_ARCHITECTURE = 2,
  OSVM_UNIKERNEL_MALFORMED_ELF = 3,
  OSVM_UNIKERNEL_BAD_LOADER = 4,
  OSVM_UNIKERNEL_TOO_LARGE = 5,
  OSVM_UNIKERNEL_BAD_POLICY = 6,
  OSVM_UNIKERNEL_ISOLATION_UNSUPPORTED = 7,
  OSVM_UNIKERNEL_ARGUMENTS_TOO_LONG = 8,
  OSVM_UNIKERNEL_CANNOT_SNAPSHOT = 9, /* the guest has what a template cannot hold; the message names it */
  OSVM_UNIKERNEL_BAD_TEMPLATE = 10,   /* a file is no template that can go on here; the message says why */
  OSVM_UNIKERNEL_DEBUGGER_UNSUPPORTED = 11 /* a debugger or a core dump is not possible for this instance */
};

/* ---- image: a program, checked once, shared by all instances that run it ---- */

typedef struct osvm_unikernel_image osvm_unikernel_image;

/* Reads and checks the file, and copies it: changing the file later changes no guest. */
OSVM_API osvm_error* osvm_unikernel_image_load(const char* path, osvm_unikernel_image** out_image);
/* The same for bytes in memory. `name` is the default argv[0]. */
OSVM_API osvm_error* osvm_unikernel_image_parse(const void* bytes, size_t size, const char* name,
                                                osvm_unikernel_image** out_image);
/* May be freed while instances of it run. */
OSVM_API void osvm_unikernel_image_free(osvm_unikernel_image* image);

/* ---- options: everything that is not granted here is denied to the guest ---- */

enum { OSVM_UNIKERNEL_MOUNT_WRITABLE = 1 };

/* A host file or folder that the guest sees at `guest_path` (absolute, no ".."). */
typedef struct osvm_unikernel_mount {
  const char* host_path;
  const char* guest_path;
  uint32_t flags; /* OSVM_UNIKERNEL_MOUNT_* */
} osvm_unikernel_mount;

enum { OSVM_UNIKERNEL_TCP = 0, OSVM_UNIKERNEL_VSOCK = 1 };

/* A port on which the guest may listen. */
typedef struct osvm_unikernel_listener {
  uint32_t transport; /* OSVM_UNIKERNEL_TCP or _VSOCK */
  uint32_t port;
} osvm_unikernel_listener;

enum {
  OSVM_UNIKERNEL_STDIO_NULL = 0, /* reads end, writes vanish */
  OSVM_UNIKERNEL_STDIO_FD = 1,   /* a duplicate of `fd` */
  OSVM_UNIKERNEL_STDIO_CAPTURE =
      2, /* output is kept for _take_output, at most `size` bytes; then the guest blocks */
  OSVM_UNIKERNEL_STDIO_BYTES = 3, /* input comes from `bytes`, `size` of them */
  OSVM_UNIKERNEL_STDIO_LOG = 4    /* output: each line becomes an event; the guest never waits */
};

typedef struct osvm_unikernel_stdio {
  uint32_t kind; /* OSVM_UNIKERNEL_STDIO_* */
  int32_t fd;
  const void* bytes;
  size_t size;
} osvm_unikernel_stdio;

enum {
  OSVM_UNIKERNEL_HARDWARE = 0, /* a KVM virtual machine */
  OSVM_UNIKERNEL_PROCESS = 1   /* unsupported in this version: an error, never a silent fallback */
};

enum { OSVM_UNIKERNEL_ALLOW_JIT = 1 }; /* memory may become executable after load */

/* The guest may read the program, its loader and the libraries that its ELF file names, as far as these lie
 * in the loader's system directories or beside the program. The image must have been loaded from a file.
 * EXITLESS: a thread of the instance answers most system calls in shared memory, without an exit. It takes a
 * core of the host while calls come fast, and counts into the CPU time; without effect while calls are
 * traced.
 * JAIL: the worker (see `worker`) gives up what its guest does not need of the host before the guest's first
 * instruction. The start fails where the host cannot do all of it. */
enum { OSVM_UNIKERNEL_GRANT_LIBRARIES = 1, OSVM_UNIKERNEL_EXITLESS = 2, OSVM_UNIKERNEL_JAIL = 4 };

enum { OSVM_UNIKERNEL_EVENTS_DENIALS = 1, OSVM_UNIKERNEL_EVENTS_TRACE = 2 };

enum {
  OSVM_UNIKERNEL_LEARN_OFF = 0,
  OSVM_UNIKERNEL_LEARN_DENIALS = 1, /* grants nothing */
  OSVM_UNIKERNEL_LEARN_ALLOW_ALL =
      2 /* DANGEROUS: grants all host files and every right, and notes what is used */
};

typedef struct osvm_unikernel_options {
  uint32_t struct_size;
  uint32_t isolation;           /* OSVM_UNIKERNEL_HARDWARE (default) or _PROCESS */
  const char* name;             /* stands in logs and socket names; default "guest" */
  const char* const* arguments; /* argv; none: {image name} */
  size_t argument_count;
  const char* const* environment; /* "KEY=value"; nothing is inherited */
  size_t environment_count;
  const osvm_unikernel_mount* mounts;
  size_t mount_count;
  const osvm_unikernel_listener* listeners;
  size_t listener_count;
  const uint32_t* vsock_connect; /* host vsock ports that the guest may connect to */
  size_t vsock_connect_count;
  uint32_t allow;           /* OSVM_UNIKERNEL_ALLOW_* */
  uint32_t max_threads;     /* guest threads alive at once; default 64 */
  uint32_t max_descriptors; /* default 256 */
  uint32_t max_processes;   /* at once, each in a VM of its own; default 64, also for 0 */
  uint64_t memory_bytes;    /* guest pages handed out; default 256 MiB */
  uint64_t written_bytes;   /* total written below writable mounts; default 64 MiB */
  uint64_t cpu_time_ms;     /* of all guest threads; 0: no limit */
  uint64_t wall_time_ms;    /* from start; 0: no limit */
  const char* socket_dir;   /* private folder for the instance's sockets; needed when a listener is granted */
  osvm_unikernel_stdio input;
  osvm_unikernel_stdio output;
  osvm_unikernel_stdio error;
  const osvm_host* host;         /* from osvm_host_probe(); null: the start probes */
  uint32_t flags;                /* OSVM_UNIKERNEL_GRANT_LIBRARIES, _EXITLESS, _JAIL */
  uint32_t reserved2;            /* zero */
  const char* working_directory; /* guest path; default "/" */
  const char* executable;        /* the program's guest path; default: as granted, or "/app" */
  /* Connections out: "HOST:PORT[=NAME]", "unix:/path=/guest/path" or "unix:/path=NAME:PORT". Names are
   * resolved by the start, and the guest's resolver answers only them. */
  const char* const* connect;
  size_t connect_count;
  /* Unix sockets that the guest may bind: "/host/path=guest:/guest/path". */
  const char* const* listen_unix;
  size_t listen_unix_count;
  /* A policy as `osvm run --policy` reads it (docs/formats/policy.md): its grants are added to those above,
   * and its budgets take the place of those above. */
  const char* policy_file;
  uint32_t events;         /* OSVM_UNIKERNEL_EVENTS_*: kept for _take_events_json */
  uint32_t event_capacity; /* how many may wait; default 1024; what does not fit is dropped and counted */
  uint32_t learn;          /* OSVM_UNIKERNEL_LEARN_* */
  uint32_t reserved3;      /* zero */
  /* Gets the events that `events` and STDIO_LOG ask for, several at once, as _take_events_json gives them;
   * never from two threads at a time: on a thread of the runtime, or inside _wait. Must not free the
   * instance. Null: they wait for _take_events_json. */
  void (*on_events)(const char* events_json, void* user_data);
  void* on_events_data;
  /* Folders in memory for the guest alone: "/tmp", "/dev/shm:16MiB" (default 64 MiB each). */
  const char* const* tmpfs;
  size_t tmpfs_count;
  /* Path of osvm-worker, of the same build: the VM and its system calls live in that process. Null: in this
   * one. A worker that ends unasked ends its guest; a caller that ends takes its workers with it. */
  const char* worker;
  /* What the host's control groups hold the worker process to, its own memory and threads included; zeros: no
   * limit. OSVM_ERROR_UNSUPPORTED, which says why, where this host or this user cannot have such groups. */
  uint64_t limit_memory_bytes; /* at least 8 MiB; beyond it OSVM_UNIKERNEL_MEMORY_BUDGET */
  uint32_t limit_cpu_percent;  /* of one core */
  uint32_t limit_tasks;        /* threads and processes, at least 4 */
  const char* limit_parent;    /* group below which the worker gets its own; null: the caller's */
  /* Not 0: the worker outlives this process. It waits so long for another one to adopt it (_adopt), then ends
   * its guest and itself. Needs a `socket_dir` of mode 0700. _free ends the guest all the same. */
  uint64_t orphan_after_ms;
} osvm_unikernel_options;

OSVM_API void osvm_unikernel_options_init(osvm_unikernel_options* options, uint32_t struct_size);

/* ---- instance ---- */

typedef struct osvm_unikernel_instance osvm_unikernel_instance;
typedef struct osvm_unikernel_exit osvm_unikernel_exit;

/* Creates the VM and starts the program. The instance holds its share of the runtime. */
OSVM_API osvm_error* osvm_unikernel_instance_start(osvm_runtime* runtime, const osvm_unikernel_image* image,
                                                   const osvm_unikernel_options* options,
                                                   osvm_unikernel_instance** out_instance);
/* What another process of this user needs to adopt the instance once this one is gone: keep it secret.
 * OSVM_ERROR_INVALID_ARGUMENT when `orphan_after_ms` was 0. */
OSVM_API osvm_error* osvm_unikernel_instance_ticket(const osvm_unikernel_instance* instance,
                                                    char** out_ticket);

/* How events reach the new owner; which there are was said when the instance was made. Fill with _init. */
typedef struct osvm_unikernel_adopt_options {
  uint32_t struct_size;
  uint32_t event_capacity; /* default 1024 */
  void (*on_events)(const char* events_json, void* user_data);
  void* on_events_data;
} osvm_unikernel_adopt_options;

OSVM_API void osvm_unikernel_adopt_options_init(osvm_unikernel_adopt_options* options, uint32_t struct_size);
/* Becomes the owner of an instance whose owner's process is gone; its guest has gone on meanwhile. Null
 * options: all defaults. OSVM_ERROR_NOT_FOUND when nobody waits there, OSVM_ERROR_BUSY while it has an owner,
 * OSVM_ERROR_DENIED for a wrong ticket. */
OSVM_API osvm_error* osvm_unikernel_instance_adopt(osvm_runtime* runtime, const char* ticket,
                                                   const osvm_unikernel_adopt_options* options,
                                                   osvm_unikernel_instance** out_instance);
/* Blocks until the guest has ended, and tells how. OSVM_ERROR_TIMED_OUT when the deadline comes first; the
 * guest runs on. May be called again, also after the end. `out_exit` may be null if only the end matters. */
OSVM_API osvm_error* osvm_unikernel_instance_wait(osvm_unikernel_instance* instance, int64_t timeout_ms,
                                                  osvm_unikernel_exit** out_exit);
/* Ends the guest at any moment. Idempotent; returns at once. */
OSVM_API osvm_error* osvm_unikernel_instance_kill(osvm_unikernel_instance* instance);
/* Sends the guest a signal, as kill(2) from outside does: its handler runs, or the signal's default action is
 * taken. OSVM_ERROR_INVALID_ARGUMENT; OSVM_ERROR_CLOSED when the guest has ended. */
OSVM_API osvm_error* osvm_unikernel_instance_signal(osvm_unikernel_instance* instance, int32_t number);
/* Blocks until the guest listens on a granted port; the text is the endpoint to connect to, in the form that
 * the proxy takes. OSVM_ERROR_CLOSED when the guest ends first, OSVM_ERROR_DENIED when the port is not
 * granted. */
OSVM_API osvm_error* osvm_unikernel_instance_wait_listening(osvm_unikernel_instance* instance,
                                                            const osvm_unikernel_listener* listener,
                                                            int64_t timeout_ms, char** out_endpoint);
/* Takes what the guest has written to a captured descriptor (1 or 2) since the last call. The bytes may
 * contain NUL; one more NUL follows the last. `out_size` does not count it and may be null. */
OSVM_API osvm_error* osvm_unikernel_instance_take_output(osvm_unikernel_instance* instance,
                                                         int32_t descriptor, char** out_bytes,
                                                         size_t* out_size);
/* Takes up to `most` events, oldest first, as one JSON array: denials, traced system calls, lines of output.
 * After the end it gives what is left. */
OSVM_API osvm_error* osvm_unikernel_instance_take_events_json(osvm_unikernel_instance* instance, size_t most,
                                                              char** out_json);
/* The policy that this run would have needed, as a policy file. OSVM_ERROR_INVALID_ARGUMENT when `learn` was
 * off. */
OSVM_API osvm_error* osvm_unikernel_instance_learned_policy(const osvm_unikernel_instance* instance,
                                                            char** out_yaml);
/* The boundary that the instance really has, for example "hardware, system calls served in the caller's
 * process". */
OSVM_API osvm_error* osvm_unikernel_instance_isolation(const osvm_unikernel_instance* instance,
                                                       char** out_text);
/* Kills the guest when it runs, and joins its threads. */
OSVM_API void osvm_unikernel_instance_free(osvm_unikernel_instance* instance);

/* ---- how a guest ended ---- */

enum {
  OSVM_UNIKERNEL_EXITED = 0,   /* by itself: status */
  OSVM_UNIKERNEL_SIGNALED = 1, /* by a signal: signal */
  OSVM_UNIKERNEL_FAULTED = 2,  /* CPU fault; signal is what Linux would have sent */
  OSVM_UNIKERNEL_KILLED = 3,   /* by the embedder */
  OSVM_UNIKERNEL_MEMORY_BUDGET = 4,
  OSVM_UNIKERNEL_CPU_BUDGET = 5,
  OSVM_UNIKERNEL_WALL_BUDGET = 6,
  OSVM_UNIKERNEL_FAILED = 7 /* the host could not go on */
};

OSVM_API uint32_t osvm_unikernel_exit_cause(const osvm_unikernel_exit* report);
OSVM_API int32_t osvm_unikernel_exit_status(const osvm_unikernel_exit* report);
OSVM_API int32_t osvm_unikernel_exit_signal(const osvm_unikernel_exit* report);
/* As a shell prints it: the status, or 128 + signal. */
OSVM_API int32_t osvm_unikernel_exit_shell_status(const osvm_unikernel_exit* report);
/* One line for people, with a fault's address and registers. Borrowed. */
OSVM_API const char* osvm_unikernel_exit_description(const osvm_unikernel_exit* report);
/* One JSON object with everything, registers of a fault included. Borrowed. */
OSVM_API const char* osvm_unikernel_exit_json(const osvm_unikernel_exit* report);
OSVM_API void osvm_unikernel_exit_free(osvm_unikernel_exit* report);

/* ---- counters ---- */

typedef struct osvm_unikernel_stats {
  uint32_t struct_size;
  uint32_t threads;    /* guest threads alive */
  uint64_t boot_vm_ns; /* where boot time went ... */
  uint64_t boot_memory_ns;
  uint64_t boot_vcpu_ns;
  uint64_t boot_start_ns;
  uint64_t boot_total_ns; /* ... from start to the guest's first instruction */
  uint64_t exits;         /* returns from the VM */
  uint64_t page_faults;
  uint64_t syscalls; /* all together; by name in the JSON */
  uint64_t denials;  /* all together; by name in the JSON */
  uint64_t memory_bytes;
  uint64_t memory_peak_bytes;
  uint64_t resident_bytes;
  uint64_t page_table_bytes;
  uint64_t written_bytes;
  uint64_t cpu_time_ns;
  uint64_t events_dropped;
  uint32_t descriptors;
  uint32_t processes_started;     /* the first included */
  uint64_t socket_received_bytes; /* over TCP, vsock and the host's unix sockets */
  uint64_t socket_sent_bytes;
} osvm_unikernel_stats;

OSVM_API void osvm_unikernel_stats_init(osvm_unikernel_stats* stats, uint32_t struct_size);
/* A snapshot: consistent per field, not across fields, while the guest runs. */
OSVM_API osvm_error* osvm_unikernel_instance_stats(const osvm_unikernel_instance* instance,
                                                   osvm_unikernel_stats* stats);
/* The same as one JSON object, with system calls by name and each denial with the rule that grants it. */
OSVM_API osvm_error* osvm_unikernel_instance_stats_json(const osvm_unikernel_instance* instance,
                                                        char** out_json);

/* The same as Prometheus text, each series with the label instance=`name`. */
OSVM_API osvm_error* osvm_unikernel_instance_metrics(const osvm_unikernel_instance* instance,
                                                     const char* name, char** out_text);

/* ---- calls into a guest that serves them: osvm/guest.h ---- */

/* Blocks until the guest waits for work: its first accept(2), its first wait for events while it listens, or
 * its first read of a call. */
OSVM_API osvm_error* osvm_unikernel_instance_wait_ready(osvm_unikernel_instance* instance,
                                                        int64_t timeout_ms);
/* Calls a function and blocks for its answer, which is followed by a NUL; free it with osvm_string_free().
 * `cpu_time_ms`: what the guest may use for it, 0: no limit. OSVM_ERROR_TIMED_OUT or
 * OSVM_ERROR_LIMIT_EXCEEDED: the guest still works on it, and its answer is dropped. `out_status` (negative:
 * -errno) and `out_size` may be null. */
OSVM_API osvm_error* osvm_unikernel_instance_call(osvm_unikernel_instance* instance, const char* function,
                                                  const void* request, size_t request_size,
                                                  int64_t timeout_ms, uint64_t cpu_time_ms,
                                                  int32_t* out_status, char** out_answer, size_t* out_size);

/* ---- looking into a guest ---- */

/* Writes a core dump of the guest as it is now into an empty file; it goes on afterwards. */
OSVM_API osvm_error* osvm_unikernel_instance_dump_core(osvm_unikernel_instance* instance, int32_t file,
                                                       int64_t timeout_ms);
/* Serves a debugger (GDB remote protocol) on a connected stream socket, which is borrowed. Blocks until it
 * leaves or the guest ends; shutdown(2) of the socket ends it. */
OSVM_API osvm_error* osvm_unikernel_instance_debug(osvm_unikernel_instance* instance, int32_t connection);

/* ---- templates: a warm guest, from which instances are made that go on where it stood ----
 *
 * An instance that is spawned has a copy of the memory, threads in the same places, and open files of its
 * own: files are opened anew by their names, listeners listen under the clone's own names, pipes and socket
 * pairs are made anew with what was in them, other connections are reset. Thread-safe; a template outlives
 * its instance. */

typedef struct osvm_unikernel_template osvm_unikernel_template;

/* A template of the guest as it is now; it goes on afterwards. Best taken at rest, for example when it
 * listens. OSVM_UNIKERNEL_CANNOT_SNAPSHOT names what a template cannot hold. */
OSVM_API osvm_error* osvm_unikernel_instance_snapshot(osvm_unikernel_instance* instance, int64_t timeout_ms,
                                                      osvm_unikernel_template** out_template);
OSVM_API void osvm_unikernel_template_free(osvm_unikernel_template* from);
/* Writes it to `path`, mode 0600; a file that is there is replaced as a whole, or stays. */
OSVM_API osvm_error* osvm_unikernel_template_save(const osvm_unikernel_template* from, const char* path);
/* Reads one that was written so. OSVM_UNIKERNEL_BAD_TEMPLATE says what is wrong with it. Whoever can write
 * the file decides what its instances may do. `host` is from osvm_host_probe(); null: the host is probed. */
OSVM_API osvm_error* osvm_unikernel_template_load(const char* path, const osvm_host* host,
                                                  osvm_unikernel_template** out_template);

/* What a spawned instance has of its own. Fill with _init, then change. */
typedef struct osvm_unikernel_spawn_options {
  uint32_t struct_size;
  uint32_t reserved;      /* zero */
  const char* name;       /* default "clone" */
  const char* socket_dir; /* private folder for its sockets; null: the template's */
  osvm_unikernel_stdio input;
  osvm_unikernel_stdio output;
  osvm_unikernel_stdio error;
} osvm_unikernel_spawn_options;

OSVM_API void osvm_unikernel_spawn_options_init(osvm_unikernel_spawn_options* options, uint32_t struct_size);
/* Null options: all defaults. */
OSVM_API osvm_error* osvm_unikernel_template_spawn(osvm_runtime* runtime, const osvm_unikernel_template* from,
                                                   const osvm_unikernel_spawn_options* options,
                                                   osvm_unikernel_instance** out_instance);

/* A spawned instance becomes again what the template is: memory, threads, open files. Its connections are
 * closed. OSVM_UNIKERNEL_CANNOT_SNAPSHOT names what stands in the way. */
OSVM_API osvm_error* osvm_unikernel_instance_reset(osvm_unikernel_instance* instance, int64_t timeout_ms);

typedef struct osvm_unikernel_template_info {
  uint32_t struct_size;
  uint32_t threads;
  uint64_t memory_bytes; /* of pages with content, shared by all instances until they write to them */
  uint32_t descriptors;
  uint32_t reserved;
} osvm_unikernel_template_info;

OSVM_API void osvm_unikernel_template_info_init(osvm_unikernel_template_info* info, uint32_t struct_size);
OSVM_API osvm_error* osvm_unikernel_template_describe(const osvm_unikernel_template* from,
                                                      osvm_unikernel_template_info* info);

#ifdef __cplusplus
}
#endif

#endif
