#include "../../instructions/parser.hpp"

namespace osvm::solana {
namespace {

void parse_compute_budget(const instruction_args& in, parsed_info& out) {
  argument_reader args(in.data);
  switch (args.number<std::uint8_t>()) {
    case 0:
      out.type = "requestUnits";
      out.number("units", args.number<std::uint32_t>());
      out.number("additionalFee", args.number<std::uint32_t>());
      break;
    case 1:
      out.type = "requestHeapFrame";
      out.number("bytes", args.number<std::uint32_t>());
      break;
    case 2:
      out.type = "setComputeUnitLimit";
      out.number("units", args.number<std::uint32_t>());
      break;
    case 3:
      out.type = "setComputeUnitPrice";
      out.number("microLamports", args.number<std::uint64_t>());
      break;
    case 4:
      out.type = "setLoadedAccountsDataSizeLimit";
      out.number("bytes", args.number<std::uint32_t>());
      break;
    default: return out.fail();
  }
  if (!args.ok()) out.fail();
}

}  // namespace

extern const instruction_parser compute_budget_more_parser;
const instruction_parser compute_budget_more_parser{
    {&programs::compute_budget, nullptr}, "compute-budget", parse_compute_budget};

}  // namespace osvm::solana
