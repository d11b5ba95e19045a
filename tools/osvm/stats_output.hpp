// What a guest did and used, for people and for programs.
#pragma once

#include <osvm/unikernel/report.hpp>

#include <boost/json/object.hpp>

#include "context.hpp"

namespace osvm::cli {

boost::json::object stats_json(const unikernel::instance_stats& stats, const unikernel::exit_report& ended);
std::string stats_text(const unikernel::instance_stats& stats, const unikernel::exit_report& ended);

// "57 system calls in 61 exits" beside a release: proof that a VM served it.
std::uint64_t total_syscalls(const unikernel::instance_stats& stats);

}  // namespace osvm::cli
