/* A proxy in front of one release at a time, which is replaced without losing a request.
 *
 * The proxy routes to endpoints and knows nothing of virtual machines: start an instance, wait for its
 * endpoint with osvm_unikernel_instance_wait_listening(), and shift the proxy to it.
 *
 * Endpoints are text: "tcp:127.0.0.1:8080", "tcp:[::1]:8080", "unix:/path", "hybrid:/path:PORT" (a port
 * behind a hybrid vsock listener). The prefix "tcp:" may be left out. Conventions: see osvm.h. */
#ifndef OSVM_HOTSWAP_H
#define OSVM_HOTSWAP_H

#include "osvm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Codes of the domain "osvm.hotswap". */
enum {
  OSVM_HOTSWAP_BAD_LISTENER = 1,
  OSVM_HOTSWAP_BAD_ENDPOINT = 2,
  OSVM_HOTSWAP_NO_SUCH_RELEASE = 3,
  OSVM_HOTSWAP_PROBE_FAILED = 4,
  OSVM_HOTSWAP_BAD_RESPONSE = 5,
  OSVM_HOTSWAP_INSTANCE_LOST = 6,
  OSVM_HOTSWAP_BAD_CERTIFICATE = 7
};

/* ---- shift options: what a release must pass before and after it gets traffic ---- */

enum {
  OSVM_HOTSWAP_PROBE_TCP = 0, /* a connection can be made */
  OSVM_HOTSWAP_PROBE_HTTP = 1 /* GET probe_path answers with probe_status, and probe_body in its body */
};

typedef struct osvm_hotswap_shift_options {
  uint32_t struct_size;
  uint32_t probe;             /* OSVM_HOTSWAP_PROBE_*; default HTTP */
  const char* version;        /* for people and reports; null: the endpoint's text */
  const char* probe_path;     /* default "/" */
  const char* probe_host;     /* Host header; default "localhost" */
  const char* probe_body;     /* null or "": the body is not looked at */
  uint32_t probe_status;      /* default 200; 0: any of 200..399 */
  uint32_t probe_successes;   /* in a row; default 1 */
  uint64_t probe_interval_ms; /* default 10 */
  uint64_t probe_timeout_ms;  /* of one attempt; default 1000 */
  uint64_t probe_deadline_ms; /* of the probe as a whole; default 10000 */
  uint32_t warmup_requests;   /* sent to the healthy release before it gets traffic; default 3, 0: none */
  uint32_t bake_min_requests; /* before the error rate is judged; default 20 */
  const char* warmup_path;    /* default "/" */
  uint64_t warmup_timeout_ms; /* of each; default 2000 */
  uint64_t bake_window_ms;    /* so long real traffic is watched, and the way back is open; default 0: none */
  double bake_max_error_rate; /* failures and 5xx per request that are tolerated; default 0.05 */
  uint64_t drain_deadline_ms; /* for what is in flight on the release that leaves; default 30000 */
} osvm_hotswap_shift_options;

OSVM_API void osvm_hotswap_shift_options_init(osvm_hotswap_shift_options* options, uint32_t struct_size);

/* ---- proxy ---- */

typedef struct osvm_hotswap_proxy osvm_hotswap_proxy;
typedef struct osvm_hotswap_shift osvm_hotswap_shift;

enum {
  OSVM_HOTSWAP_L4 = 0, /* bytes; a connection stays with its release until it ends */
  OSVM_HOTSWAP_L7 = 1  /* HTTP/1.1; each request goes to the release that is active when it arrives */
};

typedef struct osvm_hotswap_proxy_options {
  uint32_t struct_size;
  uint32_t mode;                /* default OSVM_HOTSWAP_L7 */
  const char* listen;           /* endpoint, tcp or unix; default "tcp:127.0.0.1:0", any free port */
  uint32_t shards;              /* independent parts; 0: one per thread of the runtime */
  uint32_t backlog;             /* default 1024 */
  uint32_t unix_mode;           /* permissions of a unix listener; default 0600 */
  uint32_t max_connections;     /* default 16000 */
  uint32_t max_idle_upstream;   /* kept-alive connections to the release, per shard; default 64 */
  uint32_t max_fields;          /* header fields; default 128 */
  uint64_t max_head;            /* bytes of a request or response head; default 32768 */
  uint64_t max_target;          /* bytes of a request target; default 8192 */
  uint64_t max_body;            /* bytes of a request body; 0 (default): no limit, bodies are streamed */
  uint64_t head_timeout_ms;     /* a client's request head; default 10000; 0 in any timeout switches it off */
  uint64_t idle_timeout_ms;     /* default 60000 */
  uint64_t stall_timeout_ms;    /* default 30000 */
  uint64_t connect_timeout_ms;  /* to the release; default 3000 */
  uint64_t response_timeout_ms; /* request sent until the response head; default 60000 */
  uint64_t upstream_idle_timeout_ms; /* default 30000 */
} osvm_hotswap_proxy_options;

OSVM_API void osvm_hotswap_proxy_options_init(osvm_hotswap_proxy_options* options, uint32_t struct_size);

/* Listens, and routes to `backend` once it has passed `first`; fails with the reason when it does not pass. A
 * null `backend` routes nowhere until the first shift: L7 answers 503, L4 closes. `first` may be null (all
 * defaults). */
OSVM_API osvm_error* osvm_hotswap_proxy_new(osvm_runtime* runtime, const osvm_hotswap_proxy_options* options,
                                            const char* backend, const osvm_hotswap_shift_options* first,
                                            osvm_hotswap_proxy** out_proxy);
/* Where it listens, with the real port. Borrowed. */
OSVM_API const char* osvm_hotswap_proxy_endpoint(const osvm_hotswap_proxy* proxy);
/* Replaces the release: probes `backend`, warms it up, routes to it by one atomic change, drains the old one.
 * Blocks until that is over. A release that was rejected or rolled back is no error: the report says so, and
 * the release before serves on. Errors: OSVM_ERROR_BUSY (another shift is under way),
 * OSVM_ERROR_INVALID_ARGUMENT. */
OSVM_API osvm_error* osvm_hotswap_proxy_shift(osvm_hotswap_proxy* proxy, const char* backend,
                                              const osvm_hotswap_shift_options* options,
                                              osvm_hotswap_shift** out_report);
/* Stops listening and cuts every connection. */
OSVM_API void osvm_hotswap_proxy_free(osvm_hotswap_proxy* proxy);

/* ---- what a shift did, exactly ---- */

enum {
  OSVM_HOTSWAP_STARTING = 0,
  OSVM_HOTSWAP_PROBING = 1,
  OSVM_HOTSWAP_WARMING = 2,
  OSVM_HOTSWAP_ACTIVE = 3, /* it took over */
  OSVM_HOTSWAP_DRAINING = 4,
  OSVM_HOTSWAP_RETIRED = 5,    /* it was lost in the bake window with nothing to roll back to */
  OSVM_HOTSWAP_REJECTED = 6,   /* the release before serves on, untouched */
  OSVM_HOTSWAP_ROLLED_BACK = 7 /* the release before serves again */
};

/* OSVM_HOTSWAP_ACTIVE, _REJECTED, _ROLLED_BACK or _RETIRED. */
OSVM_API uint32_t osvm_hotswap_shift_state(const osvm_hotswap_shift* report);
/* The step that failed; meaningful unless active. */
OSVM_API uint32_t osvm_hotswap_shift_failed_at(const osvm_hotswap_shift* report);
/* For people; empty when active. Borrowed. */
OSVM_API const char* osvm_hotswap_shift_reason(const osvm_hotswap_shift* report);
/* Version that served before; empty: none. Borrowed. */
OSVM_API const char* osvm_hotswap_shift_replaced(const osvm_hotswap_shift* report);
OSVM_API uint64_t osvm_hotswap_shift_generation(const osvm_hotswap_shift* report);
/* The call that changed the route. */
OSVM_API uint64_t osvm_hotswap_shift_time_ns(const osvm_hotswap_shift* report);
/* Requests (L4: connections) in flight on the release that left: ended in order, and cut by the deadline. */
OSVM_API uint64_t osvm_hotswap_shift_drained(const osvm_hotswap_shift* report);
OSVM_API uint64_t osvm_hotswap_shift_cut(const osvm_hotswap_shift* report);
/* One line for people, and one JSON object with everything. Borrowed. */
OSVM_API const char* osvm_hotswap_shift_description(const osvm_hotswap_shift* report);
OSVM_API const char* osvm_hotswap_shift_json(const osvm_hotswap_shift* report);
OSVM_API void osvm_hotswap_shift_free(osvm_hotswap_shift* report);

/* ---- counters ---- */

typedef struct osvm_hotswap_stats {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t accepted; /* client connections since the proxy began to listen */
  uint64_t active;   /* open now */
  uint64_t refused;  /* closed at once */
  uint64_t requests; /* L4: connections */
  uint64_t answered; /* complete responses */
  uint64_t failed;   /* sum of the eight failure classes below */
  uint64_t bad_requests;
  uint64_t client_timeouts;
  uint64_t no_release;
  uint64_t connect_failed;
  uint64_t upstream_closed;
  uint64_t upstream_invalid;
  uint64_t upstream_timeouts;
  uint64_t truncated;
  uint64_t client_aborted; /* the client left first */
  uint64_t cut;            /* ended by a drain deadline or by closing the proxy */
  uint64_t retried;
  uint64_t upgraded;
  uint64_t bytes_to_release;
  uint64_t bytes_to_client;
  uint64_t shifts;
} osvm_hotswap_stats;

OSVM_API void osvm_hotswap_stats_init(osvm_hotswap_stats* stats, uint32_t struct_size);
OSVM_API osvm_error* osvm_hotswap_proxy_stats(const osvm_hotswap_proxy* proxy, osvm_hotswap_stats* stats);
OSVM_API osvm_error* osvm_hotswap_proxy_stats_json(const osvm_hotswap_proxy* proxy, char** out_json);

/* ---- a gateway: what `osvm proxy -c FILE` runs ---- */

/* Listeners, routes, services with their releases, health checks and limits from a configuration in YAML
 * (docs/guides/replace-without-downtime.md; `control` is for `osvm proxy`). Thread-safe, except _free. */
typedef struct osvm_hotswap_gateway osvm_hotswap_gateway;

/* Listens, and returns when the release of every service is active. `name` is what errors call the text,
 * which they point into as "name:line:column". */
OSVM_API osvm_error* osvm_hotswap_gateway_open(osvm_runtime* runtime, const char* config, const char* name,
                                               osvm_hotswap_gateway** out_gateway);
OSVM_API osvm_error* osvm_hotswap_gateway_open_file(osvm_runtime* runtime, const char* path,
                                                    osvm_hotswap_gateway** out_gateway);
/* Another configuration, as a whole or not at all; no connection is lost. Returns when it is in force. */
OSVM_API osvm_error* osvm_hotswap_gateway_reload(osvm_hotswap_gateway* gateway, const char* config,
                                                 const char* name);
OSVM_API osvm_error* osvm_hotswap_gateway_reload_file(osvm_hotswap_gateway* gateway, const char* path);
/* Returns when it is decided: a release that was rejected or rolled back is a report, no error. */
OSVM_API osvm_error* osvm_hotswap_gateway_shift(osvm_hotswap_gateway* gateway, const char* service,
                                                const char* version, const char* const* backends,
                                                size_t backend_count, osvm_hotswap_shift** out_report);
/* To the release before; ends a deployment that is under way. */
OSVM_API osvm_error* osvm_hotswap_gateway_rollback(osvm_hotswap_gateway* gateway, const char* service,
                                                   osvm_hotswap_shift** out_report);
enum {
  OSVM_HOTSWAP_PAUSE = 0, /* the deployment that is under way waits at its next boundary */
  OSVM_HOTSWAP_RESUME = 1,
  OSVM_HOTSWAP_ABORT = 2 /* it is given up: rejected or rolled back */
};
OSVM_API osvm_error* osvm_hotswap_gateway_command(osvm_hotswap_gateway* gateway, const char* service,
                                                  uint32_t command);
/* 0: nothing new goes to the backend. 100 is what backends begin with. */
OSVM_API osvm_error* osvm_hotswap_gateway_set_weight(osvm_hotswap_gateway* gateway, const char* service,
                                                     const char* backend, uint32_t weight);
/* Weight 0, and waits for what is in flight there; *out_drained is 0 when `timeout_ms` was not enough. */
OSVM_API osvm_error* osvm_hotswap_gateway_drain(osvm_hotswap_gateway* gateway, const char* service,
                                                const char* backend, int64_t timeout_ms, int* out_drained);
/* Listeners and services with their backends: what `osvm proxy status --json` prints. */
OSVM_API osvm_error* osvm_hotswap_gateway_status_json(osvm_hotswap_gateway* gateway, char** out_json);
/* Prometheus text. */
OSVM_API osvm_error* osvm_hotswap_gateway_metrics(osvm_hotswap_gateway* gateway, char** out_text);
/* At most `most` transitions of releases as a JSON array, oldest first: service, version, attempt, state,
 * reason, time_ms. The last 1024 are kept; *out_lost (may be null) counts those that were not taken in time.
 */
OSVM_API osvm_error* osvm_hotswap_gateway_take_events_json(osvm_hotswap_gateway* gateway, size_t most,
                                                           char** out_json, uint64_t* out_lost);
/* Stops listening, lets every service drain for at most `timeout_ms`, cuts and counts what is left. */
OSVM_API osvm_error* osvm_hotswap_gateway_stop(osvm_hotswap_gateway* gateway, int64_t timeout_ms);
/* Cuts every connection. No other call may be under way. */
OSVM_API void osvm_hotswap_gateway_free(osvm_hotswap_gateway* gateway);

#ifdef __cplusplus
}
#endif

#endif
