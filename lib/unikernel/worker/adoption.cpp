#include <osvm/unikernel/adoption.hpp>

#include <algorithm>

namespace osvm::unikernel {

std::string to_string(const adoption_ticket& ticket) {
  return ticket.nonce + "@" + ticket.socket;
}

result<adoption_ticket> parse_adoption_ticket(std::string_view text) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  const std::size_t at = text.find('@');
  const std::string_view nonce = text.substr(0, at);
  if (at != 32 || !std::all_of(nonce.begin(), nonce.end(), is_digit) || text.size() < at + 2 ||
      text[at + 1] != '/') {
    return error(osvm::errc::invalid_argument,
                 "a ticket of an instance is 32 hexadecimal digits, @ and the absolute path of a socket");
  }
  return adoption_ticket{std::string(text.substr(at + 1)), std::string(nonce)};
}

}  // namespace osvm::unikernel
