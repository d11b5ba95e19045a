#include "unikernel/process/process_state.hpp"

#include "unikernel/thread/guest_thread.hpp"

namespace osvm::unikernel {

std::string process_state::executable() const {
  const std::lock_guard guard(program_lock_);
  return executable_;
}

std::vector<std::string> process_state::arguments() const {
  const std::lock_guard guard(program_lock_);
  return arguments_;
}

void process_state::set_program(std::string executable, std::vector<std::string> arguments) {
  const std::lock_guard guard(program_lock_);
  executable_ = std::move(executable);
  arguments_ = std::move(arguments);
}

std::vector<std::uint64_t> process_state::auxiliary() const {
  const std::lock_guard guard(program_lock_);
  return auxiliary_;
}

void process_state::set_auxiliary(std::vector<std::uint64_t> words) {
  const std::lock_guard guard(program_lock_);
  auxiliary_ = std::move(words);
}

void process_state::inherit(process_state& parent) {
  descriptors.share(parent.descriptors);
  {
    const std::lock_guard guard(parent.cwd_lock);
    working_directory = parent.working_directory;
  }
  umask = parent.umask.load();
  signals.inherit(parent.signals);
  limits.inherit(parent.limits);
  set_program(parent.executable(), parent.arguments());
  set_auxiliary(parent.auxiliary());
}

void process_state::forget_program(guest_thread& caller) {
  for (const auto& gone : descriptors.close_for_program()) locks.closed(gone->host);
  timers.clear();
  signals.reset_for_program(caller);
}

}  // namespace osvm::unikernel
