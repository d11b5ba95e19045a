// Host facts as JSON: what benches, `doctor`, C and Python show is one text.
#pragma once

#include <osvm/kvm/host_facts.hpp>

#include <string>

namespace osvm::kvm {

std::string to_json(const host_facts& facts);

}  // namespace osvm::kvm
