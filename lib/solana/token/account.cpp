// Mints, holdings and multisigs of both token programs. Behind token-2022's base state lie extensions: the
// base is padded to a holding's length, a byte says what the account is, then type, length and value follow
// each other.
#include "../accounts/parser.hpp"

namespace osvm::solana {
namespace {

constexpr std::size_t mint_size = 82, holding_size = 165, multisig_size = 355;
enum class kind : std::uint8_t { mint = 1, holding = 2 };

// An optional of the token programs: a u32 that is 0 or 1, and the value in either case.
template <class T>
std::optional<T> c_option(argument_reader& args) {
  const auto tag = args.number<std::uint32_t>();
  T v;
  if constexpr (std::is_arithmetic_v<T>)
    v = args.number<T>();
  else
    v = args.key<T>();
  if (tag > 1) args.fail();
  return tag == 1 ? std::optional<T>(v) : std::nullopt;
}

// The extensions' bytes; nothing when the data is no account of that kind.
std::optional<bytes_view> extensions_of(bytes_view data, std::size_t base, kind what) {
  if (data.size() == multisig_size || data.size() < base) return std::nullopt;
  if (data.size() == base) return bytes_view{};
  if (data.size() < holding_size + 1) return std::nullopt;
  for (std::size_t i = base; i < holding_size; ++i)
    if (data[i] != std::byte{0}) return std::nullopt;
  if (data[holding_size] != static_cast<std::byte>(what)) return std::nullopt;
  return data.subspan(holding_size + 1);
}

struct mint_state {
  std::optional<pubkey> authority{}, freeze{};
  std::uint64_t supply = 0;
  std::uint8_t decimals = 0;
  bytes_view extensions{};
};

std::optional<mint_state> read_mint(bytes_view data) {
  const auto extensions = extensions_of(data, mint_size, kind::mint);
  if (!extensions) return std::nullopt;
  argument_reader args(data);
  mint_state m;
  m.authority = c_option<pubkey>(args);
  m.supply = args.number<std::uint64_t>();
  m.decimals = args.number<std::uint8_t>();
  const bool initialized = args.boolean();
  m.freeze = c_option<pubkey>(args);
  m.extensions = *extensions;
  return args.ok() && initialized ? std::optional(m) : std::nullopt;
}

struct holding_state {
  token_holding base;
  std::uint8_t state = 0;
  std::optional<std::uint64_t> native_reserve{};
  std::uint64_t delegated = 0;
  std::optional<pubkey> close_authority{};
  bytes_view extensions{};
};

std::optional<holding_state> read_holding(bytes_view data) {
  const auto extensions = extensions_of(data, holding_size, kind::holding);
  if (!extensions) return std::nullopt;
  argument_reader args(data);
  holding_state h;
  h.base.mint = args.key(), h.base.owner = args.key();
  h.base.amount = args.number<std::uint64_t>();
  h.base.delegate = c_option<pubkey>(args);
  h.state = args.number<std::uint8_t>();
  h.native_reserve = c_option<std::uint64_t>(args);
  h.delegated = args.number<std::uint64_t>();
  h.close_authority = c_option<pubkey>(args);
  h.extensions = *extensions;
  return args.ok() && (h.state == 1 || h.state == 2) ? std::optional(h) : std::nullopt;
}

void write_holding(json_writer& out, const holding_state& h, const token_mint& mint, std::int64_t now) {
  const auto amount = [&](std::string_view name, std::uint64_t v) {
    out.key(name);
    write_token_amount(out, v, mint, now);
  };
  out.begin_object();
  if (h.close_authority) out.field("closeAuthority", *h.close_authority);
  if (h.base.delegate) {
    out.field("delegate", *h.base.delegate);
    amount("delegatedAmount", h.delegated);
  }
  write_token_extensions(out, h.extensions, false);
  out.field("isNative", h.native_reserve.has_value());
  out.field("mint", h.base.mint);
  out.field("owner", h.base.owner);
  if (h.native_reserve) amount("rentExemptReserve", *h.native_reserve);
  out.field("state", h.state == 1 ? "initialized" : "frozen");
  amount("tokenAmount", h.base.amount);
  out.end_object();
}

void write_mint(json_writer& out, const mint_state& m) {
  out.begin_object();
  out.field("decimals", m.decimals);
  write_token_extensions(out, m.extensions, true);
  or_null(out, "freezeAuthority", m.freeze);
  out.field("isInitialized", true);
  or_null(out, "mintAuthority", m.authority);
  digits(out, "supply", m.supply);
  out.end_object();
}

bool write_multisig(json_writer& out, bytes_view data) {
  if (data.size() != multisig_size) return false;
  argument_reader args(data);
  const auto required = args.number<std::uint8_t>(), valid = args.number<std::uint8_t>();
  if (!args.boolean()) return false;
  write_typed(out, "multisig", [&] {
    out.begin_object();
    out.field("isInitialized", true);
    out.field("numRequiredSigners", required);
    out.field("numValidSigners", valid);
    out.key("signers");
    out.begin_array();
    for (const auto& s : view_as<pubkey>(args.rest()))
      if (!s.is_zero()) out.base58(s);
    out.end_array();
    out.end_object();
  });
  return true;
}

}  // namespace

bool parse_token_account(const account_args& in, json_writer& out) {
  if (const auto h = read_holding(in.data)) {
    if (!in.context.mint) return false;
    write_typed(out, "account", [&] { write_holding(out, *h, *in.context.mint, in.context.unix_timestamp); });
    return true;
  }
  if (const auto m = read_mint(in.data)) {
    write_typed(out, "mint", [&] { write_mint(out, *m); });
    return true;
  }
  return write_multisig(out, in.data);
}

std::optional<token_mint> read_token_mint(bytes_view data) {
  const auto m = read_mint(data);
  if (!m) return std::nullopt;
  token_mint out{.supply = m->supply, .decimals = m->decimals};
  if (const auto v = find_token_extension(m->extensions, 10); v && v->size() == 52) {
    argument_reader args(*v);
    args.key();
    auto& i = out.interest_bearing.emplace();
    i.initialized = args.number<std::int64_t>();
    i.rate_before = args.number<std::int16_t>();
    i.updated = args.number<std::int64_t>();
    i.rate = args.number<std::int16_t>();
  }
  if (const auto v = find_token_extension(m->extensions, 25); v && v->size() == 56) {
    argument_reader args(*v);
    args.key();
    auto& s = out.scaled.emplace();
    s.multiplier = args.number<double>();
    s.new_from = args.number<std::int64_t>();
    s.new_multiplier = args.number<double>();
  }
  return out;
}

std::optional<token_holding> read_token_holding(bytes_view data) {
  const auto h = read_holding(data);
  return h ? std::optional(h->base) : std::nullopt;
}

bool is_token_program(const pubkey& key) noexcept {
  return key == programs::token || key == programs::token_2022;
}

}  // namespace osvm::solana
