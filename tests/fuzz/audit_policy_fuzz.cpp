// link: osvm::audit
// The first byte chooses: a baseline, settings, or a unified diff.
#include <osvm/audit/policy.hpp>

#include <cstdint>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace osvm::audit;
  if (size < 1 || size > 65536) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  report r;
  r.findings.resize(2);
  r.findings[0].fingerprint = "0123";
  r.findings[0].check = "OSVM-A01";
  r.findings[0].where = {"src/lib.rs", 10, 1, 12, 1};
  switch (data[0] % 3) {
    case 0:
      if (const auto b = parse_baseline(text)) {
        apply(r, *b, "2026-01-01");
        osvm_fuzz_accepted += r.findings[0].suppressed;
      }
      break;
    case 1:
      if (const auto s = parse_settings(text)) {
        apply(r, *s);
        osvm_fuzz_accepted += s->fail_on.has_value();
      }
      break;
    default:
      if (keep_touched(r, text)) osvm_fuzz_accepted += !r.findings.empty();
  }
  return 0;
}
