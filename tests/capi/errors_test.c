/* The edge itself: every failure is a value with domain, code and message, and bad structs are refused. No
 * KVM. */
#include <errno.h>
#include <osvm_hotswap.h>
#include <osvm_unikernel.h>

#include "expect.h"

static osvm_runtime* new_runtime(void) {
  osvm_runtime* runtime = NULL;
  EXPECT_OK(osvm_runtime_new(NULL, &runtime));
  EXPECT(runtime != NULL);
  return runtime;
}

static void null_arguments(void) {
  osvm_runtime* runtime = new_runtime();
  osvm_unikernel_image* image = NULL;
  osvm_unikernel_instance* instance = NULL;
  osvm_hotswap_proxy* proxy = NULL;
  char* text = NULL;
  osvm_unikernel_stats stats;
  osvm_unikernel_stats_init(&stats, sizeof stats);
  EXPECT_ERROR(osvm_runtime_new(NULL, NULL), "osvm", OSVM_ERROR_INVALID_ARGUMENT, "'out_runtime' is null");
  EXPECT_ERROR(osvm_host_probe(NULL), "osvm", OSVM_ERROR_INVALID_ARGUMENT, "'out_host' is null");
  EXPECT_ERROR(osvm_unikernel_image_load(NULL, &image), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "'path' is null");
  EXPECT_ERROR(osvm_unikernel_image_load("/x", NULL), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "'out_image' is null");
  EXPECT_ERROR(osvm_unikernel_image_parse(NULL, 1, "x", &image), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "'bytes'");
  EXPECT_ERROR(osvm_unikernel_instance_start(runtime, NULL, NULL, &instance), "osvm",
               OSVM_ERROR_INVALID_ARGUMENT, "'image' is null");
  EXPECT_ERROR(osvm_unikernel_instance_wait(NULL, 0, NULL), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "'instance'");
  EXPECT_ERROR(osvm_unikernel_instance_kill(NULL), "osvm", OSVM_ERROR_INVALID_ARGUMENT, "'instance'");
  EXPECT_ERROR(osvm_unikernel_instance_stats(NULL, &stats), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "'instance'");
  EXPECT_ERROR(osvm_unikernel_instance_isolation(NULL, &text), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "'instance'");
  EXPECT_ERROR(osvm_hotswap_proxy_new(NULL, NULL, NULL, NULL, &proxy), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "'runtime' is null");
  EXPECT_ERROR(osvm_hotswap_proxy_new(runtime, NULL, NULL, NULL, NULL), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "'out_proxy' is null");
  EXPECT_ERROR(osvm_hotswap_proxy_stats(NULL, NULL), "osvm", OSVM_ERROR_INVALID_ARGUMENT, "'proxy'");
  EXPECT(!image && !instance && !proxy && !text);
  osvm_runtime_free(runtime);

  /* Every _free takes null; getters of null handles answer something harmless. */
  osvm_error_free(NULL);
  osvm_string_free(NULL);
  osvm_runtime_free(NULL);
  osvm_host_free(NULL);
  osvm_unikernel_image_free(NULL);
  osvm_unikernel_instance_free(NULL);
  osvm_unikernel_exit_free(NULL);
  osvm_hotswap_proxy_free(NULL);
  osvm_hotswap_shift_free(NULL);
  EXPECT(strcmp(osvm_error_message(NULL), "") == 0);
  EXPECT(strcmp(osvm_hotswap_proxy_endpoint(NULL), "") == 0);
  EXPECT(strcmp(osvm_unikernel_exit_description(NULL), "") == 0);
}

static void images(void) {
  osvm_unikernel_image* image = NULL;
  EXPECT_ERROR(osvm_unikernel_image_load("/no/such/program", &image), "system", ENOENT, "/no/such/program");
  EXPECT_ERROR(osvm_unikernel_image_load("/etc/passwd", &image), "osvm.unikernel", OSVM_UNIKERNEL_NOT_AN_ELF,
               "");
  EXPECT_ERROR(osvm_unikernel_image_parse("text", 4, "text", &image), "osvm.unikernel",
               OSVM_UNIKERNEL_NOT_AN_ELF, "");
  EXPECT(image == NULL);
}

/* A caller that was compiled against a later version, whose struct is longer. */
typedef struct longer_options {
  osvm_runtime_options known;
  uint64_t later;
} longer_options;

static void versioned_structs(void) {
  osvm_runtime* runtime = NULL;
  longer_options o;
  memset(&o, 0xff, sizeof o);
  osvm_runtime_options_init(&o.known, sizeof o);
  EXPECT(o.known.struct_size == sizeof o && o.known.threads == 1 && o.later == 0);
  EXPECT_OK(osvm_runtime_new(&o.known, &runtime)); /* unset: fine */
  osvm_runtime_free(runtime);
  runtime = NULL;
  o.later = 7;
  EXPECT_ERROR(osvm_runtime_new(&o.known, &runtime), "osvm", OSVM_ERROR_UNSUPPORTED, "does not know");

  /* A caller that was compiled against an earlier version, whose struct ends before `threads`: nothing is
   * written behind it, and the default stands for what it does not know. */
  osvm_runtime_options old = {0, 12345};
  osvm_runtime_options_init(&old, sizeof(uint32_t));
  EXPECT(old.struct_size == sizeof(uint32_t) && old.threads == 12345);
  EXPECT_OK(osvm_runtime_new(&old, &runtime));
  osvm_runtime_free(runtime);
  runtime = NULL;

  osvm_runtime_options forgotten;
  memset(&forgotten, 0, sizeof forgotten);
  EXPECT_ERROR(osvm_runtime_new(&forgotten, &runtime), "osvm", OSVM_ERROR_INVALID_ARGUMENT, "_init");
  memset(&forgotten, 0xcc, sizeof forgotten);
  EXPECT_ERROR(osvm_runtime_new(&forgotten, &runtime), "osvm", OSVM_ERROR_INVALID_ARGUMENT, "_init");
  osvm_runtime_options_init(&forgotten, sizeof forgotten);
  forgotten.threads = 0;
  EXPECT_ERROR(osvm_runtime_new(&forgotten, &runtime), "osvm", OSVM_ERROR_INVALID_ARGUMENT, "threads");
  EXPECT(runtime == NULL);
}

static void proxies(void) {
  osvm_runtime* runtime = new_runtime();
  osvm_hotswap_proxy* proxy = NULL;
  osvm_hotswap_proxy_options o;
  osvm_hotswap_proxy_options_init(&o, sizeof o);
  EXPECT(o.mode == OSVM_HOTSWAP_L7 && o.max_head == 32768);
  o.listen = "not an endpoint";
  EXPECT_ERROR(osvm_hotswap_proxy_new(runtime, &o, NULL, NULL, &proxy), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "");
  o.listen = "hybrid:/tmp/x:1";
  EXPECT_ERROR(osvm_hotswap_proxy_new(runtime, &o, NULL, NULL, &proxy), "osvm.hotswap",
               OSVM_HOTSWAP_BAD_LISTENER, "");
  o.listen = "tcp:127.0.0.1:0";
  o.mode = 9;
  EXPECT_ERROR(osvm_hotswap_proxy_new(runtime, &o, NULL, NULL, &proxy), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "mode");
  o.mode = OSVM_HOTSWAP_L7;
  EXPECT(proxy == NULL);

  /* A backend that nobody listens on never passes its probe: no proxy, and the reason. */
  osvm_hotswap_shift_options first;
  osvm_hotswap_shift_options_init(&first, sizeof first);
  first.probe_deadline_ms = 50;
  EXPECT_ERROR(osvm_hotswap_proxy_new(runtime, &o, "unix:/no/such/socket", &first, &proxy), "osvm.hotswap",
               OSVM_HOTSWAP_PROBE_FAILED, "");
  EXPECT(proxy == NULL);

  EXPECT_OK(osvm_hotswap_proxy_new(runtime, &o, NULL, NULL, &proxy));
  osvm_runtime_free(runtime); /* the proxy holds its own share */
  EXPECT_TEXT(osvm_hotswap_proxy_endpoint(proxy), "127.0.0.1:");

  /* The port is taken now. */
  osvm_runtime* other = new_runtime();
  osvm_hotswap_proxy* second = NULL;
  o.listen = osvm_hotswap_proxy_endpoint(proxy);
  EXPECT_ERROR(osvm_hotswap_proxy_new(other, &o, NULL, NULL, &second), "system", EADDRINUSE, "");
  osvm_runtime_free(other);

  /* Through shift() a release that fails is a report. */
  osvm_hotswap_shift* report = NULL;
  EXPECT_OK(osvm_hotswap_proxy_shift(proxy, "unix:/no/such/socket", &first, &report));
  EXPECT(osvm_hotswap_shift_state(report) == OSVM_HOTSWAP_REJECTED);
  EXPECT(osvm_hotswap_shift_failed_at(report) == OSVM_HOTSWAP_PROBING);
  EXPECT(osvm_hotswap_shift_generation(report) == 0);
  EXPECT(strlen(osvm_hotswap_shift_reason(report)) > 0);
  EXPECT_TEXT(osvm_hotswap_shift_json(report), "\"state\":\"rejected\"");
  osvm_hotswap_shift_free(report);

  report = NULL;
  EXPECT_ERROR(osvm_hotswap_proxy_shift(proxy, "no endpoint", NULL, &report), "osvm",
               OSVM_ERROR_INVALID_ARGUMENT, "");
  EXPECT(report == NULL);

  osvm_hotswap_stats stats;
  osvm_hotswap_stats_init(&stats, sizeof stats);
  EXPECT_OK(osvm_hotswap_proxy_stats(proxy, &stats));
  EXPECT(stats.struct_size == sizeof stats && stats.requests == 0 && stats.shifts == 0);
  osvm_hotswap_proxy_free(proxy);
}

int main(void) {
  EXPECT_TEXT(osvm_version(), ".");
  null_arguments();
  images();
  versioned_structs();
  proxies();
  return 0;
}
