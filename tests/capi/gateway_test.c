/* The gateway from C: a configuration, shifts and back, commands, drains, events. The releases are ordinary
 * processes, so no VM is needed. */
#define _GNU_SOURCE
#include "expect.h"

#include <osvm_hotswap.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

extern char** environ;

static char dir[] = "/tmp/osvm-capi-XXXXXX";

static void path_of(char* out, size_t size, const char* name) {
  snprintf(out, size, "%s/%s", dir, name);
}

static int connected(const char* name) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  path_of(a.sun_path, sizeof a.sun_path, name);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT(fd >= 0);
  if (connect(fd, (struct sockaddr*)&a, sizeof a) == 0) return fd;
  close(fd);
  return -1;
}

static pid_t serve(char* program, char* name) {
  char path[100];
  path_of(path, sizeof path, name);
  char* words[] = {program, "0", name, "--unix", path, NULL};
  pid_t id = -1;
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
  EXPECT(posix_spawn(&id, program, &quiet, NULL, words, environ) == 0);
  posix_spawn_file_actions_destroy(&quiet);
  for (int i = 0; i < 6000; ++i) {
    const int fd = connected(name);
    if (fd >= 0) {
      close(fd);
      return id;
    }
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
  EXPECT(!"the server listens");
  return -1;
}

static void end(pid_t id) {
  kill(id, SIGTERM);
  waitpid(id, NULL, 0);
}

/* What the front answers to a request; static memory. */
static const char* ask(void) {
  static char answer[4096];
  static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const int fd = connected("front");
  EXPECT(fd >= 0);
  EXPECT(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1);
  size_t got = 0;
  for (ssize_t n; (n = read(fd, answer + got, sizeof answer - 1 - got)) > 0;) got += (size_t)n;
  answer[got] = 0;
  close(fd);
  return answer;
}

static void configure(char* text, size_t size, const char* release, const char* more) {
  snprintf(text, size,
           "listeners:\n  - {name: web, listen: \"unix:%s/front\", routes: [{service: web}]}\n"
           "services:\n  web:\n    release: %s\n    backends: [\"unix:%s/%s\"]\n"
           "    probe: {kind: tcp, deadline: 60s}\n%s",
           dir, release, dir, release, more);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  EXPECT(mkdtemp(dir));
  const pid_t v1 = serve(argv[1], "v1"), v2 = serve(argv[1], "v2");
  osvm_runtime* runtime = NULL;
  EXPECT_OK(osvm_runtime_new(NULL, &runtime));
  osvm_hotswap_gateway* gateway = NULL;
  char text[2048], backend[200], path[200];

  EXPECT_ERROR(osvm_hotswap_gateway_open(runtime, "listeners: nonsense", "my.yaml", &gateway), "osvm", 4,
               "my.yaml:1:");
  EXPECT_ERROR(osvm_hotswap_gateway_open(NULL, "", NULL, &gateway), "osvm", 2, "runtime");
  EXPECT_ERROR(osvm_hotswap_gateway_open(runtime, NULL, NULL, &gateway), "osvm", 2, "config");
  configure(text, sizeof text, "v1", "control: /tmp/none\n");
  EXPECT_ERROR(osvm_hotswap_gateway_open(runtime, text, NULL, &gateway), "osvm", 1, "control");

  configure(text, sizeof text, "v1", "");
  EXPECT_OK(osvm_hotswap_gateway_open(runtime, text, NULL, &gateway));
  EXPECT_TEXT(ask(), "hello from release v1");

  /* another release, and back */
  osvm_hotswap_shift* shift = NULL;
  snprintf(backend, sizeof backend, "unix:%s/v2", dir);
  const char* backends[] = {backend};
  EXPECT_OK(osvm_hotswap_gateway_shift(gateway, "web", "v2", backends, 1, &shift));
  EXPECT(osvm_hotswap_shift_state(shift) == OSVM_HOTSWAP_ACTIVE);
  EXPECT_TEXT(osvm_hotswap_shift_replaced(shift), "v1");
  osvm_hotswap_shift_free(shift);
  EXPECT_TEXT(ask(), "hello from release v2");
  EXPECT_OK(osvm_hotswap_gateway_rollback(gateway, "web", &shift));
  EXPECT(osvm_hotswap_shift_state(shift) == OSVM_HOTSWAP_ACTIVE);
  osvm_hotswap_shift_free(shift);
  EXPECT_TEXT(ask(), "hello from release v1");
  EXPECT_ERROR(osvm_hotswap_gateway_shift(gateway, "web", "", backends, 1, &shift), "osvm", 2, "name");
  EXPECT_ERROR(osvm_hotswap_gateway_shift(gateway, "web", "v3", backends, 0, &shift), "osvm", 2, "backend");
  EXPECT_ERROR(osvm_hotswap_gateway_shift(gateway, "other", "v3", backends, 1, &shift), "osvm", 8, "other");

  /* nothing is under way that could be paused */
  EXPECT_ERROR(osvm_hotswap_gateway_command(gateway, "web", OSVM_HOTSWAP_PAUSE), "osvm", 2, "");
  EXPECT_ERROR(osvm_hotswap_gateway_command(gateway, "web", 77), "osvm", 2, "command");

  /* weights and drains */
  int drained = 0;
  snprintf(backend, sizeof backend, "unix:%s/v1", dir);
  EXPECT_OK(osvm_hotswap_gateway_drain(gateway, "web", backend, 60000, &drained));
  EXPECT(drained == 1);
  EXPECT_OK(osvm_hotswap_gateway_set_weight(gateway, "web", backend, 100));
  EXPECT(osvm_hotswap_gateway_set_weight(gateway, "web", "unix:/other", 1) != NULL);

  /* what is told */
  char* told = NULL;
  uint64_t lost = 77;
  EXPECT_OK(osvm_hotswap_gateway_status_json(gateway, &told));
  EXPECT_TEXT(told, "\"active\":\"v1\"");
  EXPECT_TEXT(told, "\"name\":\"web\"");
  osvm_string_free(told);
  EXPECT_OK(osvm_hotswap_gateway_metrics(gateway, &told));
  EXPECT_TEXT(told, "osvm_proxy_answered_total{listener=\"web\"}");
  osvm_string_free(told);
  EXPECT_OK(osvm_hotswap_gateway_take_events_json(gateway, 1, &told, &lost));
  EXPECT_TEXT(told, "\"state\":\"starting\"");
  EXPECT(lost == 0);
  osvm_string_free(told);
  EXPECT_OK(osvm_hotswap_gateway_take_events_json(gateway, 1000, &told, NULL));
  EXPECT_TEXT(told, "\"version\":\"v2\"");
  EXPECT_TEXT(told, "\"state\":\"retired\"");
  osvm_string_free(told);
  EXPECT_OK(osvm_hotswap_gateway_take_events_json(gateway, 1000, &told, NULL));
  EXPECT(strcmp(told, "[]") == 0);
  osvm_string_free(told);

  /* another configuration, whole or not at all */
  EXPECT_ERROR(osvm_hotswap_gateway_reload(gateway, "services: []", NULL), "osvm", 4, "config:");
  EXPECT_TEXT(ask(), "hello from release v1");
  configure(text, sizeof text, "v2", "");
  path_of(path, sizeof path, "config.yaml");
  FILE* file = fopen(path, "w");
  EXPECT(file && fputs(text, file) >= 0 && fclose(file) == 0);
  EXPECT_OK(osvm_hotswap_gateway_reload_file(gateway, path));
  for (int i = 0; i < 6000 && !strstr(ask(), "release v2"); ++i)
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  EXPECT_TEXT(ask(), "hello from release v2");

  EXPECT_OK(osvm_hotswap_gateway_stop(gateway, 1000));
  EXPECT(connected("front") < 0);
  osvm_hotswap_gateway_free(gateway);
  osvm_hotswap_gateway_free(NULL);

  /* from the file, and freed without a stop */
  EXPECT_OK(osvm_hotswap_gateway_open_file(runtime, path, &gateway));
  EXPECT_TEXT(ask(), "hello from release v2");
  osvm_hotswap_gateway_free(gateway);
  osvm_runtime_free(runtime);
  end(v1);
  end(v2);
  return execlp("rm", "rm", "-rf", dir, (char*)NULL);
}
