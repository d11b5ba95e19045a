#pragma once

#include "reading.hpp"

namespace osvm::solana::interface {

type read_type(const boost::json::value* v, reading& in);
// Named ones, or types alone; absent: none.
field_list read_fields(const boost::json::value* v, reading& in);

}  // namespace osvm::solana::interface
