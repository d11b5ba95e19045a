// What stands behind the opaque handles that more than one file of the C library uses.
#pragma once

#include <osvm.h>
#include <osvm_unikernel.h>
#include <osvm/core/runtime.hpp>
#include <osvm/kvm/host_facts.hpp>
#include <osvm/unikernel/instance.hpp>

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

struct osvm_unikernel_image {
  osvm::unikernel::image image;
};

struct osvm_unikernel_instance {
  std::shared_ptr<osvm::runtime> shared;  // before the instance: it must end after it
  osvm::unikernel::instance instance;
};

namespace osvm::capi {

// The C struct (null: all defaults) as the C++ one.
result<unikernel::instance_options> instance_options_of(const osvm_unikernel_options* options);
result<unikernel::stdio> stdio_of(const osvm_unikernel_stdio& given, const char* name);

}  // namespace osvm::capi
