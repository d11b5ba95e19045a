// link: osvm::audit
// A report that comes back from a VM, and a template of the user: read, then written in every format.
#include <osvm/audit/reports.hpp>

#include <cstdint>

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace osvm::audit;
  if (size < 1 || size > 65536) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 1) {
    osvm_fuzz_accepted += by_template({}, "1", text, template_kind::html).has_value();
    return 0;
  }
  const auto r = parse_report(text);
  if (!r) return 0;
  ++osvm_fuzz_accepted;
  if (parse_report(to_json(*r)).has_value() != true) __builtin_trap();
  (void)(to_sarif(*r, "1").size() + to_html(*r, "1").size() + to_typst(*r, "1").size() +
         to_pages(*r, "1").size() + to_comment(*r, "1").size());
  return 0;
}
