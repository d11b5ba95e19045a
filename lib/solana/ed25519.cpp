#include <osvm/core/unique_fd.hpp>
#include <osvm/solana/ed25519.hpp>

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <memory>

namespace osvm::solana {
namespace {

struct free_key {
  void operator()(EVP_PKEY* k) const noexcept { EVP_PKEY_free(k); }
};
struct free_context {
  void operator()(EVP_MD_CTX* c) const noexcept { EVP_MD_CTX_free(c); }
};
using key_ptr = std::unique_ptr<EVP_PKEY, free_key>;
using context_ptr = std::unique_ptr<EVP_MD_CTX, free_context>;

const unsigned char* raw(bytes_view b) {
  return reinterpret_cast<const unsigned char*>(b.data());
}

// Numbers of a JSON array of exactly 64 bytes; anything else is malformed. No JSON library: the secret would
// stay in its buffers.
bool read_array(std::string_view text, std::array<std::uint8_t, 64>& out) {
  std::size_t i = 0;
  auto skip = [&] {
    while (i < text.size() && std::isspace(static_cast<unsigned char>(text[i]))) ++i;
  };
  auto expect = [&](char c) {
    skip();
    return i < text.size() && text[i++] == c;
  };
  if (!expect('[')) return false;
  for (std::size_t n = 0; n < out.size(); ++n) {
    if (n && !expect(',')) return false;
    skip();
    unsigned value = 0, digits = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9' && digits < 4; ++i, ++digits)
      value = value * 10 + static_cast<unsigned>(text[i] - '0');
    if (!digits || value > 255) return false;
    out[n] = static_cast<std::uint8_t>(value);
  }
  if (!expect(']')) return false;
  skip();
  return i == text.size();
}

}  // namespace

bool verify(const signature& s, const pubkey& key, bytes_view message) {
  const key_ptr k(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), 32));
  const context_ptr c(EVP_MD_CTX_new());
  return k && c && EVP_DigestVerifyInit(c.get(), nullptr, nullptr, nullptr, k.get()) == 1 &&
         EVP_DigestVerify(c.get(), s.data(), 64, raw(message), message.size()) == 1;
}

keypair::keypair(keypair&& other) noexcept : seed_(other.seed_), address_(other.address_) {
  OPENSSL_cleanse(other.seed_.data(), other.seed_.size());
}

keypair& keypair::operator=(keypair&& other) noexcept {
  if (this != &other) {
    seed_ = other.seed_;
    address_ = other.address_;
    OPENSSL_cleanse(other.seed_.data(), other.seed_.size());
  }
  return *this;
}

keypair::~keypair() {
  OPENSSL_cleanse(seed_.data(), seed_.size());
}

result<keypair> keypair::from_seed(bytes_view seed) {
  if (seed.size() != 32) return error(osvm::errc::malformed, "a seed has 32 bytes");
  keypair out;
  std::memcpy(out.seed_.data(), seed.data(), 32);
  const key_ptr k(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, out.seed_.data(), 32));
  std::size_t length = 32;
  if (!k || EVP_PKEY_get_raw_public_key(k.get(), out.address_.bytes.data(), &length) != 1)
    return error(osvm::errc::unsupported, "OpenSSL has no Ed25519");
  return out;
}

result<keypair> keypair::generate() {
  std::array<std::uint8_t, 32> seed{};
  if (RAND_priv_bytes(seed.data(), 32) != 1) return error(osvm::errc::unsupported, "no randomness");
  auto out = from_seed(std::as_bytes(std::span(seed)));
  OPENSSL_cleanse(seed.data(), seed.size());
  return out;
}

result<keypair> keypair::from_bytes(bytes_view bytes) {
  if (bytes.size() != 64) return error(osvm::errc::malformed, "a key pair has 64 bytes");
  OSVM_TRY(auto out, from_seed(bytes.first(32)));
  if (std::memcmp(out.address_.data(), bytes.data() + 32, 32) != 0)
    return error(osvm::errc::malformed, "the public half does not belong to the secret half");
  return out;
}

result<keypair> keypair::load(const std::string& path) {
  const unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) return errno_error("key file");
  struct ::stat st {};
  if (::fstat(fd.get(), &st) != 0) return errno_error("key file");
  if (!S_ISREG(st.st_mode)) return error(osvm::errc::malformed, "the key file is not a regular file");
  if (st.st_mode & 077)
    return error(osvm::errc::denied, "group or others may read the key file; chmod 600 it");
  std::array<char, 2048> text{};
  const auto length = ::read(fd.get(), text.data(), text.size());
  std::array<std::uint8_t, 64> bytes{};
  const bool ok = length > 0 && static_cast<std::size_t>(length) < text.size() &&
                  read_array({text.data(), static_cast<std::size_t>(length)}, bytes);
  auto out = ok ? from_bytes(std::as_bytes(std::span(bytes)))
                : result<keypair>(error(osvm::errc::malformed, "a key file is a JSON array of 64 numbers"));
  OPENSSL_cleanse(text.data(), text.size());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return out;
}

result<signature> keypair::sign(bytes_view message) const {
  const key_ptr k(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed_.data(), 32));
  const context_ptr c(EVP_MD_CTX_new());
  signature out;
  std::size_t length = 64;
  if (!k || !c || EVP_DigestSignInit(c.get(), nullptr, nullptr, nullptr, k.get()) != 1 ||
      EVP_DigestSign(c.get(), out.bytes.data(), &length, raw(message), message.size()) != 1)
    return error(osvm::errc::unsupported, "OpenSSL could not sign");
  return out;
}

}  // namespace osvm::solana
