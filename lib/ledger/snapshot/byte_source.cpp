#include "byte_source.hpp"

#include <osvm/core/unique_fd.hpp>
#include <osvm/ledger/error.hpp>

#include <fcntl.h>
#include <lz4frame.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace osvm::ledger {
namespace {

class plain final : public byte_source {
 public:
  plain(unique_fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  result<std::size_t> read(char* to, std::size_t size) override {
    while (true) {
      const auto n = ::read(fd_.get(), to, size);
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) return errno_error(path_);
    }
  }

 private:
  unique_fd fd_;
  std::string path_;
};

class memory final : public byte_source {
 public:
  explicit memory(std::string_view bytes) : bytes_(bytes) {}
  result<std::size_t> read(char* to, std::size_t size) override {
    const auto n = std::min(size, bytes_.size());
    std::memcpy(to, bytes_.data(), n);
    bytes_.remove_prefix(n);
    return n;
  }

 private:
  std::string_view bytes_;
};

// What zstd and lz4 share: an input buffer that is filled when it is used up.
class compressed : public byte_source {
 public:
  explicit compressed(std::unique_ptr<byte_source> from) : from_(std::move(from)), buffer_(256 << 10) {}

 protected:
  // False at the end of the file.
  result<bool> fill() {
    if (at_ < end_) return true;
    OSVM_TRY(end_, from_->read(buffer_.data(), buffer_.size()));
    at_ = 0;
    return end_ != 0;
  }
  std::unique_ptr<byte_source> from_;
  std::vector<char> buffer_;
  std::size_t at_ = 0, end_ = 0;
};

class from_zstd final : public compressed {
 public:
  explicit from_zstd(std::unique_ptr<byte_source> from)
      : compressed(std::move(from)), stream_(ZSTD_createDStream(), ZSTD_freeDStream) {}
  result<std::size_t> read(char* to, std::size_t size) override {
    ZSTD_outBuffer out{to, size, 0};
    while (out.pos == 0) {
      OSVM_TRY(const bool more, fill());
      if (!more && open_) return error(osvm::errc::truncated, "the zstd stream ends within a frame");
      if (!more) return std::size_t{0};
      ZSTD_inBuffer in{buffer_.data(), end_, at_};
      const auto left = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(left)) return error(errc::corrupt, std::string("zstd: ") + ZSTD_getErrorName(left));
      at_ = in.pos;
      open_ = left != 0;
    }
    return out.pos;
  }

 private:
  std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream_;
  bool open_ = false;
};

class from_lz4 final : public compressed {
 public:
  explicit from_lz4(std::unique_ptr<byte_source> from) : compressed(std::move(from)) {
    (void)LZ4F_createDecompressionContext(&context_, LZ4F_VERSION);
  }
  ~from_lz4() override { LZ4F_freeDecompressionContext(context_); }
  result<std::size_t> read(char* to, std::size_t size) override {
    if (!context_) return error(errc::corrupt, "lz4: no memory");
    while (true) {
      OSVM_TRY(const bool more, fill());
      if (!more && open_) return error(osvm::errc::truncated, "the lz4 stream ends within a frame");
      if (!more) return std::size_t{0};
      std::size_t made = size, used = end_ - at_;
      const auto left = LZ4F_decompress(context_, to, &made, buffer_.data() + at_, &used, nullptr);
      if (LZ4F_isError(left)) return error(errc::corrupt, std::string("lz4: ") + LZ4F_getErrorName(left));
      at_ += used;
      open_ = left != 0;
      if (made) return made;
    }
  }

 private:
  LZ4F_dctx* context_ = nullptr;
  bool open_ = false;
};

}  // namespace

result<> byte_source::read_all(char* to, std::size_t size) {
  while (size) {
    OSVM_TRY(const auto n, read(to, size));
    if (n == 0) return error(osvm::errc::truncated, "the archive ends too early");
    to += n, size -= n;
  }
  return {};
}

result<> byte_source::skip(std::uint64_t size) {
  char scratch[16384];
  while (size) {
    const auto part = std::min<std::uint64_t>(size, sizeof scratch);
    OSVM_CHECK(read_all(scratch, part));
    size -= part;
  }
  return {};
}

result<std::unique_ptr<byte_source>> open_byte_source(const std::string& path) {
  unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return errno_error(path);
  unsigned char magic[4] = {};
  // A pipe cannot be looked into beforehand: it is taken as it is.
  if (::pread(fd.get(), magic, sizeof magic, 0) < 0 && errno != ESPIPE) return errno_error(path);
  std::uint32_t number = 0;
  std::memcpy(&number, magic, sizeof number);
  auto file = std::make_unique<plain>(std::move(fd), path);
  std::unique_ptr<byte_source> out;
  if (number == ZSTD_MAGICNUMBER || (number & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START)
    out = std::make_unique<from_zstd>(std::move(file));
  else if (number == 0x184d2204)
    out = std::make_unique<from_lz4>(std::move(file));
  else if ((number & 0xffff) == 0x8b1f || (number & 0xffff) == 0x5a42)
    return error(errc::unsupported_format, path + ": gzip and bzip2 archives are not read; recompress it");
  else
    out = std::move(file);
  return out;
}

std::unique_ptr<byte_source> byte_source_of(std::string_view bytes) {
  return std::make_unique<memory>(bytes);
}

}  // namespace osvm::ledger
