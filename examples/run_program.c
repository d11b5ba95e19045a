/* Runs a static Linux program alone in a virtual machine, prints what it printed, and exits as it did.
 *
 *   cc -std=c11 run_program.c -losvm -o run_program && ./run_program ./hello [arguments]
 */
#include <osvm_unikernel.h>
#include <stdio.h>

/* Says what went wrong, and releases the error. */
static int failed(osvm_error* error) {
  if (!error) return 0;
  fprintf(stderr, "run_program: %s\n", osvm_error_message(error));
  osvm_error_free(error);
  return 1;
}

static int run(osvm_runtime* runtime, const osvm_unikernel_image* image, int argc, char** argv) {
  osvm_unikernel_options options;
  osvm_unikernel_options_init(&options, sizeof options);
  options.arguments = (const char* const*)argv;
  options.argument_count = (size_t)argc;
  options.memory_bytes = 64u << 20;
  options.output = (osvm_unikernel_stdio){.kind = OSVM_UNIKERNEL_STDIO_FD, .fd = 1};
  options.error = (osvm_unikernel_stdio){.kind = OSVM_UNIKERNEL_STDIO_FD, .fd = 2};

  osvm_unikernel_instance* instance = NULL;
  if (failed(osvm_unikernel_instance_start(runtime, image, &options, &instance))) return 125;

  int status = 125;
  osvm_unikernel_exit* report = NULL;
  osvm_unikernel_stats stats;
  osvm_unikernel_stats_init(&stats, sizeof stats);
  if (!failed(osvm_unikernel_instance_wait(instance, 10000, &report)) &&
      !failed(osvm_unikernel_instance_stats(instance, &stats))) {
    status = osvm_unikernel_exit_shell_status(report);
    fprintf(stderr, "%s; booted in %.2f ms, %llu system calls\n", osvm_unikernel_exit_description(report),
            (double)stats.boot_total_ns / 1e6, (unsigned long long)stats.syscalls);
  }
  osvm_unikernel_exit_free(report);
  osvm_unikernel_instance_free(instance); /* ends the guest if the wait timed out */
  return status;
}

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: run_program ELF [arguments]\n");
    return 2;
  }
  osvm_runtime* runtime = NULL;
  osvm_unikernel_image* image = NULL;
  int status = 125;
  if (!failed(osvm_runtime_new(NULL, &runtime)) && !failed(osvm_unikernel_image_load(argv[1], &image))) {
    status = run(runtime, image, argc - 1, argv + 1);
  }
  osvm_unikernel_image_free(image);
  osvm_runtime_free(runtime);
  return status;
}
