// An instance's counters as metrics.
#pragma once

#include <osvm/core/metrics.hpp>
#include <osvm/unikernel/report.hpp>

#include <string_view>

namespace osvm::unikernel {

// Brings the metrics of `instance` in `to` up to `stats`: names begin with osvm_instance_, each series has
// the label `instance`. A name stands for one instance, since counters only grow. Denials are one number:
// what was denied is the guest's text, which no label should follow. Thread-safe as the registry is, for one
// instance by one thread at a time. Errors: those of the registry.
result<void> record_metrics(metrics_registry& to, const instance_stats& stats, std::string_view instance);

}  // namespace osvm::unikernel
