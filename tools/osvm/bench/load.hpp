// What a load client saw, as rows of a report.
#pragma once

#include <osvm/hotswap/load_client.hpp>

#include <cstdint>
#include <string>

#include "report.hpp"

namespace osvm::cli::bench {

enum class load_detail : std::uint8_t { histogram, summary };

// `prefix` begins the rows' names. A failed request, a missed rate and a sum that does not add up fail the
// report.
void add_load_report(report& out, const std::string& prefix, const hotswap::load_report& l,
                     load_detail detail = load_detail::summary);

}  // namespace osvm::cli::bench
