#include "unikernel/worker/messages.hpp"

#include <osvm/core/text.hpp>

#include <array>

namespace osvm::unikernel::wire {
namespace {

constexpr std::size_t max_context = 4096;

// The categories whose errors an engine gives.
const boost::system::error_category* category_named(const std::string& name) {
  const std::array<const boost::system::error_category*, 5> known{
      &core_category(), &unikernel_category(), &kvm::kvm_category(), &boost::system::system_category(),
      &boost::system::generic_category()};
  for (const auto* category : known)
    if (name == category->name()) return category;
  return nullptr;
}

}  // namespace

failure to_failure(const error& e) {
  return {.category = e.code.category().name(), .code = e.code.value(), .context = e.context};
}

error to_error(failure f) {
  std::string context = printable(f.context, max_context);
  const auto* category = category_named(f.category);
  if (!category || f.code == 0)
    return {osvm::errc::malformed, "error of the worker process: " + std::move(context)};
  return {error_code(f.code, *category), std::move(context)};
}

}  // namespace osvm::unikernel::wire
