#include "unikernel/trace/traced.hpp"

#include "unikernel/events/channel.hpp"
#include "unikernel/instance_state.hpp"
#include "unikernel/trace/call_text.hpp"

#include <new>
#include <optional>

namespace osvm::unikernel {

std::int64_t traced(call_context& ctx, std::uint64_t number,
                    std::int64_t (*serve)(call_context&, std::uint64_t) noexcept) noexcept {
  const auto entered = std::chrono::steady_clock::now();
  std::optional<call_text> text;
  try {
    text.emplace(ctx, number);
  } catch (const std::bad_alloc&) {
    text.reset();  // the call is served all the same, without its arguments on record
  }
  const std::int64_t result = serve(ctx, number);
  auto& events = *ctx.instance.events;
  try {
    events.trace(ctx.thread.tid, static_cast<std::uint32_t>(number),
                 text ? text->finish(result) : "(no memory for the arguments)", result, entered);
  } catch (const std::bad_alloc&) {
    events.trace(ctx.thread.tid, static_cast<std::uint32_t>(number), "(no memory for the arguments)", result,
                 entered);
  }
  return result;
}

}  // namespace osvm::unikernel
