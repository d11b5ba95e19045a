#include "http_service.hpp"

#include <boost/asio/use_future.hpp>

namespace osvm::cli {
namespace {

using namespace std::chrono_literals;

hotswap::service_options tell(std::atomic<hotswap::load_client*>& told) {
  return {.on_event = {},
          .before_shift =
              [&told](const std::string& version) {
                if (auto* load = told.load()) load->shift_starting(version);
              },
          .after_shift =
              [&told](const std::string& version) {
                if (auto* load = told.load()) load->shift_returned(version);
              }};
}

}  // namespace

http_service::http_service(executor ex, http_service_options options, hotswap::proxy front)
    : ex_(std::move(ex)),
      options_(std::move(options)),
      front_(std::move(front)),
      source_(std::make_shared<unikernel_source>(
          ex_, unikernel_source_options{.listens = {unikernel::transport::tcp, guest_port},
                                        .socket_dir = options_.socket_dir,
                                        .facts = options_.facts})),
      service_(ex_, front_, source_, tell(told_)) {}

http_service::~http_service() {
  told_ = nullptr;
}

result<std::unique_ptr<http_service>> http_service::make(executor ex, http_service_options options) {
  const std::vector<executor> shards(options.shards, ex);
  OSVM_TRY(auto front, hotswap::proxy::listen(shards, {.listen = tcp_endpoint{"127.0.0.1", 0}}));
  return std::unique_ptr<http_service>(new http_service(std::move(ex), std::move(options), std::move(front)));
}

hotswap::release_spec http_service::spec(const std::string& version, std::vector<std::string> flags) const {
  unikernel_release release;
  release.arguments = {options_.program, std::to_string(guest_port), version};
  release.arguments.insert(release.arguments.end(), flags.begin(), flags.end());
  release.budgets.memory_bytes = std::uint64_t{64} << 20;
  hotswap::release_spec out;
  out.version = version;
  out.artifact = options_.program;
  out.source_data = std::move(release);
  out.probe.path = "/health";
  out.probe.interval = 1ms;
  out.drain_deadline = 5s;
  return out;
}

result<hotswap::shift_report> http_service::deploy(hotswap::release_spec spec) {
  return service_.async_deploy(std::move(spec), boost::asio::use_future).get();
}

void http_service::start_load(hotswap::load_options options) {
  options.target = front_.local_endpoint();
  options.initial_version = service_.active().value_or("");
  load_.emplace(ex_, std::move(options));
  told_ = &*load_;
  loaded_ = load_->async_run(boost::asio::use_future);
}

result<hotswap::load_report> http_service::finish_load() {
  load_->stop();
  auto report = loaded_.get();
  told_ = nullptr;
  load_.reset();
  return report;
}

result<hotswap::drain_report> http_service::stop() {
  return service_.async_stop(5s, boost::asio::use_future).get();
}

}  // namespace osvm::cli
