// What the precompiled signature checks share: for each signature, where it, its key and its message lie. An
// instruction index of all ones means the instruction itself.
#pragma once

#include "../../instructions/parser.hpp"

namespace osvm::solana {

// `Index` is the type of an instruction index.
template <class Index>
void read_signature_places(argument_reader& args, std::size_t count, std::string_view key_name,
                           parsed_info& to) {
  std::string text;
  json_writer out(text);
  const auto place = [&](std::string_view name, bool sized) {
    const auto offset = args.number<std::uint16_t>();
    const auto size = sized ? args.number<std::uint16_t>() : std::uint16_t{0};
    out.key(name);
    out.begin_object();
    out.field("instructionIndex", args.number<Index>());
    out.field("offset", offset);
    if (sized) out.field("size", size);
    out.end_object();
  };
  out.begin_array();
  for (std::size_t i = 0; i < count && args.ok(); ++i) {
    out.begin_object();
    place("signature", false);
    place(key_name, false);
    place("message", true);
    out.end_object();
  }
  out.end_array();
  to.type = "verify";
  to.raw("signatures", std::move(text));
  if (!args.ok()) to.fail();
}

}  // namespace osvm::solana
