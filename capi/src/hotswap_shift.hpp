// The report of a shift, which proxies and gateways give.
#pragma once

#include <osvm_hotswap.h>
#include <osvm/hotswap/release.hpp>

#include "json.hpp"

#include <string>

struct osvm_hotswap_shift {
  osvm::hotswap::shift_report report;
  std::string description;
  std::string json;
};

namespace osvm::capi {

inline osvm_hotswap_shift* new_shift(hotswap::shift_report report) {
  auto description = report.describe();
  auto json = to_json(report);
  return new osvm_hotswap_shift{std::move(report), std::move(description), std::move(json)};
}

}  // namespace osvm::capi
