// Where a guest may connect to outside itself, and what it is told about names.
#pragma once

#include "unikernel/sockets/address.hpp"

#include <osvm/core/error.hpp>
#include <osvm/unikernel/policy.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace osvm::unikernel {

// The nameserver in the guest's /etc/resolv.conf.
guest_address nameserver();

// Immutable after resolve(); thread-safe then.
class outgoing_targets final {
 public:
  // Resolves every name, which blocks. errc::bad_policy for a name that does not resolve or a malformed
  // grant.
  result<void> resolve(const std::vector<connect_grant>& grants);

  struct route {
    guest_address real;     // of the host's network
    std::string unix_path;  // or a unix socket of the host
  };
  // False: not granted.
  bool find(const guest_address& to, route& out) const;
  // The guest's addresses of a name. False: no such name is granted.
  bool look_up(std::string_view name, std::vector<guest_address>& out) const;
  // Lines for /etc/hosts.
  std::string hosts() const;

 private:
  struct target {
    std::string name;  // the guest's, in lower case; empty: addresses only
    std::uint16_t port = 0;
    std::string unix_path, guest_path;   // guest_path: an AF_UNIX target
    std::vector<guest_address> real;     // as the host resolved
    std::vector<guest_address> visible;  // what the guest is told, each leading to real[i]
  };
  result<void> add_unix(const connect_grant& grant, target& out);
  result<void> add_tcp(const connect_grant& grant, target& out);
  guest_address invent();
  guest_address invented_for(const std::string& name);
  std::vector<target> targets_;
  unsigned invented_ = 0;
};

}  // namespace osvm::unikernel
