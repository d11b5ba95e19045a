// Puts a guest's listeners on addresses of the host.
#pragma once

#include <osvm/core/runtime.hpp>
#include <osvm/hotswap/proxy.hpp>
#include <osvm/unikernel/instance.hpp>

#include <memory>
#include <vector>

#include "values.hpp"

namespace osvm::cli {

// Owner of one L4 proxy for each publication. Move-only, used by one thread; must end before its executor.
class publisher final {
 public:
  // Listens at once, so that a port in use is known before a guest starts. Until the guest listens, clients'
  // connections are closed.
  static result<publisher> open(executor ex, const std::vector<publication>& wanted);

  // Routes each address to the guest's listener as soon as there is one.
  void attach(unikernel::instance& guest);
  // "127.0.0.1:8080 -> guest:80", one for each.
  std::vector<std::string> describe() const;

 private:
  struct entry {
    publication wanted;
    std::shared_ptr<hotswap::proxy> front;
  };
  std::vector<entry> entries_;
};

}  // namespace osvm::cli
