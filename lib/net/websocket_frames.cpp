#include <osvm/net/websocket_frames.hpp>

#include <osvm/core/text.hpp>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>

namespace osvm::net {
namespace {

using kind = websocket_message::kind;

constexpr std::size_t max_control = 125;

enum opcode : unsigned { continuation = 0, text = 1, binary = 2, close_frame = 8, ping = 9, pong = 10 };

// Which codes a close frame may carry (RFC 6455, 7.4).
bool usable_close_code(std::uint16_t c) {
  return (c >= 1000 && c <= 1014 && c != 1004 && c != 1005 && c != 1006) || (c >= 3000 && c <= 4999);
}

void apply_mask(char* data, std::size_t size, std::uint32_t mask) {
  std::array<char, 4> key{};
  std::memcpy(key.data(), &mask, 4);
  for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<char>(data[i] ^ key[i & 3]);
}

std::string base64(const unsigned char* bytes, std::size_t size) {
  std::string out(4 * ((size + 2) / 3) + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes, static_cast<int>(size));
  out.resize(static_cast<std::size_t>(n));
  return out;
}

}  // namespace

struct websocket_reader::frame {
  bool last = false;
  unsigned opcode = 0;
  std::string data;
};

error websocket_reader::fail(std::uint16_t code, const char* what) {
  failure_code_ = code;
  return {code == 1009 ? errc::too_large : errc::protocol, what};
}

// False when the buffer does not hold a whole frame.
result<bool> websocket_reader::read_frame(frame& out) {
  const std::string_view in = std::string_view(buffer_).substr(at_);
  if (in.size() < 2) return false;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(in[i]); };
  out.last = byte(0) & 0x80;
  out.opcode = byte(0) & 0x0f;
  const bool masked = byte(1) & 0x80;
  const bool control = out.opcode >= 8;
  if (byte(0) & 0x70) return fail(1002, "a reserved bit is set");
  if (masked != (role_ == websocket_role::server)) return fail(1002, "wrong masking");
  if (out.opcode > 10 || (out.opcode > 2 && out.opcode < 8)) return fail(1002, "an unknown frame");
  std::uint64_t length = byte(1) & 0x7f;
  std::size_t head = 2;
  if (control && (length > max_control || !out.last)) return fail(1002, "a control frame that is not one");
  const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (in.size() < head + extended) return false;
  if (extended) {
    length = 0;
    for (std::size_t i = 0; i < extended; ++i) length = length << 8 | byte(head + i);
    if (length < (extended == 2 ? 126U : 65536U)) return fail(1002, "a length in a longer form than needed");
  }
  head += extended;
  // Judged before its bytes are here, so that no announced length makes us collect more.
  if (!control && length > max_message_ - partial_.size()) return fail(1009, "the message is too large");
  const std::size_t size = head + (masked ? 4 : 0) + static_cast<std::size_t>(length);
  if (in.size() < size) return false;
  out.data = in.substr(size - length, length);
  if (masked) {
    std::uint32_t mask;
    std::memcpy(&mask, in.data() + head, 4);
    apply_mask(out.data.data(), out.data.size(), mask);
  }
  at_ += size;
  if (at_ == buffer_.size() || at_ > (64 << 10)) buffer_.erase(0, std::exchange(at_, 0));
  return true;
}

result<std::optional<websocket_message>> websocket_reader::join(frame& f) {
  if ((f.opcode == continuation) != open_.has_value())
    return fail(1002, open_ ? "a new message inside another" : "a fragment of nothing");
  if (!open_) open_ = f.opcode == text ? kind::text : kind::binary;
  if (partial_.empty())
    partial_ = std::move(f.data);
  else
    partial_ += f.data;
  if (!f.last) return std::optional<websocket_message>();
  websocket_message out{*open_, std::move(partial_), 0};
  partial_.clear();
  open_.reset();
  if (out.type == kind::text && utf8_prefix(out.data) != out.data.size()) return fail(1007, "not UTF-8");
  return std::optional(std::move(out));
}

result<std::optional<websocket_message>> websocket_reader::next() {
  for (;;) {
    frame f;
    OSVM_TRY(const bool whole, read_frame(f));
    if (!whole) return std::optional<websocket_message>();
    if (f.opcode == ping) return std::optional(websocket_message{kind::ping, std::move(f.data), 0});
    if (f.opcode == pong) return std::optional(websocket_message{kind::pong, std::move(f.data), 0});
    if (f.opcode == close_frame) {
      websocket_message out{kind::close, {}, 1005};
      if (f.data.size() == 1) return fail(1002, "half a close code");
      if (f.data.size() >= 2) {
        const auto high = static_cast<unsigned char>(f.data[0]), low = static_cast<unsigned char>(f.data[1]);
        out.code = static_cast<std::uint16_t>(high << 8 | low);
        out.data = f.data.substr(2);
        if (!usable_close_code(out.code)) return fail(1002, "a close code that none may send");
        if (utf8_prefix(out.data) != out.data.size()) return fail(1007, "not UTF-8");
      }
      return std::optional(std::move(out));
    }
    OSVM_TRY(auto message, join(f));
    if (message) return message;
  }
}

void append_websocket_frame(std::string& out, kind type, std::string_view data,
                            std::optional<std::uint32_t> mask) {
  static constexpr std::array opcodes{text, binary, ping, pong, close_frame};
  out.push_back(static_cast<char>(0x80U | opcodes.at(static_cast<std::size_t>(type))));
  const unsigned masked = mask ? 0x80U : 0;
  const std::size_t extended = data.size() < 126 ? 0 : data.size() < 65536 ? 2 : 8;
  const unsigned length = extended == 0 ? static_cast<unsigned>(data.size()) : extended == 2 ? 126U : 127U;
  out.push_back(static_cast<char>(masked | length));
  for (std::size_t i = extended; i-- > 0;) out.push_back(static_cast<char>(data.size() >> (8 * i) & 0xff));
  if (mask) out.append(reinterpret_cast<const char*>(&*mask), 4);
  const auto start = out.size();
  out += data;
  if (mask) apply_mask(out.data() + start, data.size(), *mask);
}

std::string websocket_close_payload(std::uint16_t code, std::string_view reason) {
  std::string out{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  reason = reason.substr(0, max_control - 2);
  out += reason.substr(0, utf8_prefix(reason));
  return out;
}

result<std::string> make_websocket_key() {
  std::array<unsigned char, 16> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1)
    return error(osvm::errc::unsupported, "no randomness");
  return base64(random.data(), random.size());
}

std::string websocket_accept(std::string_view key) {
  // SHA-1 is the protocol's; nothing rests on its strength.
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) return {};
  return base64(digest.data(), size);
}

}  // namespace osvm::net
