// Plain values of the C++ API as JSON text. A one-to-one rendering: nothing is added, judged or left out.
#pragma once

#include <osvm/hotswap/release.hpp>
#include <osvm/hotswap/stats.hpp>
#include <osvm/kvm/host_facts.hpp>
#include <osvm/unikernel/event.hpp>
#include <osvm/unikernel/report.hpp>

#include <span>
#include <string>

namespace osvm::capi {

std::string to_json(const kvm::host_facts& facts);
std::string to_json(const unikernel::exit_report& report);
std::string to_json(const unikernel::instance_stats& stats);
std::string to_json(std::span<const unikernel::event> events);
std::string to_json(const hotswap::shift_report& report);
std::string to_json(const hotswap::proxy_stats& stats);

}  // namespace osvm::capi
