#include "unikernel/engine/engine_base.hpp"

namespace osvm::unikernel {

void engine_base::open_events(const instance_options& options) {
  const bool log = options.output.type == stdio::kind::log || options.error.type == stdio::kind::log;
  if (!options.events.denials && !options.events.trace && !log) return;
  events_ = std::make_shared<event_channel>(executor_, options.events);
  ending_.drain_first(events_);
}

}  // namespace osvm::unikernel
