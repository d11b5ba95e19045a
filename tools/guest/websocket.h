// As much of RFC 6455 as the demo server needs: the handshake's answer, and whole frames of a client.
#ifndef OSVM_GUEST_WEBSOCKET_H
#define OSVM_GUEST_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static inline uint32_t sha1_turn(uint32_t x, int n) {
  return x << n | x >> (32 - n);
}

static inline void sha1_block(uint32_t h[5], const unsigned char* p) {
  uint32_t w[80];
  for (int i = 0; i < 16; i++)
    w[i] =
        (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
  for (int i = 16; i < 80; i++) w[i] = sha1_turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
  for (int i = 0; i < 80; i++) {
    uint32_t f = i < 20   ? (b & c) | (~b & d)
                 : i < 40 ? b ^ c ^ d
                 : i < 60 ? (b & c) | (b & d) | (c & d)
                          : b ^ c ^ d;
    uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
    uint32_t t = sha1_turn(a, 5) + f + e + k + w[i];
    e = d, d = c, c = sha1_turn(b, 30), b = a, a = t;
  }
  h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

// The answer to a Sec-WebSocket-Key of at most 64 bytes: 28 characters and a zero.
static inline void websocket_accept(const char* key, char out[29]) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned char m[128] = {0};
  size_t n = (size_t)snprintf((char*)m, sizeof m, "%.64s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
  m[n] = 0x80;
  size_t blocks = (n + 9 + 63) / 64;
  for (int i = 0; i < 4; i++) m[blocks * 64 - 1 - (size_t)i] = (unsigned char)(n * 8 >> 8 * i);
  uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  for (size_t i = 0; i < blocks; i++) sha1_block(h, m + 64 * i);
  unsigned char d[21] = {0};
  for (int i = 0; i < 20; i++) d[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
  for (int i = 0; i < 7; i++) {
    uint32_t v = (uint32_t)d[3 * i] << 16 | (uint32_t)d[3 * i + 1] << 8 | d[3 * i + 2];
    for (int k = 0; k < 4; k++) out[4 * i + k] = letters[v >> (18 - 6 * k) & 63];
  }
  out[27] = '=';
  out[28] = 0;
}

struct websocket_frame {
  int opcode;
  size_t size;   // of the payload, unmasked in place
  size_t whole;  // bytes of the frame; 0: more are needed
  char* payload;
  bool wrong;  // not from a client, in parts, or longer than 64 KiB
};

static inline struct websocket_frame read_frame(char* in, size_t n) {
  struct websocket_frame f = {0};
  const unsigned char* u = (const unsigned char*)in;
  if (n < 2) return f;
  f.opcode = u[0] & 15;
  f.wrong = (u[0] & 0xf0) != 0x80 || !(u[1] & 0x80) || (u[1] & 127) == 127;
  f.size = u[1] & 127;
  size_t head = 6;
  if (f.size == 126) {
    if (n < 4) return f;
    f.size = (size_t)u[2] << 8 | u[3];
    head = 8;
  }
  if (f.wrong || n < head + f.size) return f;
  f.whole = head + f.size;
  f.payload = in + head;
  for (size_t i = 0; i < f.size; i++) f.payload[i] ^= in[head - 4 + i % 4];
  return f;
}

// The head of a server's frame: 2 or 4 bytes.
static inline size_t frame_head(char out[4], int opcode, size_t size) {
  out[0] = (char)(0x80 | opcode);
  if (size < 126) {
    out[1] = (char)size;
    return 2;
  }
  out[1] = 126;
  out[2] = (char)(size >> 8);
  out[3] = (char)size;
  return 4;
}

#endif
