// What stands behind the opaque handles that more than one file of the C library uses.
#pragma once

#include <osvm.h>
#include <osvm/core/runtime.hpp>
#include <osvm/kvm/host_facts.hpp>

#include <memory>
#include <string>

// Handles that run on a runtime share it, so that freeing them in the wrong order is safe.
struct osvm_runtime {
  std::shared_ptr<osvm::runtime> shared;
  unsigned threads = 1;
};

struct osvm_host {
  osvm::kvm::host_facts facts;
  std::string json;
};
