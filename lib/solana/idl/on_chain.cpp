// Interfaces that lie in accounts. Anchor's own: discriminator, authority, u32 length, zlib. The program
// metadata program's: a header of 96 bytes, then the text, packed as the header says.
#include <osvm/solana/address.hpp>
#include <osvm/solana/base58.hpp>
#include <osvm/solana/base64.hpp>
#include <osvm/solana/idl.hpp>
#include <osvm/solana/programs.hpp>

#include <zlib.h>
#include <zstd.h>

#include <memory>

#include "../argument_reader.hpp"
#include "model.hpp"

namespace osvm::solana {
namespace {

std::string text_of(bytes_view b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

error too_long() {
  return error(osvm::errc::limit_exceeded, "IDL: unpacked text longer than the limit");
}

struct inflation {
  z_stream stream{};
  bool ready = false;
  ~inflation() {
    if (ready) inflateEnd(&stream);
  }
};

// zlib and gzip, told apart by their headers.
result<std::string> unpack_zlib(bytes_view packed, std::size_t limit) {
  inflation z;
  z.ready = inflateInit2(&z.stream, 15 + 32) == Z_OK;
  if (!z.ready) return error(osvm::errc::limit_exceeded, "IDL: zlib has no memory");
  // zlib's interface is not const; it does not write there.
  z.stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
  z.stream.avail_in = static_cast<uInt>(std::min<std::size_t>(packed.size(), 1U << 30));
  std::string out;
  for (int state = Z_OK; state != Z_STREAM_END;) {
    constexpr std::size_t step = 64 << 10;
    const auto at = out.size();
    if (at > limit) return too_long();
    out.resize(at + step);
    z.stream.next_out = reinterpret_cast<Bytef*>(out.data() + at);
    z.stream.avail_out = step;
    state = inflate(&z.stream, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END)
      return error(osvm::errc::malformed, "IDL: the packed text is damaged");
    out.resize(at + step - z.stream.avail_out);
  }
  if (out.size() > limit) return too_long();
  return out;
}

result<std::string> unpack_zstd(bytes_view packed, std::size_t limit) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> d(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (!d) return error(osvm::errc::limit_exceeded, "IDL: zstd has no memory");
  ZSTD_DCtx_setParameter(d.get(), ZSTD_d_windowLogMax, 23);
  ZSTD_inBuffer from{packed.data(), packed.size(), 0};
  std::string out;
  for (std::size_t left = 1; left != 0;) {
    constexpr std::size_t step = 64 << 10;
    const auto at = out.size();
    if (at > limit) return too_long();
    out.resize(at + step);
    ZSTD_outBuffer to{out.data() + at, step, 0};
    left = ZSTD_decompressStream(d.get(), &to, &from);
    out.resize(at + to.pos);
    if (ZSTD_isError(left) || (left != 0 && to.pos == 0 && from.pos == from.size))
      return error(osvm::errc::malformed, "IDL: the packed text is damaged");
  }
  if (out.size() > limit) return too_long();
  return out;
}

result<std::string> unpack(bytes_view packed, std::size_t limit) {
  const auto first = packed.empty() ? std::byte{0} : packed[0];
  return first == std::byte{0x28} ? unpack_zstd(packed, limit) : unpack_zlib(packed, limit);
}

result<std::string> unpack_anchor(bytes_view data, const idl_limits& limits) {
  argument_reader in(data);
  in.take(8 + 32);
  const auto packed = in.take(in.number<std::uint32_t>());
  if (!in.ok()) return error(osvm::errc::truncated, "IDL: the account ends before its text does");
  return unpack(packed, limits.max_json);
}

struct metadata_header {
  std::uint8_t encoding = 0, compression = 0, source = 0;
  bytes_view text{};
};

result<metadata_header> read_metadata(bytes_view data) {
  argument_reader in(data);
  in.take(1 + 32 + 32 + 2 + 16);  // discriminator, program, authority, mutable, canonical, seed
  metadata_header h;
  h.encoding = in.number<std::uint8_t>();
  h.compression = in.number<std::uint8_t>();
  in.number<std::uint8_t>();  // format: what the text says of itself
  h.source = in.number<std::uint8_t>();
  const auto length = in.number<std::uint32_t>();
  in.take(5);
  h.text = in.take(length);
  if (!in.ok()) return error(osvm::errc::truncated, "IDL: the account ends before its text does");
  return h;
}

result<std::string> unpack_metadata(bytes_view data, const idl_limits& limits) {
  OSVM_TRY(const auto h, read_metadata(data));
  if (h.source == 1) return error(osvm::errc::unsupported, "IDL: the account holds a URL, not the interface");
  if (h.source != 0) return error(osvm::errc::unsupported, "IDL: the interface lies in another account");
  std::string text = text_of(h.text);
  if (h.compression != 0) {
    OSVM_TRY(text, unpack(h.text, limits.max_json));
  }
  // Texts are kept as they are; base58 and base64 say how a reader is to show bytes.
  if (h.encoding > 3 || h.compression > 2)
    return error(osvm::errc::unsupported, "IDL: an encoding that this version does not know");
  return text;
}

}  // namespace

result<pubkey> idl_address(const pubkey& program) {
  OSVM_TRY(const auto base, find_program_address({}, program));
  return create_with_seed(base.first, "anchor:idl", program);
}

result<pubkey> idl_metadata_address(const pubkey& program) {
  const std::array<char, 16> name{'i', 'd', 'l'};
  const bytes_view seeds[] = {program.view(), std::as_bytes(std::span(name))};
  OSVM_TRY(const auto found, find_program_address(seeds, programs::program_metadata));
  return found.first;
}

result<std::string> unpack_idl_account(bytes_view data, const idl_limits& limits) {
  constexpr std::string_view anchor = "\x18\x46\x62\xbf\x3a\x90\x7b\x9e";  // SHA-256 of internal:IdlAccount
  if (data.size() >= 44 && std::memcmp(data.data(), anchor.data(), anchor.size()) == 0)
    return unpack_anchor(data, limits);
  if (data.size() >= 96 && data[0] == std::byte{2}) return unpack_metadata(data, limits);
  return error(osvm::errc::malformed, "IDL: the data is neither Anchor's nor the metadata program's");
}

}  // namespace osvm::solana
