// HTTP/1.1 request heads, as much as the demo server needs: request line, framing, keep-alive, and the nonce
// that a load client uses to prove that an answer belongs to its request.
#ifndef OSVM_GUEST_HTTP_REQUEST_H
#define OSVM_GUEST_HTTP_REQUEST_H

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct request {
  bool head, keep_alive, expect_continue;
  int error;  // status to answer when the request cannot be served, else 0
  uint64_t body_bytes;
  char path[512];
  char nonce[128];
  char websocket_key[65];
};

// `line` without CR; `name` is matched case-insensitively. Returns the trimmed value or null.
static inline const char* header_value(const char* line, const char* name) {
  size_t n = strlen(name);
  if (strncasecmp(line, name, n) != 0 || line[n] != ':') return NULL;
  line += n + 1;
  while (*line == ' ' || *line == '\t') line++;
  return line;
}

static inline bool has_token(const char* value, const char* token) {
  size_t n = strlen(token);
  for (const char* p = value; *p; p++) {
    bool starts = p == value || p[-1] == ',' || p[-1] == ' ' || p[-1] == '\t';
    if (starts && strncasecmp(p, token, n) == 0 && (!p[n] || strchr(", \t", p[n]))) return true;
  }
  return false;
}

static inline void parse_header(struct request* r, const char* line) {
  const char* v;
  if ((v = header_value(line, "X-Osvm-Nonce"))) {
    size_t n = strnlen(v, sizeof r->nonce);
    if (n < sizeof r->nonce) memcpy(r->nonce, v, n + 1);
  } else if ((v = header_value(line, "Content-Length"))) {
    char* end;
    r->body_bytes = strtoull(v, &end, 10);
    if (!isdigit((unsigned char)*v) || *end) r->error = 400;
  } else if ((v = header_value(line, "Sec-WebSocket-Key"))) {
    size_t n = strnlen(v, sizeof r->websocket_key);
    if (n < sizeof r->websocket_key) memcpy(r->websocket_key, v, n + 1);
  } else if (header_value(line, "Transfer-Encoding")) {
    r->error = 501;
  } else if ((v = header_value(line, "Connection"))) {
    if (has_token(v, "close"))
      r->keep_alive = false;
    else if (has_token(v, "keep-alive"))
      r->keep_alive = true;
  } else if ((v = header_value(line, "Expect"))) {
    r->expect_continue = strcasecmp(v, "100-continue") == 0;
  }
}

static inline void parse_request_line(struct request* r, const char* line) {
  const char* target = strchr(line, ' ');
  const char* version = target ? strchr(target + 1, ' ') : NULL;
  if (!version || (strcmp(version + 1, "HTTP/1.1") != 0 && strcmp(version + 1, "HTTP/1.0") != 0)) {
    r->error = 400;
    r->keep_alive = false;
    return;
  }
  r->keep_alive = version[8] == '1';
  r->head = strncmp(line, "HEAD ", 5) == 0;
  size_t n = (size_t)(version - target - 1);
  if (n >= sizeof r->path)
    r->error = 414;
  else
    memcpy(r->path, target + 1, n);
}

// Parses the head [data, data + size), which ends with an empty line, in place.
static inline void parse_request(struct request* r, char* data, size_t size) {
  memset(r, 0, sizeof *r);
  char* end = data + size;
  for (char* line = data; line < end;) {
    char* next = memchr(line, '\n', (size_t)(end - line));
    if (!next) break;
    char* stop = next > line && next[-1] == '\r' ? next - 1 : next;
    *stop = 0;
    if (line == data)
      parse_request_line(r, line);
    else if (stop > line)
      parse_header(r, line);
    line = next + 1;
  }
  if (r->error) r->keep_alive = false;
}

// Value of `key` in the query string, or `fallback`.
static inline uint64_t query_number(const char* path, const char* key, uint64_t fallback) {
  const char* q = strchr(path, '?');
  size_t n = strlen(key);
  for (; q; q = strchr(q + 1, '&'))
    if (strncmp(q + 1, key, n) == 0 && q[1 + n] == '=') return strtoull(q + 2 + n, NULL, 10);
  return fallback;
}

#endif
