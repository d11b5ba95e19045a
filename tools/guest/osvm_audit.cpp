// osvm-audit: `osvm audit`'s analysis alone, for inside a VM: osvm-audit [--offchain] FOLDER [CHECK]...
// writes the JSON report to stdout. It reads the folder and nothing else.
#include <osvm/audit/audit.hpp>

#include <cstdio>
#include <cstring>

int main(int argc, char** argv) {
  osvm::audit::options options;
  if (argc > 1 && std::strcmp(argv[1], "--offchain") == 0) {
    options.profile = osvm::audit::profile::offchain;
    ++argv;
    --argc;
  }
  if (argc < 2) {
    std::fputs("usage: osvm-audit [--offchain] FOLDER [CHECK]...\n", stderr);
    return 2;
  }
  options.only.assign(argv + 2, argv + argc);
  const auto report = osvm::audit::run(argv[1], options);
  if (!report) {
    std::fprintf(stderr, "%s\n", report.error().to_string().c_str());
    return 2;
  }
  const auto text = osvm::audit::to_json(*report);
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0 ? 0 : 1;
}
