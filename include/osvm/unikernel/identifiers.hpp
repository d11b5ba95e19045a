// Names for programs, the same in JSON, C and Python: those of the enumerators. For people there is
// to_string().
#pragma once

#include <osvm/unikernel/event.hpp>
#include <osvm/unikernel/report.hpp>

#include <string>

namespace osvm::unikernel {

const char* identifier(exit_cause cause) noexcept;  // "wall_budget"
// One JSON object, for example {"event":"trace","at":0.001,"thread":1000,"call":"…","result":3,…}.
std::string to_json(const event& e);

}  // namespace osvm::unikernel
