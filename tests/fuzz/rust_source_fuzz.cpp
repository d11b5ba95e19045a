// link: osvm::audit
// needs: OSVM_RUST_GRAMMAR
// Rust source through the parser, the model and every check.
#include <unistd.h>

#include <cstdint>

#include "audit/checks/check.hpp"

extern "C" {
int osvm_fuzz_accepted = 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace osvm::audit;
  if (size > 65536) return 0;
  static rust_parser parser({.micros = 2'000'000});
  project p;
  p.files.emplace_back();
  p.files[0].text.assign(reinterpret_cast<const char*>(data), size);
  parser.parse(p.files[0]);
  p.crates.emplace_back();
  p.crates[0].files = {0};
  p.crates[0].cargo = parse_manifest(p.files[0].text);
  const auto lock = parse_lock(p.files[0].text);
  p.crates[0].lock = &lock;
  program model(p, p.crates[0]);
  build_model(model);
  std::vector<raw_finding> found;
  for (const auto* check : all_checks()) {
    if (check->instruction != nullptr)
      for (const auto& in : model.instructions) check->instruction(*check, view(model, in, found));
    if (check->program != nullptr) check->program(*check, program_view{model, found});
  }
  if (!model.instructions.empty()) ++osvm_fuzz_accepted;
  return 0;
}
