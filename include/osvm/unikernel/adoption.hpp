// An instance that outlives the process that made it: worker_options::orphan_after, instance::ticket(),
// instance::adopt().
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/unikernel/event.hpp>

#include <string>
#include <string_view>

namespace osvm::unikernel {

// What another process of the same user needs to become the owner of an instance whose owner is gone. Keep it
// where only that process reads it: who has it, and may reach the socket, owns the guest.
struct adoption_ticket {
  std::string socket;  // in the instance's socket folder; its name tells the instance's
  std::string nonce;   // 32 hexadecimal digits
};

std::string to_string(const adoption_ticket& ticket);  // "NONCE@/path/of/socket"
// errc::invalid_argument.
result<adoption_ticket> parse_adoption_ticket(std::string_view text);

struct adopt_options {
  // How events reach the new owner. Which events there are was said when the instance was made; those that
  // nobody could take meanwhile come first, as many as its capacity, the rest is counted as dropped.
  event_options events;
};

}  // namespace osvm::unikernel
