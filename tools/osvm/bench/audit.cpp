#include "audit.hpp"

#include <osvm/audit/audit.hpp>

namespace osvm::cli::bench {

result<void> measure_audit(report& out, const audit_bench& options) {
  std::string first;
  std::vector<double> rates;
  audit::report last;
  for (unsigned i = 0; i < options.rounds; ++i) {
    audit::options o;
    o.threads = options.threads;
    const stopwatch watch;
    OSVM_TRY(last, audit::run(options.path, o));
    rates.push_back(static_cast<double>(last.sloc) / watch.ms());
    const std::string json = audit::to_json(last);
    if (i == 0) first = json;
    if (json != first) out.fail("two runs said different things");
  }
  out.samples("audit.speed", "kSLOC/s", rates);
  out.value("audit.files", "files", static_cast<double>(last.files));
  out.value("audit.sloc", "lines", static_cast<double>(last.sloc));
  out.value("audit.unparsed", "files", static_cast<double>(last.unparsed.size()));
  const auto kilo = std::max(1.0, static_cast<double>(last.sloc)) / 1000;
  for (const auto level : {audit::severity::low, audit::severity::medium, audit::severity::high})
    out.value(std::string("audit.findings.") + audit::name_of(level) + "_or_above", "per kSLOC",
              static_cast<double>(last.count(level)) / kilo);
  return {};
}

}  // namespace osvm::cli::bench
