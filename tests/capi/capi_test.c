/* Real guests through the C API: run, budget, kill, listen, and a proxy that moves from one VM to the next.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <osvm_hotswap.h>
#include <osvm_unikernel.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

static osvm_runtime* runtime;
static osvm_host* host;
static const char* guest_dir;
static const char* worker;
static char socket_dir[] = "/tmp/osvm-capi-XXXXXX";

static osvm_unikernel_image* load(const char* name) {
  char path[4096];
  osvm_unikernel_image* image = NULL;
  snprintf(path, sizeof path, "%s/%s", guest_dir, name);
  EXPECT_OK(osvm_unikernel_image_load(path, &image));
  return image;
}

static osvm_unikernel_options defaults(void) {
  osvm_unikernel_options o;
  osvm_unikernel_options_init(&o, sizeof o);
  o.output.kind = o.error.kind = OSVM_UNIKERNEL_STDIO_CAPTURE;
  o.output.size = o.error.size = 1 << 20;
  o.host = host;
  return o;
}

static void runs_a_dynamic_program(void) {
  osvm_unikernel_image* image = NULL;
  EXPECT_OK(osvm_unikernel_image_load("/usr/bin/expr", &image));
  const char* const arguments[] = {"/usr/bin/expr", "6", "*", "7"};
  osvm_unikernel_options o = defaults();
  o.arguments = arguments;
  o.argument_count = 4;
  osvm_unikernel_instance* instance = NULL;
  EXPECT_ERROR(osvm_unikernel_instance_start(runtime, image, &o, &instance), "osvm.unikernel",
               OSVM_UNIKERNEL_BAD_LOADER, "ld-linux");
  o.flags = 8;
  EXPECT_ERROR(osvm_unikernel_instance_start(runtime, image, &o, &instance), "osvm",
               OSVM_ERROR_INVALID_ARGUMENT, "flags");
  o.flags = OSVM_UNIKERNEL_GRANT_LIBRARIES | OSVM_UNIKERNEL_EXITLESS;
  EXPECT_OK(osvm_unikernel_instance_start(runtime, image, &o, &instance));
  osvm_unikernel_image_free(image);
  EXPECT_OK(osvm_unikernel_instance_wait(instance, 10000, NULL));
  char* text = NULL;
  EXPECT_OK(osvm_unikernel_instance_take_output(instance, 1, &text, NULL));
  EXPECT(strcmp(text, "42\n") == 0);
  osvm_string_free(text);
  EXPECT_OK(osvm_unikernel_instance_stats_json(instance, &text));
  EXPECT_TEXT(text, "libc.so.6");
  osvm_string_free(text);
  EXPECT_OK(osvm_unikernel_instance_metrics(instance, "expr", &text));
  EXPECT_TEXT(text, "osvm_instance_system_calls_total{call=\"exit_group\",instance=\"expr\"} 1\n");
  osvm_string_free(text);
  osvm_unikernel_instance_free(instance);
}

static void lives_in_a_jail_of_its_own(void) {
  osvm_unikernel_image* image = load("hello");
  const char* const arguments[] = {"hello", "apart"};
  osvm_unikernel_options o = defaults();
  o.arguments = arguments;
  o.argument_count = 2;
  o.flags = OSVM_UNIKERNEL_JAIL;
  osvm_unikernel_instance* instance = NULL;
  EXPECT_ERROR(osvm_unikernel_instance_start(runtime, image, &o, &instance), "osvm",
               OSVM_ERROR_INVALID_ARGUMENT, "worker");
  o.worker = worker;
  EXPECT_OK(osvm_unikernel_instance_start(runtime, image, &o, &instance));
  osvm_unikernel_image_free(image);
  EXPECT_OK(osvm_unikernel_instance_wait(instance, 10000, NULL));
  char* text = NULL;
  EXPECT_OK(osvm_unikernel_instance_take_output(instance, 1, &text, NULL));
  EXPECT(strcmp(text, "apart\n") == 0);
  osvm_string_free(text);
  EXPECT_OK(osvm_unikernel_instance_isolation(instance, &text));
  EXPECT_TEXT(text, "in a jail");
  osvm_string_free(text);
  osvm_unikernel_instance_free(instance);
}

static void holds_a_worker_to_its_limits(void) {
  osvm_unikernel_image* image = load("hello");
  osvm_unikernel_options o = defaults();
  o.limit_tasks = 20;
  osvm_unikernel_instance* instance = NULL;
  EXPECT_ERROR(osvm_unikernel_instance_start(runtime, image, &o, &instance), "osvm",
               OSVM_ERROR_INVALID_ARGUMENT, "limits need a worker");
  o.worker = worker;
  o.limit_parent = "/osvm-no-such-group";
  EXPECT_ERROR(osvm_unikernel_instance_start(runtime, image, &o, &instance), "osvm", OSVM_ERROR_UNSUPPORTED,
               "limits of a worker");
  o.limit_parent = NULL;
  osvm_error* refused = osvm_unikernel_instance_start(runtime, image, &o, &instance);
  osvm_unikernel_image_free(image);
  if (refused) { /* a host without such groups for this user says so */
    EXPECT(osvm_error_code(refused) == OSVM_ERROR_UNSUPPORTED);
    osvm_error_free(refused);
    return;
  }
  EXPECT_OK(osvm_unikernel_instance_wait(instance, 10000, NULL));
  char* text = NULL;
  EXPECT_OK(osvm_unikernel_instance_isolation(instance, &text));
  EXPECT_TEXT(text, "cgroup limits: 20 tasks");
  osvm_string_free(text);
  osvm_unikernel_instance_free(instance);
}

/* A process that makes an instance, says its ticket, and is killed. */
static void makes_an_instance_and_dies(int told) {
  osvm_runtime* own = NULL;
  EXPECT_OK(osvm_runtime_new(NULL, &own));
  osvm_unikernel_image* image = load("stubborn");
  const char* const arguments[] = {"stubborn", "sleeping"};
  osvm_unikernel_options o = defaults();
  o.arguments = arguments;
  o.argument_count = 2;
  o.orphan_after_ms = 60000;
  osvm_unikernel_instance* instance = NULL;
  EXPECT_ERROR(osvm_unikernel_instance_start(own, image, &o, &instance), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "worker");
  o.worker = worker;
  EXPECT_ERROR(osvm_unikernel_instance_start(own, image, &o, &instance), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "socket_dir");
  o.socket_dir = socket_dir;
  EXPECT_OK(osvm_unikernel_instance_start(own, image, &o, &instance));
  char* ticket = NULL;
  EXPECT_OK(osvm_unikernel_instance_ticket(instance, &ticket));
  const size_t size = strlen(ticket) + 1;
  EXPECT(write(told, ticket, size) == (ssize_t)size);
  (void)raise(SIGKILL);
}

static void adopts_what_a_killed_process_leaves(void) {
  int told[2];
  char ticket[512] = "";
  EXPECT(pipe(told) == 0);
  const pid_t creator = fork();
  if (creator == 0) makes_an_instance_and_dies(told[1]);
  int status = 0;
  EXPECT(waitpid(creator, &status, 0) == creator);
  EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT(read(told[0], ticket, sizeof ticket - 1) > 33);
  close(told[0]);
  close(told[1]);
  osvm_unikernel_instance* instance = NULL;
  EXPECT_ERROR(osvm_unikernel_instance_adopt(runtime, "nonsense", NULL, &instance), "osvm",
               OSVM_ERROR_INVALID_ARGUMENT, "ticket");
  const char digit = ticket[0];
  ticket[0] = digit == '0' ? '1' : '0';
  EXPECT_ERROR(osvm_unikernel_instance_adopt(runtime, ticket, NULL, &instance), "osvm", OSVM_ERROR_DENIED,
               "nonce");
  ticket[0] = digit;
  osvm_unikernel_adopt_options o;
  osvm_unikernel_adopt_options_init(&o, sizeof o);
  EXPECT_OK(osvm_unikernel_instance_adopt(runtime, ticket, &o, &instance));
  char* again = NULL;
  EXPECT_OK(osvm_unikernel_instance_ticket(instance, &again));
  EXPECT(strcmp(again, ticket) == 0);
  osvm_string_free(again);
  EXPECT_OK(osvm_unikernel_instance_kill(instance));
  osvm_unikernel_exit* end = NULL;
  EXPECT_OK(osvm_unikernel_instance_wait(instance, 10000, &end));
  EXPECT(osvm_unikernel_exit_cause(end) == OSVM_UNIKERNEL_KILLED);
  osvm_unikernel_exit_free(end);
  osvm_unikernel_instance_free(instance);
  EXPECT_ERROR(osvm_unikernel_instance_adopt(runtime, ticket, NULL, &instance), "osvm", OSVM_ERROR_NOT_FOUND,
               "no instance waits");
}

static void tells_what_happened_and_what_is_missing(void) {
  osvm_unikernel_image* image = load("probe");
  const char* const arguments[] = {"probe", "read", "/etc/fstab"};
  osvm_unikernel_options o = defaults();
  o.arguments = arguments;
  o.argument_count = 3;
  o.events = OSVM_UNIKERNEL_EVENTS_DENIALS | OSVM_UNIKERNEL_EVENTS_TRACE;
  o.learn = OSVM_UNIKERNEL_LEARN_DENIALS;
  osvm_unikernel_instance* instance = NULL;
  EXPECT_OK(osvm_unikernel_instance_start(runtime, image, &o, &instance));
  EXPECT_OK(osvm_unikernel_instance_wait(instance, 10000, NULL));
  char* text = NULL;
  EXPECT_OK(osvm_unikernel_instance_take_events_json(instance, 1000, &text));
  EXPECT_TEXT(text, "\"rule\":\"--ro HOST:/etc/fstab\"");
  EXPECT_TEXT(text, "exit_group(0) = ?");
  osvm_string_free(text);
  EXPECT_OK(osvm_unikernel_instance_take_events_json(instance, 1000, &text));
  EXPECT(strcmp(text, "[]") == 0);
  osvm_string_free(text);
  EXPECT_OK(osvm_unikernel_instance_learned_policy(instance, &text));
  EXPECT_TEXT(text, "{host: /etc/fstab, guest: /etc/fstab}");
  char path[64];
  snprintf(path, sizeof path, "%s/policy.yaml", socket_dir);
  FILE* file = fopen(path, "w");
  EXPECT(file && fputs(text, file) >= 0 && fclose(file) == 0);
  osvm_string_free(text);
  osvm_unikernel_instance_free(instance);
  o.learn = OSVM_UNIKERNEL_LEARN_OFF;
  o.policy_file = path;
  EXPECT_OK(osvm_unikernel_instance_start(runtime, image, &o, &instance));
  osvm_unikernel_image_free(image);
  EXPECT_OK(osvm_unikernel_instance_wait(instance, 10000, NULL));
  EXPECT_OK(osvm_unikernel_instance_take_output(instance, 1, &text, NULL));
  EXPECT_TEXT(text, "content ");
  osvm_string_free(text);
  EXPECT_ERROR(osvm_unikernel_instance_learned_policy(instance, &text), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "learn");
  osvm_unikernel_instance_free(instance);
  (void)remove(path);
}

static void runs_to_the_end(void) {
  osvm_unikernel_image* image = load("hello");
  osvm_unikernel_options o = defaults();
  osvm_unikernel_instance* instance = NULL;
  EXPECT_OK(osvm_unikernel_instance_start(runtime, image, &o, &instance));
  osvm_unikernel_image_free(image); /* a running instance needs no image handle */

  osvm_unikernel_exit* report = NULL;
  EXPECT_OK(osvm_unikernel_instance_wait(instance, 10000, &report));
  EXPECT(osvm_unikernel_exit_cause(report) == OSVM_UNIKERNEL_EXITED);
  EXPECT(osvm_unikernel_exit_status(report) == 0 && osvm_unikernel_exit_shell_status(report) == 0);
  EXPECT_TEXT(osvm_unikernel_exit_json(report), "\"status\":0");
  osvm_unikernel_exit_free(report);

  char* output = NULL;
  size_t size = 0;
  EXPECT_OK(osvm_unikernel_instance_take_output(instance, 1, &output, &size));
  EXPECT(size > 0 && strlen(output) == size);
  osvm_string_free(output);
  EXPECT_ERROR(osvm_unikernel_instance_take_output(instance, 3, &output, NULL), "osvm",
               OSVM_ERROR_INVALID_ARGUMENT, "descriptor");

  osvm_unikernel_stats stats;
  osvm_unikernel_stats_init(&stats, sizeof stats);
  EXPECT_OK(osvm_unikernel_instance_stats(instance, &stats));
  EXPECT(stats.boot_total_ns > 0 && stats.exits > 0 && stats.syscalls > 0 && stats.memory_peak_bytes > 0);
  char* json = NULL;
  EXPECT_OK(osvm_unikernel_instance_stats_json(instance, &json));
  EXPECT_TEXT(json, "\"exit_group\"");
  osvm_string_free(json);
  EXPECT_OK(osvm_unikernel_instance_isolation(instance, &json));
  EXPECT_TEXT(json, "hardware");
  osvm_string_free(json);
  osvm_unikernel_instance_free(instance);
}

static osvm_unikernel_instance* start_server(const char* release, osvm_unikernel_listener* listener) {
  osvm_unikernel_image* image = load("http_server");
  osvm_unikernel_instance* instance = NULL;
  osvm_unikernel_options o = defaults();
  char environment[64];
  const char* one[] = {environment};
  snprintf(environment, sizeof environment, "OSVM_RELEASE=%s", release);
  *listener = (osvm_unikernel_listener){OSVM_UNIKERNEL_TCP, 8080};
  o.environment = one;
  o.environment_count = 1;
  o.listeners = listener;
  o.listener_count = 1;
  o.socket_dir = socket_dir;
  o.name = release;
  EXPECT_OK(osvm_unikernel_instance_start(runtime, image, &o, &instance));
  osvm_unikernel_image_free(image);
  return instance;
}

static char* endpoint_of(osvm_unikernel_instance* instance, const osvm_unikernel_listener* listener) {
  char* endpoint = NULL;
  EXPECT_OK(osvm_unikernel_instance_wait_listening(instance, listener, 10000, &endpoint));
  EXPECT_TEXT(endpoint, "unix:");
  return endpoint;
}

static void deadline_and_kill(void) {
  osvm_unikernel_listener listener;
  osvm_unikernel_instance* instance = start_server("killed", &listener);
  char* endpoint = endpoint_of(instance, &listener);
  osvm_string_free(endpoint);
  const osvm_unikernel_listener other = {OSVM_UNIKERNEL_TCP, 9};
  endpoint = NULL;
  EXPECT_ERROR(osvm_unikernel_instance_wait_listening(instance, &other, 10000, &endpoint), "osvm",
               OSVM_ERROR_DENIED, "");
  EXPECT(endpoint == NULL);
  EXPECT_ERROR(osvm_unikernel_instance_wait(instance, 20, NULL), "osvm", OSVM_ERROR_TIMED_OUT, "");
  EXPECT_OK(osvm_unikernel_instance_kill(instance));
  osvm_unikernel_exit* report = NULL;
  EXPECT_OK(osvm_unikernel_instance_wait(instance, OSVM_FOREVER, &report));
  EXPECT(osvm_unikernel_exit_cause(report) == OSVM_UNIKERNEL_KILLED);
  EXPECT(osvm_unikernel_exit_shell_status(report) == 137);
  EXPECT_TEXT(osvm_unikernel_exit_description(report), "kill");
  osvm_unikernel_exit_free(report);
  osvm_unikernel_instance_free(instance);
}

static void wall_budget(void) {
  osvm_unikernel_image* image = load("http_server");
  osvm_unikernel_options o = defaults();
  const osvm_unikernel_listener listener = {OSVM_UNIKERNEL_TCP, 8080};
  o.listeners = &listener;
  o.listener_count = 1;
  o.socket_dir = socket_dir;
  o.wall_time_ms = 50;
  osvm_unikernel_instance* instance = NULL;
  EXPECT_OK(osvm_unikernel_instance_start(runtime, image, &o, &instance));
  osvm_unikernel_exit* report = NULL;
  EXPECT_OK(osvm_unikernel_instance_wait(instance, 10000, &report));
  EXPECT(osvm_unikernel_exit_cause(report) == OSVM_UNIKERNEL_WALL_BUDGET);
  EXPECT_TEXT(osvm_unikernel_exit_json(report), "\"cause\":\"wall_budget\"");
  osvm_unikernel_exit_free(report);
  osvm_unikernel_instance_free(instance);
  osvm_unikernel_image_free(image);
}

static void memory_folders(void) {
  osvm_unikernel_image* image = load("probe");
  osvm_unikernel_options o = defaults();
  const char* const folders[] = {"/scratch:1MiB"};
  const char* const words[] = {"probe", "write", "/scratch/file", "text"};
  o.tmpfs = folders;
  o.tmpfs_count = 1;
  o.arguments = words;
  o.argument_count = 4;
  osvm_unikernel_instance* instance = NULL;
  EXPECT_OK(osvm_unikernel_instance_start(runtime, image, &o, &instance));
  EXPECT_OK(osvm_unikernel_instance_wait(instance, 60000, NULL));
  char* text = NULL;
  EXPECT_OK(osvm_unikernel_instance_take_output(instance, 1, &text, NULL));
  EXPECT(strcmp(text, "write 4\n") == 0);
  osvm_string_free(text);
  osvm_unikernel_instance_free(instance);
  const char* const wrong[] = {"scratch"};
  o.tmpfs = wrong;
  EXPECT_ERROR(osvm_unikernel_instance_start(runtime, image, &o, &instance), "osvm",
               OSVM_ERROR_INVALID_ARGUMENT, "/tmp:64MiB");
  osvm_unikernel_image_free(image);
}

static void refused_options(void) {
  osvm_unikernel_image* image = load("hello");
  osvm_unikernel_instance* instance = NULL;
  osvm_unikernel_options o = defaults();
  o.isolation = OSVM_UNIKERNEL_PROCESS;
  EXPECT_ERROR(osvm_unikernel_instance_start(runtime, image, &o, &instance), "osvm.unikernel",
               OSVM_UNIKERNEL_ISOLATION_UNSUPPORTED, "");
  o = defaults();
  const osvm_unikernel_mount mount = {"/no/such/folder", "/data", 0};
  o.mounts = &mount;
  o.mount_count = 1;
  EXPECT_ERROR(osvm_unikernel_instance_start(runtime, image, &o, &instance), "osvm.unikernel",
               OSVM_UNIKERNEL_BAD_POLICY, "/no/such/folder");
  o = defaults();
  o.argument_count = 1;
  EXPECT_ERROR(osvm_unikernel_instance_start(runtime, image, &o, &instance), "osvm",
               OSVM_ERROR_INVALID_ARGUMENT, "'arguments' is null");
  EXPECT(instance == NULL);
  osvm_unikernel_image_free(image);
}

/* One request on a connection of its own; the whole answer. */
static void get(const char* endpoint, char* answer, size_t size) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  to.sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1));
  const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  size_t have = 0;
  EXPECT(fd >= 0 && connect(fd, (struct sockaddr*)&to, sizeof to) == 0);
  EXPECT(write(fd, request, sizeof request - 1) == (ssize_t)sizeof request - 1);
  for (ssize_t n = 1; n > 0 && have + 1 < size; have += (size_t)n) {
    n = read(fd, answer + have, size - 1 - have);
    EXPECT(n >= 0);
  }
  answer[have] = '\0';
  close(fd);
}

static void shift(osvm_hotswap_proxy* proxy, const char* endpoint, const char* version) {
  osvm_hotswap_shift_options o;
  osvm_hotswap_shift_options_init(&o, sizeof o);
  o.version = version;
  osvm_hotswap_shift* report = NULL;
  EXPECT_OK(osvm_hotswap_proxy_shift(proxy, endpoint, &o, &report));
  if (osvm_hotswap_shift_state(report) != OSVM_HOTSWAP_ACTIVE) {
    fprintf(stderr, "%s\n", osvm_hotswap_shift_description(report));
    exit(1);
  }
  osvm_hotswap_shift_free(report);
}

static void shifts_between_two_vms(void) {
  osvm_unikernel_listener listener;
  osvm_unikernel_instance* v1 = start_server("v1", &listener);
  osvm_unikernel_instance* v2 = start_server("v2", &listener);
  char* first = endpoint_of(v1, &listener);
  char* second = endpoint_of(v2, &listener);
  osvm_hotswap_proxy* proxy = NULL;
  char answer[65536];
  EXPECT_OK(osvm_hotswap_proxy_new(runtime, NULL, first, NULL, &proxy));
  get(osvm_hotswap_proxy_endpoint(proxy), answer, sizeof answer);
  EXPECT_TEXT(answer, "200 OK");
  EXPECT_TEXT(answer, "X-Osvm-Release: v1\r\n");
  shift(proxy, second, "v2");
  get(osvm_hotswap_proxy_endpoint(proxy), answer, sizeof answer);
  EXPECT_TEXT(answer, "X-Osvm-Release: v2\r\n");
  shift(proxy, first, "v1");
  get(osvm_hotswap_proxy_endpoint(proxy), answer, sizeof answer);
  EXPECT_TEXT(answer, "X-Osvm-Release: v1\r\n");

  osvm_hotswap_stats stats;
  osvm_hotswap_stats_init(&stats, sizeof stats);
  EXPECT_OK(osvm_hotswap_proxy_stats(proxy, &stats));
  EXPECT(stats.requests == 3 && stats.answered == 3 && stats.failed == 0 && stats.shifts == 3);
  char* json = NULL;
  EXPECT_OK(osvm_hotswap_proxy_stats_json(proxy, &json));
  EXPECT_TEXT(json, "\"answered\":3");
  osvm_string_free(json);
  osvm_hotswap_proxy_free(proxy);
  osvm_string_free(first);
  osvm_string_free(second);
  osvm_unikernel_instance_free(v1);
  osvm_unikernel_instance_free(v2);
}

/* A warm server, a template of it, and two more that answer as it did. */
static void spawns_from_a_template(void) {
  osvm_unikernel_image* image = load("http_server");
  osvm_unikernel_options o = defaults();
  const char* arguments[] = {"http_server", "8080", "warm"};
  const osvm_unikernel_listener web = {OSVM_UNIKERNEL_TCP, 8080};
  o.arguments = arguments;
  o.argument_count = 3;
  o.listeners = &web;
  o.listener_count = 1;
  o.socket_dir = socket_dir;
  osvm_unikernel_instance* first = NULL;
  EXPECT_OK(osvm_unikernel_instance_start(runtime, image, &o, &first));
  osvm_unikernel_image_free(image);
  char* where = NULL;
  EXPECT_OK(osvm_unikernel_instance_wait_listening(first, &web, 10000, &where));
  osvm_string_free(where);
  osvm_unikernel_template* from = NULL;
  EXPECT_ERROR(osvm_unikernel_instance_snapshot(NULL, 1000, &from), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "instance");
  EXPECT_OK(osvm_unikernel_instance_snapshot(first, 10000, &from));
  osvm_unikernel_instance_free(first);
  osvm_unikernel_template_info info;
  osvm_unikernel_template_info_init(&info, sizeof info);
  EXPECT_OK(osvm_unikernel_template_describe(from, &info));
  EXPECT(info.threads == 1 && info.memory_bytes > 0 && info.descriptors >= 4);

  osvm_unikernel_spawn_options s;
  osvm_unikernel_spawn_options_init(&s, sizeof s);
  s.name = "second";
  osvm_unikernel_instance *second = NULL, *third = NULL;
  EXPECT_OK(osvm_unikernel_template_spawn(runtime, from, &s, &second));
  char path[128];
  snprintf(path, sizeof path, "%s/saved.osvmtpl", socket_dir);
  EXPECT_OK(osvm_unikernel_template_save(from, path));
  osvm_unikernel_template_free(from);
  EXPECT_OK(osvm_unikernel_template_load(path, host, &from));
  EXPECT_OK(osvm_unikernel_template_spawn(runtime, from, NULL, &third));
  osvm_unikernel_template_free(from);
  EXPECT(truncate(path, 1000) == 0);
  EXPECT_ERROR(osvm_unikernel_template_load(path, host, &from), "osvm.unikernel", OSVM_UNIKERNEL_BAD_TEMPLATE,
               "cut off");
  EXPECT(unlink(path) == 0);
  osvm_unikernel_instance* both[] = {second, third};
  for (int i = 0; i < 2; ++i) {
    EXPECT_OK(osvm_unikernel_instance_wait_listening(both[i], &web, 10000, &where));
    EXPECT_TEXT(where, i == 0 ? "/second-" : "/clone-");
    EXPECT_OK(osvm_unikernel_instance_reset(both[i], 10000));
    osvm_string_free(where);
    osvm_unikernel_instance_free(both[i]);
  }
}

/* A guest of functions, and a core dump of it. */
static void calls_into_a_guest(void) {
  osvm_unikernel_image* image = load("called");
  osvm_unikernel_options o = defaults();
  osvm_unikernel_instance* guest = NULL;
  EXPECT_OK(osvm_unikernel_instance_start(runtime, image, &o, &guest));
  osvm_unikernel_image_free(image);
  EXPECT_OK(osvm_unikernel_instance_wait_ready(guest, 10000));
  const int32_t numbers[2] = {40, 2};
  int32_t status = -1, sum = 0;
  char* answer = NULL;
  size_t size = 0;
  EXPECT_OK(
      osvm_unikernel_instance_call(guest, "add", numbers, sizeof numbers, 10000, 0, &status, &answer, &size));
  EXPECT(status == 0 && size == sizeof sum);
  memcpy(&sum, answer, sizeof sum);
  EXPECT(sum == 42);
  osvm_string_free(answer);
  EXPECT_ERROR(osvm_unikernel_instance_call(guest, "spin", NULL, 0, 10000, 10, NULL, &answer, NULL), "osvm",
               OSVM_ERROR_LIMIT_EXCEEDED, "CPU time");
  FILE* core = tmpfile();
  EXPECT_OK(osvm_unikernel_instance_dump_core(guest, fileno(core), 10000));
  char magic[4] = "";
  rewind(core);
  EXPECT(fread(magic, 1, 4, core) == 4 && memcmp(magic, "\177ELF", 4) == 0);
  fclose(core);
  EXPECT_ERROR(osvm_unikernel_instance_debug(NULL, -1), "osvm", OSVM_ERROR_INVALID_ARGUMENT, "instance");
  osvm_unikernel_instance_free(guest);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  skip_without_kvm();
  guest_dir = argv[1];
  worker = argv[2];
  EXPECT(mkdtemp(socket_dir) != NULL);
  EXPECT_OK(osvm_runtime_new(NULL, &runtime));
  EXPECT_OK(osvm_host_probe(&host));
  EXPECT_TEXT(osvm_host_json(host), "\"stub\":");
  runs_to_the_end();
  tells_what_happened_and_what_is_missing();
  runs_a_dynamic_program();
  lives_in_a_jail_of_its_own();
  holds_a_worker_to_its_limits();
  adopts_what_a_killed_process_leaves();
  memory_folders();
  refused_options();
  deadline_and_kill();
  wall_budget();
  shifts_between_two_vms();
  spawns_from_a_template();
  calls_into_a_guest();
  osvm_host_free(host);
  osvm_runtime_free(runtime);
  EXPECT(rmdir(socket_dir) == 0); /* the sockets went with their instances */
  return 0;
}
