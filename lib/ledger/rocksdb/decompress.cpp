#include "decompress.hpp"

#include <lz4.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include <memory>

namespace osvm::ledger::rocksdb {
namespace {

error failed(const char* what) {
  return corrupt(std::string("a block that is not ") + what);
}

result<std::string> from_snappy(std::string_view in, std::size_t max_size) {
  std::size_t size = 0;
  if (snappy_uncompressed_length(in.data(), in.size(), &size) != SNAPPY_OK || size > max_size)
    return failed("snappy");
  std::string out(size, '\0');
  if (snappy_uncompress(in.data(), in.size(), out.data(), &size) != SNAPPY_OK) return failed("snappy");
  return out;
}

bool inflate_all(std::string_view in, std::string_view dictionary, std::string& out) {
  z_stream z{};
  if (inflateInit2(&z, -14) != Z_OK) return false;
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&z, inflateEnd);
  if (!dictionary.empty() && inflateSetDictionary(&z, reinterpret_cast<const Bytef*>(dictionary.data()),
                                                  static_cast<uInt>(dictionary.size())) != Z_OK)
    return false;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));  // zlib does not write there
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  return inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_out == 0;
}

bool lz4_all(std::string_view in, std::string_view dictionary, std::string& out) {
  const int n = LZ4_decompress_safe_usingDict(in.data(), out.data(), static_cast<int>(in.size()),
                                              static_cast<int>(out.size()), dictionary.data(),
                                              static_cast<int>(dictionary.size()));
  return n >= 0 && static_cast<std::size_t>(n) == out.size();
}

bool zstd_all(std::string_view in, std::string_view dictionary, std::string& out) {
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (!context) return false;
  const auto n = ZSTD_decompress_usingDict(context.get(), out.data(), out.size(), in.data(), in.size(),
                                           dictionary.data(), dictionary.size());
  return !ZSTD_isError(n) && n == out.size();
}

}  // namespace

result<std::string> decompress(std::string_view block, std::uint8_t type, std::string_view dictionary,
                               std::size_t max_size) {
  constexpr std::size_t limit = 1 << 30;  // the libraries count in int
  if (block.size() > limit || dictionary.size() > limit)
    return error(osvm::errc::limit_exceeded, "a block past 1 GiB");
  switch (type) {
    case 0: return std::string(block);
    case 1: return from_snappy(block, max_size);
    case 2:
    case 4:
    case 5:
    case 7: break;
    default: return error(errc::unsupported_format, "block compression type " + std::to_string(type));
  }
  slice_reader in(block);
  const std::size_t size = in.varint32();
  if (!in.ok() || size > max_size) return failed("compressed as it says");
  std::string out(size, '\0');
  const bool ok = type == 2   ? inflate_all(in.rest(), dictionary, out)
                  : type == 7 ? zstd_all(in.rest(), dictionary, out)
                              : lz4_all(in.rest(), dictionary, out);
  if (!ok) return failed(type == 2 ? "zlib" : type == 7 ? "zstd" : "lz4");
  return out;
}

}  // namespace osvm::ledger::rocksdb
