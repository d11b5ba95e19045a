// Raw KVM costs of this moment, for benches: they vary about twofold from hour to hour on shared hosts, so
// every figure that includes a VM is printed beside them.
#pragma once

#include <osvm/kvm/host_facts.hpp>

namespace osvm::kvm {

struct floor_sample {
  double first_exit_us = 0;  // create VM, two slots, vCPU, set-up, run to the first exit
  double exit_us = 0;        // system call out of the guest and back in, median of 200
  double close_us = 0;       // closing it all
};

// Builds, runs and closes one minimal VM. Thread-safe; a few milliseconds. Errors: kvm::errc.
result<floor_sample> measure_floor(syscall_stub stub);

}  // namespace osvm::kvm
