/* Loading the library starts no thread and opens no descriptor. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>

static int entries_of(const char* path) {
  DIR* dir = opendir(path);
  int n = 0;
  if (!dir) return -1;
  while (readdir(dir)) ++n;
  closedir(dir);
  return n;
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const int threads = entries_of("/proc/self/task");
  const int descriptors = entries_of("/proc/self/fd");
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  const int threads_after = entries_of("/proc/self/task");
  const int descriptors_after = entries_of("/proc/self/fd");
  /* The control: a runtime is a thread and a proxy is descriptors, so that the counts can be seen to move. */
  union {
    void* object;
    void* (*runtime)(const void*, void**);
    void* (*proxy)(void*, const void*, const char*, const void*, void**);
  } new_runtime = {dlsym(library, "osvm_runtime_new")},
    new_proxy = {dlsym(library, "osvm_hotswap_proxy_new")};
  void* runtime = NULL;
  void* proxy = NULL;
  if (!new_runtime.object || !new_proxy.object || new_runtime.runtime(NULL, &runtime) != NULL ||
      new_proxy.proxy(runtime, NULL, NULL, NULL, &proxy) != NULL) {
    fprintf(stderr, "no runtime or no proxy\n");
    return 1;
  }
  const int threads_running = entries_of("/proc/self/task");
  const int descriptors_running = entries_of("/proc/self/fd");
  printf("threads %d -> %d (with a proxy %d), descriptors %d -> %d (with a proxy %d)\n", threads,
         threads_after, threads_running, descriptors, descriptors_after, descriptors_running);
  const int unchanged = threads > 0 && threads == threads_after && descriptors == descriptors_after;
  const int counted = threads_running > threads && descriptors_running > descriptors;
  return unchanged && counted ? 0 : 1;
}
