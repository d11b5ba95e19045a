#include <osvm/unikernel/instance.hpp>
#include <osvm/unikernel/template.hpp>

#include "unikernel/engine/in_process.hpp"
#include "unikernel/worker/front.hpp"

namespace osvm::unikernel {

result<instance> instance::create(executor ex, const image& program, instance_options options) {
  if (options.worker) {
    OSVM_TRY(auto apart, worker_engine::create(std::move(ex), program, options));
    return instance(std::move(apart));
  }
  OSVM_TRY(auto here, in_process_engine::create(std::move(ex), program, options));
  return instance(std::move(here));
}

result<instance> instance::adopt(executor ex, const adoption_ticket& ticket, adopt_options options) {
  OSVM_TRY(auto adopted, worker_engine::adopt(std::move(ex), ticket, options));
  return instance(std::move(adopted));
}

result<adoption_ticket> instance::ticket() const {
  return engine_->ticket();
}

instance::instance(std::shared_ptr<engine> e) noexcept : engine_(std::move(e)) {}
instance::instance(instance&&) noexcept = default;

instance& instance::operator=(instance&& other) noexcept {
  if (this != &other) {
    if (engine_) engine_->shut_down();
    engine_ = std::move(other.engine_);
  }
  return *this;
}

instance::~instance() {
  if (engine_) engine_->shut_down();
}

executor instance::get_executor() const noexcept {
  return engine_->get_executor();
}
void instance::start_wait(boost::asio::any_completion_handler<void(result<exit_report>)> handler) {
  engine_->wait_async(std::move(handler));
}
void instance::start_listening(listener which,
                               boost::asio::any_completion_handler<void(result<endpoint>)> handler) {
  engine_->listening_async(which, std::move(handler));
}
result<exit_report> instance::wait(std::chrono::nanoseconds timeout) {
  return engine_->wait(timeout);
}
result<endpoint> instance::wait_listening(listener which, std::chrono::nanoseconds timeout) {
  return engine_->wait_listening(which, timeout);
}
void instance::kill() noexcept {
  engine_->kill();
}
result<void> instance::signal(int number) {
  return engine_->signal(number);
}
std::string instance::take_output(int descriptor) {
  return engine_->take_output(descriptor);
}
std::vector<event> instance::take_events(std::size_t most) {
  return engine_->take_events(most);
}
result<instance_template> instance::snapshot(std::chrono::nanoseconds timeout) {
  OSVM_TRY(auto saved, engine_->snapshot(timeout));
  return instance_template(std::move(saved));
}
result<void> instance::reset(std::chrono::nanoseconds timeout) {
  return engine_->reset(timeout);
}
result<void> instance::wait_ready(std::chrono::nanoseconds timeout) {
  return engine_->wait_ready(timeout);
}
result<call_answer> instance::call(std::string_view function, std::string_view request,
                                   const call_options& options) {
  return engine_->call(function, request, options);
}
result<void> instance::dump_core(int file, std::chrono::nanoseconds timeout) {
  return engine_->dump_core(file, timeout);
}
result<void> instance::debug(int connection) {
  const std::shared_ptr<engine> held = engine_;
  return held->debug(connection);
}
result<learned_policy> instance::learned() const {
  return engine_->learned();
}
instance_stats instance::stats() const {
  return engine_->stats();
}
std::string instance::isolation_report() const {
  return engine_->isolation_report();
}

}  // namespace osvm::unikernel
