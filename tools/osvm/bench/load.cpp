#include "load.hpp"

#include "../values.hpp"

namespace osvm::cli::bench {
namespace {

void add_latency(report& out, const std::string& name, const hotswap::latency_summary& l,
                 load_detail detail) {
  if (l.count == 0) return;  // that everything failed is said elsewhere
  std::vector<report::step> steps;
  if (detail == load_detail::histogram)
    for (const auto& s : l.steps) steps.push_back({to_ms(s.below), s.count});
  out.histogram(name, "ms",
                {.n = static_cast<std::size_t>(l.count),
                 .min = to_ms(l.min),
                 .p50 = to_ms(l.p50),
                 .p90 = to_ms(l.p90),
                 .p99 = to_ms(l.p99),
                 .max = to_ms(l.max)},
                to_ms(l.p999), std::move(steps));
}

}  // namespace

void add_load_report(report& out, const std::string& prefix, const hotswap::load_report& l,
                     load_detail detail) {
  const auto count = [&](const std::string& name, std::uint64_t n) {
    out.value(prefix + name, "requests", static_cast<double>(n));
  };
  count(".requests", l.scheduled);
  count(".answered", l.answered);
  out.must_be_zero(prefix + ".failed", "requests", static_cast<double>(l.failed()));
  for (const auto& [name, n] :
       {std::pair(".connect", l.connect), std::pair(".write", l.write), std::pair(".read", l.read),
        std::pair(".timeout", l.timeout), std::pair(".status", l.status),
        std::pair(".truncated", l.truncated), std::pair(".wrong_nonce", l.wrong_nonce),
        std::pair(".wrong_content", l.wrong_content), std::pair(".misversioned", l.misversioned)}) {
    if (n != 0) count(std::string(".failed") + name, n);
  }
  for (const auto& [version, n] : l.by_version) count(".release." + version, n);
  out.value(prefix + ".connections", "connections", static_cast<double>(l.connections_opened));
  if (l.asked_again != 0) count(".asked_again", l.asked_again);
  out.value(prefix + ".rate.offered", "1/s", l.offered_rate);
  out.value(prefix + ".rate.sent", "1/s", l.sent_rate);
  add_latency(out, prefix + ".latency", l.latency, detail);
  add_latency(out, prefix + ".service", l.service, detail);
  if (l.rate_missed)
    out.fail(prefix + ": offered " + show_number(l.offered_rate) + "/s, sent " + show_number(l.sent_rate) +
             "/s: the machine, or --connections, is too small for this rate");
  if (l.scheduled != l.answered + l.failed()) out.fail(prefix + ": scheduled is not answered + failed");
  for (const auto& text : l.samples) out.remark("  " + prefix + ": " + text);
}

}  // namespace osvm::cli::bench
