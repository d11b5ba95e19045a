// An ordinary HTTP/1.1 server for Linux: epoll, keep-alive, pipelining, timers. It knows nothing of virtual
// machines and runs natively as well. Which release it is, and whether it misbehaves, is said on its command
// line:
//
//   http_server [PORT [RELEASE]] [--threads N] [--crash-at-start] [--crash-after N] [--never-healthy]
//   [--errors] [--hang] [--any-address] [--journal FILE] [--unix PATH] [--warm MIB]
//
// RELEASE falls back to $OSVM_RELEASE, then "v1". Paths: / /health /bytes/N /echo /slow?ms=N /crash
// /exit?code=N /store (says whether the body is the nonce again and again; appends the nonce to the journal)
// /events?n=N&ms=N (server-sent events "NONCE 1" and so on) /socket (WebSocket: sends back what comes).
#define _GNU_SOURCE
#include "http_request.h"
#include "websocket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { input_bytes = 16384, output_high_water = 65536, max_body = 4 << 20, max_events = 64 };

static struct {
  unsigned short port;
  const char* release;
  const char* unix_path;
  int threads, listener, journal;
  bool crash_at_start, never_healthy, errors, hang, any_address;
  long crash_after;
} config = {.port = 8080, .threads = 1, .crash_after = -1, .journal = -1};

static atomic_long served;
static char pattern[65536];

struct connection {
  struct connection *next, *previous;  // list of delayed connections, or free list
  int fd;
  uint32_t interest;  // epoll events asked for; 0: not in the epoll set
  bool has_request, closing, lingering, peer_closed, websocket;
  unsigned event, events;  // /events: sent, wanted
  uint64_t event_ms;       // between them
  struct request request;
  uint64_t body_left;     // of the request
  uint64_t pattern_left;  // of the answer, generated
  uint64_t resume_ns;     // /slow: the answer is due then; 0: none
  size_t in_size, out_begin, out_size, out_capacity, body_size;
  char* out;
  char* body;
  char in[input_bytes];
};

struct worker {
  int epoll;
  struct connection delayed;  // list head
  struct connection* free_list;
};

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char* what) {
  perror(what);
  exit(1);
}

// --- connections ---

static struct connection* new_connection(struct worker* w, int fd) {
  struct connection* c = w->free_list;
  if (c)
    w->free_list = c->next;
  else if (!(c = calloc(1, sizeof *c)))
    die("calloc");
  char* out = c->out;
  size_t capacity = c->out_capacity;
  memset(c, 0, offsetof(struct connection, in));
  c->fd = fd;
  c->out = out;
  c->out_capacity = capacity;
  return c;
}

static void undelay(struct connection* c) {
  if (!c->resume_ns) return;
  c->previous->next = c->next;
  c->next->previous = c->previous;
  c->resume_ns = 0;
}

static void drop(struct worker* w, struct connection* c) {
  undelay(c);
  close(c->fd);
  free(c->body);
  c->next = w->free_list;
  w->free_list = c;
}

static void append(struct connection* c, const void* data, size_t size) {
  if (c->out_begin == c->out_size) c->out_begin = c->out_size = 0;
  if (c->out_size + size > c->out_capacity) {
    c->out_capacity = (c->out_size + size) * 2;
    if (!(c->out = realloc(c->out, c->out_capacity))) die("realloc");
  }
  memcpy(c->out + c->out_size, data, size);
  c->out_size += size;
}

// --- answers ---

static const char* reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
  }
  return "Unknown";
}

static void answer_head(struct connection* c, int status, uint64_t length) {
  char head[1024];
  const struct request* r = &c->request;
  int n = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nServer: osvm-demo\r\nX-Osvm-Release: %.100s\r\n",
                   status, reason(status), config.release);
  if (r->nonce[0]) n += snprintf(head + n, sizeof head - (size_t)n, "X-Osvm-Nonce: %s\r\n", r->nonce);
  n += snprintf(head + n, sizeof head - (size_t)n,
                "Content-Type: text/plain\r\nContent-Length: %llu\r\nConnection: %s\r\n\r\n",
                (unsigned long long)length, r->keep_alive ? "keep-alive" : "close");
  append(c, head, (size_t)n);
}

static void answer(struct connection* c, int status, const char* body, size_t size) {
  answer_head(c, status, size);
  if (!c->request.head) append(c, body, size);
}

static void answer_text(struct connection* c, int status, const char* text) {
  answer(c, status, text, strlen(text));
}

static void answer_release(struct connection* c) {
  char text[160];
  int n = snprintf(text, sizeof text, "hello from release %.100s\n", config.release);
  answer(c, 200, text, (size_t)n);
}

static void delay(struct worker* w, struct connection* c, uint64_t ms) {
  c->resume_ns = now_ns() + ms * 1000000u + 1;
  c->next = &w->delayed;
  c->previous = w->delayed.previous;
  c->previous->next = c;
  w->delayed.previous = c;
}

// What changes something is written down before it is answered, so that doing it twice would be seen.
static void store(struct connection* c) {
  const char* nonce = c->request.nonce;
  size_t n = strlen(nonce);
  bool right = n > 0;
  for (size_t i = 0; right && i < c->body_size; i++) right = c->body[i] == nonce[i % n];
  char text[256];
  int size = snprintf(text, sizeof text, "%s %.100s\n", nonce, config.release);
  if (config.journal >= 0 && write(config.journal, text, (size_t)size) != size)
    return answer_text(c, 500, "the journal cannot be written\n");
  size = snprintf(text, sizeof text, "%s %zu", right ? "stored" : "wrong", c->body_size);
  answer(c, 200, text, (size_t)size);
}

static void send_event(struct connection* c) {
  char text[200], chunk[256];
  int n = snprintf(text, sizeof text, "data: %s %u\n\n", c->request.nonce, ++c->event);
  n = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n%s", (unsigned)n, text,
               c->event == c->events ? "0\r\n\r\n" : "");
  append(c, chunk, (size_t)n);
}

static void start_events(struct worker* w, struct connection* c) {
  char head[512];
  int n = snprintf(head, sizeof head,
                   "HTTP/1.1 200 OK\r\nX-Osvm-Release: %.100s\r\nX-Osvm-Nonce: %s\r\nContent-Type: "
                   "text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
                   config.release, c->request.nonce);
  append(c, head, (size_t)n);
  c->event = 0;
  c->events = (unsigned)query_number(c->request.path, "n", 10);
  c->event_ms = query_number(c->request.path, "ms", 10);
  if (c->events == 0) c->events = 1;
  send_event(c);
  if (c->event < c->events)
    delay(w, c, c->event_ms);
  else
    c->events = 0;
}

static void start_websocket(struct connection* c) {
  char head[512], key[29];
  websocket_accept(c->request.websocket_key, key);
  int n = snprintf(head, sizeof head,
                   "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                   "Sec-WebSocket-Accept: %s\r\nX-Osvm-Release: %.100s\r\nX-Osvm-Nonce: %s\r\n\r\n",
                   key, config.release, c->request.nonce);
  append(c, head, (size_t)n);
  c->websocket = true;
}

// The request with its whole body has arrived.
static void serve(struct worker* w, struct connection* c) {
  const struct request* r = &c->request;
  const char* path = r->path;
  if (config.crash_after >= 0 && atomic_fetch_add(&served, 1) >= config.crash_after) abort();
  if (r->error)
    answer_text(c, r->error, "bad request\n");
  else if (strcmp(path, "/health") == 0)
    answer_text(c, config.never_healthy ? 503 : 200, "health\n");
  else if (config.errors)
    answer_text(c, 500, "this release is broken\n");
  else if (strcmp(path, "/") == 0)
    answer_release(c);
  else if (strncmp(path, "/bytes/", 7) == 0) {
    uint64_t n = strtoull(path + 7, NULL, 10);
    answer_head(c, 200, n);
    c->pattern_left = r->head ? 0 : n;
  } else if (strcmp(path, "/echo") == 0)
    answer(c, 200, c->body ? c->body : "", c->body_size);
  else if (strncmp(path, "/slow", 5) == 0)
    delay(w, c, query_number(path, "ms", 100));
  else if (strcmp(path, "/store") == 0)
    store(c);
  else if (strncmp(path, "/events", 7) == 0)
    start_events(w, c);
  else if (strcmp(path, "/socket") == 0 && r->websocket_key[0])
    start_websocket(c);
  else if (strcmp(path, "/crash") == 0)
    abort();
  else if (strncmp(path, "/exit", 5) == 0)
    exit((int)query_number(path, "code", 0));
  else
    answer_text(c, 404, "no such path\n");
  c->closing = !r->keep_alive;
}

// --- input ---

static void consume(struct connection* c, size_t n) {
  c->in_size -= n;
  memmove(c->in, c->in + n, c->in_size);
}

// A new request head from the buffer. False: more bytes are needed.
static bool take_head(struct connection* c) {
  size_t skip = 0;
  while (skip < c->in_size && (c->in[skip] == '\r' || c->in[skip] == '\n')) skip++;
  if (skip) consume(c, skip);
  char* end = memmem(c->in, c->in_size, "\r\n\r\n", 4);
  if (!end) {
    if (c->in_size < input_bytes) return false;
    memset(&c->request, 0, sizeof c->request);
    c->request.error = 431;
    c->has_request = true;
    c->body_left = 0;
    return true;
  }
  size_t size = (size_t)(end - c->in) + 4;
  parse_request(&c->request, c->in, size);
  consume(c, size);
  c->has_request = true;
  free(c->body);
  c->body = NULL;
  c->body_size = 0;
  if (!c->request.error && c->request.body_bytes > max_body) {
    c->request.error = 413;
    c->request.keep_alive = false;
  }
  c->body_left = c->request.error ? 0 : c->request.body_bytes;
  if (c->body_left && !(c->body = malloc(c->body_left))) die("malloc");
  if (c->body_left && c->request.expect_continue) append(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
  return true;
}

static void take_body(struct connection* c) {
  size_t n = c->in_size < c->body_left ? c->in_size : (size_t)c->body_left;
  memcpy(c->body + c->body_size, c->in, n);
  c->body_size += n;
  c->body_left -= n;
  consume(c, n);
}

// The frames that are whole. A close is answered by one.
static void talk(struct connection* c) {
  while (!c->closing && c->out_size - c->out_begin < output_high_water) {
    struct websocket_frame f = read_frame(c->in, c->in_size);
    if (f.wrong) {
      c->closing = true;
      return;
    }
    if (!f.whole) {
      c->closing = c->in_size == input_bytes;  // longer than there is room for
      return;
    }
    char head[4];
    int opcode = f.opcode == 9 ? 10 : f.opcode;  // ping: pong
    append(c, head, frame_head(head, opcode, f.size));
    append(c, f.payload, f.size);
    c->closing = f.opcode == 8;
    consume(c, f.whole);
  }
}

// Serves what is buffered until input or room for output is missing.
static void process(struct worker* w, struct connection* c) {
  if (c->websocket) return talk(c);
  while (!c->closing && !c->resume_ns && !c->pattern_left && c->out_size - c->out_begin < output_high_water) {
    if (!c->has_request && !take_head(c)) return;
    if (c->body_left) take_body(c);
    if (c->body_left) return;
    c->has_request = false;
    serve(w, c);
    if (c->websocket) return talk(c);
  }
}

// --- the loop ---

// False: the peer is gone.
static bool flush_output(struct connection* c) {
  while (c->out_begin < c->out_size || c->pattern_left) {
    struct iovec v[2];
    int n = 0;
    if (c->out_begin < c->out_size)
      v[n++] = (struct iovec){c->out + c->out_begin, c->out_size - c->out_begin};
    if (c->pattern_left)
      v[n++] = (struct iovec){pattern,
                              c->pattern_left < sizeof pattern ? (size_t)c->pattern_left : sizeof pattern};
    ssize_t sent = writev(c->fd, v, n);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    size_t head = c->out_size - c->out_begin;
    size_t from_head = (size_t)sent < head ? (size_t)sent : head;
    c->out_begin += from_head;
    c->pattern_left -= (size_t)sent - from_head;
  }
  return true;
}

// Reads once. False: the connection ended or failed.
static bool fill_input(struct connection* c) {
  size_t room = input_bytes - c->in_size;
  if (!room) return true;
  ssize_t n = read(c->fd, c->in + c->in_size, room);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0)
    c->peer_closed = true;
  else
    c->in_size += (size_t)n;
  return true;
}

static void set_interest(struct worker* w, struct connection* c, uint32_t events) {
  if (events == c->interest) return;
  struct epoll_event e = {.events = events, .data.ptr = c};
  if (epoll_ctl(w->epoll, c->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &e) < 0) die("epoll_ctl");
  c->interest = events;
}

// A connection that ends while the peer may still be sending: closing at once would destroy our last answer.
static bool linger(struct worker* w, struct connection* c) {
  if (!c->lingering) {
    shutdown(c->fd, SHUT_WR);
    c->lingering = true;
  }
  c->in_size = 0;
  if (c->peer_closed) return false;
  set_interest(w, c, EPOLLIN | EPOLLRDHUP);
  return true;
}

// Everything that can be done now; false: drop the connection.
static bool advance(struct worker* w, struct connection* c) {
  for (;;) {
    process(w, c);
    bool had_output = c->out_begin < c->out_size || c->pattern_left;
    if (!flush_output(c)) return false;
    if (c->out_begin < c->out_size || c->pattern_left) {
      set_interest(w, c, EPOLLOUT);
      return true;
    }
    if (c->resume_ns) {
      set_interest(w, c, EPOLLRDHUP);
      return true;
    }
    if (c->closing) return c->in_size || c->request.error || c->lingering ? linger(w, c) : false;
    if (!had_output || !c->in_size) break;
  }
  if (c->peer_closed) return false;
  set_interest(w, c, EPOLLIN);
  return true;
}

static void on_accept(struct worker* w) {
  int fd = accept4(config.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && errno != EMFILE) die("accept4");
    return;
  }
  if (config.hang) return;  // accepted, and never looked at again
  struct connection* c = new_connection(w, fd);
  if (!fill_input(c) || !advance(w, c)) drop(w, c);
}

static void on_event(struct worker* w, struct connection* c, uint32_t events) {
  bool alive = !(events & (EPOLLERR | EPOLLHUP)) || (events & EPOLLIN);
  if (alive && c->resume_ns && (events & EPOLLRDHUP)) alive = false;
  if (alive && (events & EPOLLIN)) alive = fill_input(c);
  if (!alive || !advance(w, c)) drop(w, c);
}

static int until_next_timer(struct worker* w) {
  uint64_t first = UINT64_MAX;
  for (struct connection* c = w->delayed.next; c != &w->delayed; c = c->next)
    if (c->resume_ns < first) first = c->resume_ns;
  if (first == UINT64_MAX) return -1;
  uint64_t now = now_ns();
  return first <= now ? 0 : (int)((first - now + 999999) / 1000000);
}

static void run_timers(struct worker* w) {
  if (w->delayed.next == &w->delayed) return;
  uint64_t now = now_ns();
  for (struct connection *c = w->delayed.next, *next; c != &w->delayed; c = next) {
    next = c->next;
    if (c->resume_ns > now) continue;
    undelay(c);
    if (c->events) {
      send_event(c);
      if (c->event < c->events)
        delay(w, c, c->event_ms);
      else
        c->events = 0;
    } else {
      answer_text(c, 200, "slow\n");
    }
    if (!advance(w, c)) drop(w, c);
  }
}

static void* work(void* unused) {
  (void)unused;
  struct worker w = {.epoll = epoll_create1(EPOLL_CLOEXEC)};
  if (w.epoll < 0) die("epoll_create1");
  w.delayed.next = w.delayed.previous = &w.delayed;
  struct epoll_event e = {.events = EPOLLIN | (config.threads > 1 ? EPOLLEXCLUSIVE : 0), .data.ptr = NULL};
  if (epoll_ctl(w.epoll, EPOLL_CTL_ADD, config.listener, &e) < 0) die("epoll_ctl");
  for (;;) {
    struct epoll_event events[max_events];
    int n = epoll_wait(w.epoll, events, max_events, until_next_timer(&w));
    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < n; i++) {
      if (events[i].data.ptr)
        on_event(&w, events[i].data.ptr, events[i].events);
      else
        on_accept(&w);
    }
    run_timers(&w);
  }
  return NULL;
}

static void listen_on_path(void) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  if (strlen(config.unix_path) >= sizeof a.sun_path) {
    errno = ENAMETOOLONG;
    die(config.unix_path);
  }
  strcpy(a.sun_path, config.unix_path);
  unlink(a.sun_path);
  config.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (config.listener < 0) die("socket");
  if (bind(config.listener, (struct sockaddr*)&a, sizeof a) < 0) die("bind");
  if (listen(config.listener, 1024) < 0) die("listen");
}

static void listen_on_port(void) {
  if (config.unix_path) return listen_on_path();
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(config.port)};
  a.sin_addr.s_addr = htonl(config.any_address ? INADDR_ANY : INADDR_LOOPBACK);
  int one = 1;
  config.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (config.listener < 0) die("socket");
  if (setsockopt(config.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0) die("SO_REUSEADDR");
  if (setsockopt(config.listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0) die("TCP_NODELAY");
  if (bind(config.listener, (struct sockaddr*)&a, sizeof a) < 0) die("bind");
  if (listen(config.listener, 1024) < 0) die("listen");
}

// Memory that a service has filled before it listens.
static void warm_up(size_t size) {
  volatile char* const memory = malloc(size);
  if (!memory) die("memory");
  for (size_t at = 0; at < size; at += 4096) memory[at] = 1;
}

static void read_arguments(int argc, char** argv) {
  config.release = getenv("OSVM_RELEASE");
  int positional = 0;
  for (int i = 1; i < argc; i++) {
    const char* a = argv[i];
    if (strcmp(a, "--crash-at-start") == 0)
      config.crash_at_start = true;
    else if (strcmp(a, "--never-healthy") == 0)
      config.never_healthy = true;
    else if (strcmp(a, "--errors") == 0)
      config.errors = true;
    else if (strcmp(a, "--hang") == 0)
      config.hang = true;
    else if (strcmp(a, "--any-address") == 0)
      config.any_address = true;
    else if (strcmp(a, "--journal") == 0 && i + 1 < argc) {
      config.journal = open(argv[++i], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
      if (config.journal < 0) die("the journal");
    } else if (strcmp(a, "--unix") == 0 && i + 1 < argc)
      config.unix_path = argv[++i];
    else if (strcmp(a, "--warm") == 0 && i + 1 < argc)
      warm_up((size_t)atol(argv[++i]) << 20);
    else if (strcmp(a, "--threads") == 0 && i + 1 < argc)
      config.threads = atoi(argv[++i]);
    else if (strcmp(a, "--crash-after") == 0 && i + 1 < argc)
      config.crash_after = atol(argv[++i]);
    else if (a[0] != '-' && positional == 0 && ++positional)
      config.port = (unsigned short)atoi(a);
    else if (a[0] != '-' && positional == 1 && ++positional)
      config.release = a;
    else {
      fprintf(stderr, "http_server: unknown argument %s\n", a);
      exit(2);
    }
  }
  if (!config.release) config.release = "v1";
}

int main(int argc, char** argv) {
  read_arguments(argc, argv);
  if (config.crash_at_start) abort();
  signal(SIGPIPE, SIG_IGN);
  for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (char)('a' + i % 26);
  listen_on_port();
  printf("listening on port %u, release %s\n", config.port, config.release);
  fflush(stdout);
  for (int i = 1; i < config.threads; i++) {
    pthread_t t;
    if (pthread_create(&t, NULL, work, NULL) != 0) die("pthread_create");
  }
  work(NULL);
}
