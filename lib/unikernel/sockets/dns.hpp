// The guest's resolver: answers questions for granted names, and says of every other name that it does not
// exist. Wire format of RFC 1035; one question a message, as every resolver asks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace osvm::unikernel::dns {

inline constexpr std::size_t max_query = 512;
inline constexpr std::uint16_t type_a = 1, type_aaaa = 28;

struct question {
  std::uint16_t id = 0, flags = 0;
  std::string name;  // lower case, without the last dot
  std::uint16_t type = 0;
  std::size_t end = 0;  // of the question in the message
};

// False: not a query with one question of class IN, too long, or with a compressed name.
bool parse(std::span<const std::byte> message, question& out);

struct answer {
  bool known = false;                                // the name exists, whatever its addresses
  std::vector<std::vector<std::uint8_t>> addresses;  // 4 or 16 bytes each, of the type asked for
};
// The answer to `message`, whose question is `asked`: its question again, then at most 16 addresses.
std::vector<std::byte> respond(std::span<const std::byte> message, const question& asked, const answer& with);

}  // namespace osvm::unikernel::dns
