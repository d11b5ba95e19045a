// What is known about callees outside the program, as data.
#pragma once

#include <string_view>

namespace osvm::audit {

// A function that builds an instruction (spl_token::instruction::transfer) or calls a program
// (token::transfer).
struct builder_row {
  std::string_view module;  // any segment of the path must equal it
  std::string_view name;
  std::string_view program;  // the program that is called; "" = argument 0 names it
  int signer;                // argument that must have signed, -1 none
  int signer2 = -1;
};
const builder_row* find_builder(std::string_view path) noexcept;

// Fields of a CPI accounts struct whose account the called program wants as a signer.
bool signer_role(std::string_view field, std::string_view called) noexcept;

enum class method_class : unsigned char {
  none,
  transparent,    // the value itself, as far as we are concerned
  first_closure,  // map, and_then: the closure's value
  receiver,       // map_err, ok_or: the receiver, the argument is about errors
  data,           // bytes of an account
  lamports,
  parse,         // of bytes: T::name(bytes)
  tagged_parse,  // the same, and a wrong discriminator is refused
  writer,        // of bytes into the argument or the receiver
  opaque_check,  // the name says that it checks
};
method_class classify_method(std::string_view name) noexcept;
method_class classify_function(std::string_view name) noexcept;

bool is_std_method(std::string_view name) noexcept;
// Types whose parser refuses other types by a length or tag of its own (spl_token::state::Account).
bool self_describing(std::string_view type) noexcept;
bool sounds_like_check(std::string_view name) noexcept;

}  // namespace osvm::audit
