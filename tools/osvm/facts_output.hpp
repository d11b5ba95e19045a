// Host facts for people and for programs; every bench and `doctor kvm` show the same.
#pragma once

#include <osvm/kvm/host_facts.hpp>

#include <boost/json/object.hpp>

#include "context.hpp"

namespace osvm::cli {

boost::json::object facts_json(const kvm::host_facts& facts);
text_table facts_table(const kvm::host_facts& facts);
// "AMD EPYC …, 2 cores, Linux 6.1, kvm_pvm, stub user"
std::string facts_line(const kvm::host_facts& facts);

}  // namespace osvm::cli
