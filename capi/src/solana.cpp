// osvm_solana.h over osvm/solana.
#include <osvm_solana.h>

#include <osvm/solana/account.hpp>
#include <osvm/solana/base58.hpp>
#include <osvm/solana/encode.hpp>
#include <osvm/solana/idl.hpp>

#include "guard.hpp"
#include "versioned.hpp"

namespace sol = osvm::solana;
using namespace osvm::capi;

struct osvm_solana_idl {
  std::shared_ptr<const sol::idl> idl;
};

namespace {

static_assert(sol::pubkey::size == OSVM_SOLANA_ADDRESS_SIZE);
static_assert(sol::signature::size == OSVM_SOLANA_SIGNATURE_SIZE);

osvm::bytes_view view(const void* data, size_t size) {
  return {static_cast<const std::byte*>(data), data ? size : 0};
}
sol::pubkey key(const uint8_t* bytes) {
  sol::pubkey out;
  std::memcpy(out.bytes.data(), bytes, out.bytes.size());
  return out;
}
osvm::result<void> give(osvm::result<std::string>&& text, char** out) {
  if (!text) return text.error();
  *out = copy_string(*text);
  return {};
}

// The interfaces of one call, by the address that each names.
class given_idls final : public sol::idl_source {
 public:
  explicit given_idls(std::span<const osvm_solana_idl* const> list) : list_(list) {}
  std::shared_ptr<const sol::idl> find(const sol::pubkey& program) const override {
    for (const auto* i : list_)
      if (i->idl->summary().address == program) return i->idl;
    return nullptr;
  }

 private:
  std::span<const osvm_solana_idl* const> list_;
};

osvm::result<osvm_solana_decode_options> read_options(const osvm_solana_decode_options* options) {
  OSVM_TRY(const auto o, read_versioned(options, osvm_solana_decode_options{}, "osvm_solana_decode_options"));
  constexpr uint32_t known = OSVM_SOLANA_AS_VALIDATOR | OSVM_SOLANA_HAS_MINT;
  if ((o.flags & ~known) != 0)
    return osvm::error(osvm::errc::invalid_argument, "decode_options.flags has unknown bits");
  if (o.reserved != 0 || o.mint_decimals > 255)
    return osvm::error(osvm::errc::invalid_argument, "decode_options: mint_decimals is 0 to 255, reserved 0");
  if (o.idl_count != 0) OSVM_REQUIRE(o.idls);
  for (size_t i = 0; i < o.idl_count; ++i) OSVM_REQUIRE(o.idls[i]);
  return o;
}

osvm::result<sol::transaction_view> read_transaction(const void* wire, size_t size) {
  sol::transaction_view tx;
  OSVM_CHECK(sol::parse_transaction(view(wire, size), tx));
  if (tx.size != size) return osvm::error(osvm::errc::malformed, "bytes behind the transaction");
  return tx;
}

}  // namespace

extern "C" {

osvm_error* osvm_solana_base58_encode(const void* bytes, size_t size, char** out_text) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(out_text);
    if (size != 0) OSVM_REQUIRE(bytes);
    if (size > 4096) return osvm::error(osvm::errc::limit_exceeded, "base58 of more than 4096 bytes");
    *out_text = copy_string(sol::base58_encode(view(bytes, size)));
    return {};
  });
}

osvm_error* osvm_solana_base58_decode(const char* text, void* out_bytes, size_t size) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(text);
    OSVM_REQUIRE(out_bytes);
    OSVM_TRY(const auto bytes, sol::base58_decode(text));
    if (bytes.size() != size)
      return osvm::error(osvm::errc::malformed, "the text is base58 of " + std::to_string(bytes.size()) +
                                                    " bytes, not of " + std::to_string(size));
    std::memcpy(out_bytes, bytes.data(), size);
    return {};
  });
}

osvm_error* osvm_solana_idl_parse(const char* json, osvm_solana_idl** out_idl) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(json);
    OSVM_REQUIRE(out_idl);
    OSVM_TRY(auto parsed, sol::idl::parse(json));
    *out_idl = new osvm_solana_idl{std::make_shared<const sol::idl>(std::move(parsed))};
    return {};
  });
}

osvm_error* osvm_solana_idl_unpack(const void* data, size_t size, char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(data);
    OSVM_REQUIRE(out_json);
    return give(sol::unpack_idl_account(view(data, size)), out_json);
  });
}

const char* osvm_solana_idl_name(const osvm_solana_idl* idl) {
  return idl ? idl->idl->summary().name.c_str() : "";
}

osvm_error* osvm_solana_idl_account(const osvm_solana_idl* idl, const void* data, size_t size,
                                    char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(idl);
    OSVM_REQUIRE(out_json);
    return give(idl->idl->account(view(data, size)), out_json);
  });
}

osvm_error* osvm_solana_idl_instruction(const osvm_solana_idl* idl, const uint8_t* program,
                                        const uint8_t* accounts, size_t account_count, const void* data,
                                        size_t size, char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(idl);
    OSVM_REQUIRE(program);
    OSVM_REQUIRE(out_json);
    if (account_count != 0) OSVM_REQUIRE(accounts);
    if (account_count > 256)
      return osvm::error(osvm::errc::limit_exceeded, "an instruction has at most 256 accounts");
    const std::span keys(reinterpret_cast<const sol::pubkey*>(accounts), account_count);  // alignment 1
    return give(idl->idl->instruction(key(program), keys, view(data, size)), out_json);
  });
}

osvm_error* osvm_solana_idl_event(const osvm_solana_idl* idl, const void* data, size_t size,
                                  char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(idl);
    OSVM_REQUIRE(out_json);
    return give(idl->idl->event(view(data, size)), out_json);
  });
}

void osvm_solana_idl_free(osvm_solana_idl* idl) {
  delete idl;
}

void osvm_solana_decode_options_init(osvm_solana_decode_options* options, uint32_t struct_size) {
  init_versioned(options, struct_size, osvm_solana_decode_options{});
}

osvm_error* osvm_solana_account_json(const uint8_t* owner, const uint8_t* address, const void* data,
                                     size_t size, const osvm_solana_decode_options* options,
                                     char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(owner);
    OSVM_REQUIRE(out_json);
    if (size != 0) OSVM_REQUIRE(data);
    OSVM_TRY(const auto o, read_options(options));
    const given_idls idls({o.idls, o.idl_count});
    const sol::more_decoders more{.idls = &idls};
    sol::account_context context;
    if ((o.flags & OSVM_SOLANA_AS_VALIDATOR) == 0) context.more = &more;
    if ((o.flags & OSVM_SOLANA_HAS_MINT) != 0)
      context.mint = sol::token_mint{.supply = 0, .decimals = static_cast<std::uint8_t>(o.mint_decimals)};
    std::string text;
    sol::json_writer out(text);
    const sol::account_view account{key(owner), 0, 0, false, view(data, size)};
    if (!sol::write_parsed_account(out, address ? key(address) : sol::pubkey{}, account, context))
      return osvm::error(osvm::errc::not_found, "no decoder understands these " + std::to_string(size) +
                                                    " bytes of " + account.owner.to_string());
    *out_json = copy_string(text);
    return {};
  });
}

osvm_error* osvm_solana_transaction_json(const void* wire, size_t size,
                                         const osvm_solana_decode_options* options, char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(wire);
    OSVM_REQUIRE(out_json);
    OSVM_TRY(const auto o, read_options(options));
    OSVM_TRY(const auto tx, read_transaction(wire, size));
    const given_idls idls({o.idls, o.idl_count});
    const sol::more_decoders more{.idls = &idls};
    sol::encode_options how{.encoding = sol::transaction_encoding::json_parsed, .max_version = 255};
    if ((o.flags & OSVM_SOLANA_AS_VALIDATOR) == 0) how.more = &more;
    std::string text;
    sol::json_writer out(text);
    out.begin_object();
    OSVM_CHECK(sol::write_transaction_fields(out, view(wire, size), tx, nullptr, how));
    out.end_object();
    *out_json = copy_string(text);
    return {};
  });
}

osvm_error* osvm_solana_transaction_verify(const void* wire, size_t size, int* out_valid) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(wire);
    OSVM_REQUIRE(out_valid);
    OSVM_TRY(const auto tx, read_transaction(wire, size));
    *out_valid = sol::sanitize(tx) && sol::verify_signatures(tx) ? 1 : 0;
    return {};
  });
}

}  // extern "C"
