/* For programs that run as guests and are called by their embedder. Needs nothing but libc; any language that
 * reads and writes files can do the same (docs/formats/calls.md).
 *
 *   static int32_t add(const void* request, size_t size, osvm_answer* answer) {
 *     const int32_t* n = request;
 *     if (size != 8) return -EINVAL;
 *     const int32_t sum = n[0] + n[1];
 *     return osvm_answer_with(answer, &sum, sizeof sum);
 *   }
 *   int main(void) {
 *     const osvm_function functions[] = {{"add", add}};
 *     return osvm_serve(functions, 1, 4096);   // until the embedder ends the guest
 *   }
 *
 * Outside of a guest osvm_serve() returns -ENOENT. */
#ifndef OSVM_GUEST_H
#define OSVM_GUEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OSVM_CALLS_DEVICE "/dev/osvm"

/* As read from the device: this, then `name_size` bytes of the function's name, then `size` bytes. */
typedef struct osvm_request_header {
  uint64_t id;
  uint32_t name_size;
  uint32_t size;
} osvm_request_header;

/* As written to it, in one write: this, then `size` bytes. */
typedef struct osvm_answer_header {
  uint64_t id;
  int32_t status;
  uint32_t size;
} osvm_answer_header;

/* An answer that is being made. */
typedef struct osvm_answer {
  char* bytes; /* the header, then the answer; grown with realloc() */
  size_t size; /* of the answer */
  size_t room; /* of `bytes` */
} osvm_answer;

/* Returns the status; negative values should be -errno. The request is aligned as malloc() aligns. */
typedef int32_t (*osvm_handler)(const void* request, size_t size, osvm_answer* answer);

typedef struct osvm_function {
  const char* name;
  osvm_handler handler;
} osvm_function;

/* Appends to the answer. 0 or -ENOMEM. */
static inline int32_t osvm_answer_with(osvm_answer* answer, const void* data, size_t size) {
  const size_t used = sizeof(osvm_answer_header) + answer->size;
  if (answer->room - used < size) {
    const size_t room = (used + size) * 2;
    char* more = (char*)realloc(answer->bytes, room);
    if (!more) return -ENOMEM;
    answer->bytes = more;
    answer->room = room;
  }
  if (size) memcpy(answer->bytes + used, data, size);
  answer->size += size;
  return 0;
}

/* Serves calls on this thread until the device cannot be read any more: -errno. `most` bounds a request's
 * bytes. Several threads may serve at once, each with its own call of this function. */
static inline int osvm_serve(const osvm_function* functions, size_t count, size_t most) {
  const int device = open(OSVM_CALLS_DEVICE, O_RDWR | O_CLOEXEC);
  if (device < 0) return -errno;
  const size_t offset = 512; /* the header and a name fit in front of an aligned request */
  const size_t room = offset + most;
  char* in = (char*)malloc(room);
  osvm_answer answer = {(char*)malloc(4096), 0, 4096};
  int failed = in && answer.bytes ? 0 : -ENOMEM;
  while (!failed) {
    const ssize_t got = read(device, in, room);
    if (got < 0 && errno == EINTR) continue;
    if (got < (ssize_t)sizeof(osvm_request_header)) {
      failed = got < 0 ? -errno : -EIO;
      break;
    }
    osvm_request_header request;
    memcpy(&request, in, sizeof request);
    char* name = in + sizeof request;
    char* data = name + request.name_size;
    osvm_handler handler = NULL;
    for (size_t i = 0; i < count && !handler; ++i) {
      if (strlen(functions[i].name) == request.name_size &&
          memcmp(functions[i].name, name, request.name_size) == 0)
        handler = functions[i].handler;
    }
    /* The request moves to an aligned place; its end is within `room`, since the header is smaller than that.
     */
    const size_t shift = (size_t)(data - in) & 15;
    if (shift && request.size) memmove(data - shift, data, request.size);
    answer.size = 0;
    osvm_answer_header head = {request.id, -ENOSYS, 0};
    if (handler) head.status = handler(data - shift, request.size, &answer);
    head.size = (uint32_t)answer.size;
    memcpy(answer.bytes, &head, sizeof head);
    const size_t whole = sizeof head + answer.size;
    ssize_t put = 0;
    do {
      put = write(device, answer.bytes, whole);
    } while (put < 0 && errno == EINTR);
    if (put < 0) failed = -errno;
  }
  free(in);
  free(answer.bytes);
  close(device);
  return failed;
}

#ifdef __cplusplus
}
#endif

#endif
