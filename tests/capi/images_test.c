/* Images through the C API: build, sign, verify, run; signals and events of what runs. */
#include <errno.h>
#include <fcntl.h>
#include <osvm_images.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "expect.h"

static osvm_runtime* runtime;
static osvm_host* host;
static const char* guest_dir;
static char dir[] = "/tmp/osvm-capi-images-XXXXXX";

static char* at(const char* name) {
  static char path[4][4096];
  static unsigned turn;
  char* p = path[turn++ % 4];
  snprintf(p, 4096, "%s/%s", dir, name);
  return p;
}

static void copy_file(const char* from, const char* to) {
  char buffer[65536];
  const int in = open(from, O_RDONLY | O_CLOEXEC);
  const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  EXPECT(in >= 0 && out >= 0);
  for (ssize_t n; (n = read(in, buffer, sizeof buffer)) != 0;)
    EXPECT(n > 0 && write(out, buffer, (size_t)n) == n);
  close(in);
  close(out);
}

static void put(const char* name, const char* text) {
  FILE* f = fopen(at(name), "w");
  EXPECT(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void make_root(void) {
  char program[4096];
  EXPECT(mkdir(at("root"), 0755) == 0 && mkdir(at("root/bin"), 0755) == 0 &&
         mkdir(at("root/etc"), 0755) == 0);
  snprintf(program, sizeof program, "%s/probe", guest_dir);
  copy_file(program, at("root/bin/probe"));
  put("root/etc/motd", "of the image");
}

static const char manifest[] = "entry: /bin/probe\nargs: [read]\nmounts: [data]\n";

static void builds_signs_verifies(void) {
  /* The key pair of the first test vector of RFC 8032. */
  static const char private_key[] =
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
      "-----END PRIVATE KEY-----\n";
  static const char public_key[] =
      "-----BEGIN PUBLIC KEY-----\n"
      "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
      "-----END PUBLIC KEY-----\n";
  char *id = NULL, *again = NULL;
  EXPECT_ERROR(osvm_images_build(at("none"), at("app.osvm"), manifest, &id), "osvm.images",
               OSVM_IMAGES_MALFORMED, "none");
  EXPECT_ERROR(osvm_images_build(at("root"), at("app.osvm"), "entry: x", &id), "osvm.images",
               OSVM_IMAGES_BAD_MANIFEST, "manifest:1");
  EXPECT(id == NULL);
  EXPECT_OK(osvm_images_build(at("root"), at("app.osvm"), manifest, &id));
  EXPECT(strlen(id) == 64);
  EXPECT_ERROR(osvm_images_verify(at("app.osvm"), public_key, NULL), "osvm.images", OSVM_IMAGES_NOT_SIGNED,
               "");
  EXPECT_ERROR(osvm_images_sign(at("app.osvm"), "no key"), "osvm.images", OSVM_IMAGES_BAD_KEY, "");
  EXPECT_OK(osvm_images_sign(at("app.osvm"), private_key));
  EXPECT_OK(osvm_images_verify(at("app.osvm"), public_key, &again));
  EXPECT(strcmp(id, again) == 0);
  osvm_string_free(id);
  osvm_string_free(again);

  osvm_images_image* image = NULL;
  EXPECT_OK(osvm_images_open(at("app.osvm"), public_key, &image));
  EXPECT(strcmp(osvm_images_manifest(image), manifest) == 0 && strlen(osvm_images_id(image)) == 64);
  osvm_images_free(image);
  image = NULL;
  EXPECT_ERROR(osvm_images_open(at("root/etc/motd"), NULL, &image), "osvm.images", OSVM_IMAGES_NOT_AN_IMAGE,
               "motd");
  EXPECT_ERROR(osvm_images_open(NULL, NULL, &image), "osvm", OSVM_ERROR_INVALID_ARGUMENT, "path");
  EXPECT(image == NULL);

  char* text = NULL;
  EXPECT(mkdir(at("out"), 0755) == 0);
  EXPECT_OK(osvm_images_unpack(at("app.osvm"), public_key, at("out"), &text));
  EXPECT(strcmp(text, manifest) == 0 && access(at("out/bin/probe"), X_OK) == 0);
  osvm_string_free(text);
}

static osvm_unikernel_options options(const char* const* arguments, size_t count) {
  osvm_unikernel_options o;
  osvm_unikernel_options_init(&o, sizeof o);
  o.output.kind = OSVM_UNIKERNEL_STDIO_CAPTURE;
  o.output.size = 1 << 20;
  o.host = host;
  o.arguments = arguments;
  o.argument_count = count;
  return o;
}

static void runs_what_the_manifest_says(void) {
  const char* const arguments[] = {"/etc/motd"};
  const char* const mounts[] = {"data"};
  osvm_images_image* image = NULL;
  osvm_unikernel_instance* instance = NULL;
  osvm_unikernel_options o = options(arguments, 1);
  EXPECT_OK(osvm_images_open(at("app.osvm"), NULL, &image));
  EXPECT_ERROR(osvm_images_start(runtime, image, NULL, &o, &instance), "osvm", OSVM_ERROR_DENIED, "data");
  osvm_images_run_options how;
  osvm_images_run_options_init(&how, sizeof how);
  how.granted_mounts = mounts;
  how.granted_mount_count = 1;
  how.flags = OSVM_IMAGES_VERIFY_ON_OPEN | OSVM_IMAGES_OWN_BUDGETS;
  EXPECT_OK(osvm_images_start(runtime, image, &how, &o, &instance));
  how.flags = 64;
  osvm_unikernel_instance* none = NULL;
  EXPECT_ERROR(osvm_images_start(runtime, image, &how, &o, &none), "osvm", OSVM_ERROR_INVALID_ARGUMENT,
               "flags");
  osvm_images_free(image);
  EXPECT_OK(osvm_unikernel_instance_wait(instance, 60000, NULL));
  char* text = NULL;
  EXPECT_OK(osvm_unikernel_instance_take_output(instance, 1, &text, NULL));
  EXPECT(strcmp(text, "content of the image\n") == 0);
  osvm_string_free(text);
  osvm_unikernel_instance_free(instance);
}

struct seen {
  int denials, traces, lines;
};

static void count_events(const char* json, void* data) {
  struct seen* seen = data;
  for (const char* p = json; (p = strstr(p, "\"event\":\"")) != NULL;) {
    p += strlen("\"event\":\"");
    seen->denials += strncmp(p, "denial\"", 7) == 0;
    seen->traces += strncmp(p, "trace\"", 6) == 0;
    seen->lines += strncmp(p, "log\"", 4) == 0;
  }
}

static void events_come_to_a_callback(void) {
  const char* const arguments[] = {"probe", "read", "/etc/shadow"};
  char path[4096];
  struct seen seen = {0, 0, 0};
  osvm_unikernel_image* image = NULL;
  osvm_unikernel_instance* instance = NULL;
  osvm_unikernel_options o = options(arguments, 3);
  o.output.kind = OSVM_UNIKERNEL_STDIO_LOG;
  o.events = OSVM_UNIKERNEL_EVENTS_DENIALS | OSVM_UNIKERNEL_EVENTS_TRACE;
  o.on_events = count_events;
  o.on_events_data = &seen;
  snprintf(path, sizeof path, "%s/probe", guest_dir);
  EXPECT_OK(osvm_unikernel_image_load(path, &image));
  EXPECT_OK(osvm_unikernel_instance_start(runtime, image, &o, &instance));
  EXPECT_OK(osvm_unikernel_instance_wait(instance, 60000, NULL));
  osvm_unikernel_instance_free(instance); /* after it the callback is not called any more */
  osvm_unikernel_image_free(image);
  EXPECT(seen.denials == 1 && seen.lines == 1 && seen.traces > 3);
}

static void signals_reach_the_guest(void) {
  const char* const arguments[] = {"stall", "read"};
  char path[4096];
  osvm_unikernel_image* image = NULL;
  osvm_unikernel_instance* instance = NULL;
  osvm_unikernel_options o = options(arguments, 2);
  int pipe_fds[2];
  EXPECT(pipe(pipe_fds) == 0);
  o.input.kind = OSVM_UNIKERNEL_STDIO_FD;
  o.input.fd = pipe_fds[0];
  snprintf(path, sizeof path, "%s/stall", guest_dir);
  EXPECT_OK(osvm_unikernel_image_load(path, &image));
  EXPECT_OK(osvm_unikernel_instance_start(runtime, image, &o, &instance));
  EXPECT_ERROR(osvm_unikernel_instance_signal(instance, 1000), "osvm", OSVM_ERROR_INVALID_ARGUMENT, "");
  EXPECT_OK(osvm_unikernel_instance_signal(instance, SIGTERM));
  osvm_unikernel_exit* report = NULL;
  EXPECT_OK(osvm_unikernel_instance_wait(instance, 60000, &report));
  EXPECT(osvm_unikernel_exit_cause(report) == OSVM_UNIKERNEL_SIGNALED);
  EXPECT(osvm_unikernel_exit_signal(report) == SIGTERM);
  EXPECT(osvm_unikernel_exit_shell_status(report) == 128 + SIGTERM);
  EXPECT_ERROR(osvm_unikernel_instance_signal(instance, SIGTERM), "osvm", OSVM_ERROR_CLOSED, "");
  osvm_unikernel_exit_free(report);
  osvm_unikernel_instance_free(instance);
  osvm_unikernel_image_free(image);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  skip_without_kvm();
  guest_dir = argv[1];
  EXPECT(mkdtemp(dir) != NULL);
  EXPECT_OK(osvm_runtime_new(NULL, &runtime));
  EXPECT_OK(osvm_host_probe(&host));
  make_root();
  builds_signs_verifies();
  runs_what_the_manifest_says();
  events_come_to_a_callback();
  signals_reach_the_guest();
  osvm_host_free(host);
  osvm_runtime_free(runtime);
  char command[4200];
  snprintf(command, sizeof command, "rm -r %s", dir);
  return system(command) == 0 ? 0 : 1;
}
