// Records of the SPL name service: a header of three keys, then what the record's class says. The class of
// .sol's reverse look-ups holds a text with its length.
#include <osvm/core/text.hpp>

#include "../../accounts/parser.hpp"

namespace osvm::solana {
namespace {

constexpr pubkey reverse_lookup_class =
    programs::detail::address("33m47vH6Eav6jr5Ry86XjhRft2jRBLDnDgPSHoquXi2Z");

std::optional<std::string_view> reverse_name(bytes_view data) {
  argument_reader args(data);
  const auto text = args.take(args.number<std::uint32_t>());
  const std::string_view name(reinterpret_cast<const char*>(text.data()), text.size());
  if (!args.ok() || utf8_prefix(name) != name.size()) return std::nullopt;
  return name;
}

bool parse_name_service(const account_args& in, json_writer& out) {
  argument_reader args(in.data);
  const auto parent = args.key(), owner = args.key(), record_class = args.key();
  if (!args.ok()) return false;
  const auto name = record_class == reverse_lookup_class ? reverse_name(args.rest()) : std::nullopt;
  const auto key = [&](std::string_view field, const pubkey& k) {
    out.key(field);
    k.is_zero() ? out.null() : out.base58(k);
  };
  write_typed(out, "nameRecord", [&] {
    out.begin_object();
    key("class", record_class);
    base64_pair(out, "data", args.rest());
    if (name) out.field("name", *name);
    key("owner", owner);
    key("parent", parent);
    out.end_object();
  });
  return true;
}

}  // namespace

extern const account_parser name_service_more_account;
const account_parser name_service_more_account{&programs::name_service, "name-service", parse_name_service};

}  // namespace osvm::solana
