// An account in the encodings of a validator's JSON-RPC.
#include <osvm/solana/account.hpp>
#include <osvm/solana/base58.hpp>
#include <osvm/solana/base64.hpp>

#include <zstd.h>

#include <algorithm>
#include <memory>

#include "accounts/parser.hpp"
#include "more/decode.hpp"

namespace osvm::solana {
namespace {

constexpr std::size_t max_base58 = 128;

bytes_view cut(bytes_view data, const std::optional<data_slice>& slice) {
  if (!slice) return data;
  if (slice->offset >= data.size()) return {};
  const auto rest = data.subspan(slice->offset);
  return rest.first(std::min<std::uint64_t>(slice->length, rest.size()));
}

std::string as_base58(bytes_view data) {
  return data.size() <= max_base58 ? base58_encode(data) : "error: data too large for bs58 encoding";
}

// In two steps, without the size in the frame's header: what validators' streaming encoder makes.
std::string zstd_frame(bytes_view data) {
  std::string out(ZSTD_compressBound(data.size()) + 64, '\0');
  const std::unique_ptr<ZSTD_CStream, decltype(&ZSTD_freeCStream)> stream(ZSTD_createCStream(),
                                                                          ZSTD_freeCStream);
  if (!stream) return {};
  ZSTD_inBuffer from{data.data(), data.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  while (from.pos < from.size)
    if (ZSTD_isError(ZSTD_compressStream2(stream.get(), &to, &from, ZSTD_e_continue))) return {};
  while (true) {
    const auto left = ZSTD_compressStream2(stream.get(), &to, &from, ZSTD_e_end);
    if (ZSTD_isError(left)) return {};
    if (left == 0) break;
  }
  out.resize(to.pos);
  return out;
}

result<std::string> unpack_zstd(bytes_view packed, std::size_t max_bytes) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> d(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (!d) return error(osvm::errc::limit_exceeded, "zstd has no memory");
  ZSTD_inBuffer from{packed.data(), packed.size(), 0};
  std::string out;
  for (std::size_t left = 1; left != 0;) {
    constexpr std::size_t step = 128 << 10;
    const auto at = out.size();
    if (at > max_bytes) return error(osvm::errc::limit_exceeded, "the unpacked account is too large");
    out.resize(at + step);
    ZSTD_outBuffer to{out.data() + at, step, 0};
    left = ZSTD_decompressStream(d.get(), &to, &from);
    out.resize(at + to.pos);
    if (ZSTD_isError(left) || (left != 0 && to.pos == 0 && from.pos == from.size))
      return error(osvm::errc::malformed, "the zstd frame is damaged");
  }
  if (out.size() > max_bytes) return error(osvm::errc::limit_exceeded, "the unpacked account is too large");
  if (from.pos != from.size) return error(osvm::errc::malformed, "bytes behind the zstd frame");
  return out;
}

void pair(json_writer& out, std::string_view encoding, auto&& first) {
  out.begin_array();
  first();
  out.plain(encoding);
  out.end_array();
}

void write_parsed(json_writer& out, std::string_view parsed, std::string_view program, std::size_t space) {
  out.begin_object();
  out.key("parsed");
  out.raw(parsed);
  out.field("program", program);
  out.field("space", space);
  out.end_object();
}

}  // namespace

std::optional<account_encoding> parse_account_encoding(std::string_view name) noexcept {
  if (name == "binary") return account_encoding::binary;
  if (name == "base58") return account_encoding::base58;
  if (name == "base64") return account_encoding::base64;
  if (name == "base64+zstd") return account_encoding::base64_zstd;
  if (name == "jsonParsed") return account_encoding::json_parsed;
  return std::nullopt;
}

result<std::string> decode_account_data(std::string_view text, account_encoding encoding,
                                        std::size_t max_bytes) {
  const bool is_base58 = encoding == account_encoding::base58 || encoding == account_encoding::binary;
  auto bytes = is_base58 ? base58_decode(text) : base64_decode(text, max_bytes);
  if (!bytes) return bytes.error();
  if (encoding == account_encoding::base64_zstd) return unpack_zstd(*bytes, max_bytes);
  if (bytes->size() > max_bytes) return error(osvm::errc::limit_exceeded, "the account is too large");
  return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

bool write_parsed_account(json_writer& out, const pubkey& address, const account_view& account,
                          const account_context& context) {
  for (const auto* p : all_account_parsers()) {
    if (*p->owner != account.owner) continue;
    std::string parsed;
    json_writer inner(parsed);
    if (!p->parse({address, account.data, context}, inner)) break;
    write_parsed(out, parsed, p->name, account.data.size());
    return true;
  }
  if (!context.more) return false;
  const auto more = decode_more({address, account.data, context}, account.owner);
  if (more) write_parsed(out, more->json, more->program, account.data.size());
  return more.has_value();
}

void write_account(json_writer& out, const pubkey& address, const account_view& account,
                   account_encoding encoding, const std::optional<data_slice>& slice,
                   const account_context& context) {
  const auto data = cut(account.data, slice);
  out.begin_object();
  out.field("lamports", account.lamports);
  out.key("data");
  switch (encoding) {
    case account_encoding::binary: out.plain(as_base58(data)); break;
    case account_encoding::base58: pair(out, "base58", [&] { out.plain(as_base58(data)); }); break;
    case account_encoding::base64_zstd:
      pair(out, "base64+zstd", [&] { out.base64(as_bytes(zstd_frame(data))); });
      break;
    case account_encoding::json_parsed:
      if (write_parsed_account(out, address, account, context)) break;
      [[fallthrough]];
    case account_encoding::base64: pair(out, "base64", [&] { out.base64(data); });
  }
  out.field("owner", account.owner);
  out.field("executable", account.executable);
  out.field("rentEpoch", account.rent_epoch);
  out.field("space", account.data.size());
  out.end_object();
}

}  // namespace osvm::solana
