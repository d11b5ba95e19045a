// A thread's registers in gdb's order and widths, and their description (target.xml).
#pragma once

#include "unikernel/snapshot/saved_instance.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace osvm::unikernel {

// AVX registers are there when the guest's XCR0 has them.
std::string register_description(const xstate_layout& layout);
std::string register_bytes(const saved_thread& t, const xstate_layout& layout);
// From the beginning, as many as there are. False: more bytes than registers, or a part of one.
bool set_register_bytes(saved_thread& t, const xstate_layout& layout, std::string_view bytes);
// One of them by gdb's number. Empty: there is no such register.
std::string one_register(const saved_thread& t, const xstate_layout& layout, std::size_t number);
bool set_one_register(saved_thread& t, const xstate_layout& layout, std::size_t number,
                      std::string_view bytes);

}  // namespace osvm::unikernel
