// HTTP/1.x message heads, strictly (RFC 9112): bytes in, fields and framing out. No sockets, no allocation.
//
// Strict means: lines end in CRLF only; no folding; no space before a colon; no control characters; one
// unambiguous length. Two parsers that read the same bytes differently are what request smuggling lives on,
// so whatever has more than one reading is refused rather than repaired.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace osvm::hotswap::http1 {

enum class head_error : std::uint8_t {
  none,
  bare_lf,    // LF without CR before it
  bare_cr,    // CR without LF after it
  too_large,  // the head is longer than limits::max_head
  too_many_fields,
  target_too_long,
  bad_request_line,  // not "method SP target SP HTTP/x.y"
  bad_method,
  bad_target,   // not a form that a server is asked with, or with forbidden characters
  bad_version,  // no HTTP/1.x
  bad_status_line,
  bad_field_name,   // empty, no token, or space before the colon
  bad_field_value,  // control characters
  folded_field,     // obs-fold
  missing_host,
  bad_host,               // more than one, or no host
  bad_content_length,     // no number, too large, or more than one
  bad_transfer_encoding,  // anything but one "chunked", or in HTTP/1.0
  ambiguous_length,       // Content-Length together with Transfer-Encoding
  unsupported_coding,     // a transfer coding other than chunked
  unsupported_method,     // CONNECT
};
const char* to_string(head_error e) noexcept;
// The status that a server answers such a request with.
unsigned status_of(head_error e) noexcept;

struct head_limits {
  std::size_t max_head = 32 * 1024;
  unsigned max_fields = 128;
  std::size_t max_target = 8 * 1024;
};
// What max_fields may be at most.
inline constexpr unsigned field_capacity = 256;

struct field {
  std::string_view name, value;  // views into the head; the value without surrounding space
};

enum class body_kind : std::uint8_t {
  none,
  length,  // content_length bytes
  chunked,
  until_close,  // responses only
};

// What both kinds of head have in common. Views point into the parsed bytes.
struct message_head {
  unsigned minor = 1;  // HTTP/1.minor: 0 or 1
  std::array<field, field_capacity> fields;
  unsigned field_count = 0;
  body_kind body = body_kind::none;
  std::uint64_t content_length = 0;
  bool has_content_length = false;
  bool close = false;    // the connection ends after this message
  bool upgrade = false;  // Connection names Upgrade, and there is an Upgrade field
  bool has_connection = false;
  std::string_view connection;  // value when there is exactly one Connection field
  unsigned connection_fields = 0;
  std::string_view upgrade_to;

  std::span<const field> all() const noexcept { return {fields.data(), field_count}; }
  // Value of the first field with that (lower-case) name; empty data() when there is none.
  std::string_view find(std::string_view lower_name) const noexcept;
  // Is `name` a hop-by-hop field of this message: by its nature, or because Connection lists it?
  bool hop_by_hop(std::string_view name) const noexcept;
};

enum class method_kind : std::uint8_t { get, head, other_safe, idempotent, other };

struct request_head : message_head {
  std::string_view method;
  std::string_view target;     // as sent
  std::string_view path;       // origin-form: what is left of the target without scheme and authority
  std::string_view authority;  // of an absolute-form target, else empty
  std::string_view host;
  method_kind kind = method_kind::other;
  bool expect_continue = false;
  bool has_host = false;
  // Doing it twice is the same as doing it once (RFC 9110 9.2.2).
  bool idempotent() const noexcept { return kind != method_kind::other; }
};

struct response_head : message_head {
  unsigned status = 0;
  std::string_view reason;
  bool interim() const noexcept { return status < 200; }
};

// Finds the end of a head in bytes that arrive in pieces. Looks at each byte once.
class head_scanner {
 public:
  struct result {
    std::size_t size = 0;  // of the complete head with its empty line; 0: more bytes are needed
    head_error error = head_error::none;
  };
  // `bytes` is everything since the head began: each call must repeat what earlier ones had.
  result scan(std::string_view bytes, std::size_t max_head) noexcept;
  void reset() noexcept { line_ = at_ = 0; }

 private:
  std::size_t line_ = 0;  // where the current line begins
  std::size_t at_ = 0;    // looked at so far
};

// `head` is what head_scanner found, from the first byte to the empty line.
head_error parse_request(std::string_view head, const head_limits& limits, request_head& out) noexcept;
// `to_head`: the request was HEAD, so that there is no body whatever the head says.
head_error parse_response(std::string_view head, const head_limits& limits, bool to_head,
                          response_head& out) noexcept;

bool iequals(std::string_view a, std::string_view lower) noexcept;
// Calls f(item) for each non-empty item of a comma-separated list.
template <class F>
void for_each_item(std::string_view list, F f) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    auto item = list.substr(0, comma);
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (!item.empty()) f(item);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace osvm::hotswap::http1
