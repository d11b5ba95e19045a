// What a shift did, as Python's dict; proxies and gateways give it.
#pragma once

#include <osvm/hotswap/release.hpp>

#include "edge.hpp"

namespace osvm::python {

py::dict report_dict(const hotswap::shift_report& report);

}  // namespace osvm::python
