// osvm_hotswap.h's gateway over osvm/hotswap/gateway_host.hpp.
#include <osvm_hotswap.h>

#include <osvm/hotswap/gateway_host.hpp>

#include "guard.hpp"
#include "handles.hpp"
#include "hotswap_shift.hpp"

struct osvm_hotswap_gateway {
  std::shared_ptr<osvm::runtime> shared;  // first: it must end last
  std::unique_ptr<osvm::hotswap::gateway_host> host;
};

namespace osvm::capi {
namespace {

using hotswap::service_command;

static_assert(OSVM_HOTSWAP_PAUSE == static_cast<int>(service_command::pause));
static_assert(OSVM_HOTSWAP_RESUME == static_cast<int>(service_command::resume));
static_assert(OSVM_HOTSWAP_ABORT == static_cast<int>(service_command::abort));

result<void> open_gateway(osvm_runtime* runtime, hotswap::gateway_config config, osvm_hotswap_gateway** out) {
  auto shared = runtime->shared;
  std::vector<executor> executors(runtime->threads, shared->get_executor());
  OSVM_TRY(auto host, hotswap::gateway_host::open(std::move(executors), std::move(config)));
  OSVM_CHECK(host->begin().get());
  *out = new osvm_hotswap_gateway{std::move(shared), std::move(host)};
  return {};
}

}  // namespace
}  // namespace osvm::capi

using namespace osvm::capi;

extern "C" {

osvm_error* osvm_hotswap_gateway_open(osvm_runtime* runtime, const char* config, const char* name,
                                      osvm_hotswap_gateway** out_gateway) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(runtime);
    OSVM_REQUIRE(config);
    OSVM_REQUIRE(out_gateway);
    OSVM_TRY(auto parsed, osvm::hotswap::parse_gateway_config(config, name ? name : "config"));
    return open_gateway(runtime, std::move(parsed), out_gateway);
  });
}

osvm_error* osvm_hotswap_gateway_open_file(osvm_runtime* runtime, const char* path,
                                           osvm_hotswap_gateway** out_gateway) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(runtime);
    OSVM_REQUIRE(path);
    OSVM_REQUIRE(out_gateway);
    OSVM_TRY(auto parsed, osvm::hotswap::load_gateway_config(path));
    return open_gateway(runtime, std::move(parsed), out_gateway);
  });
}

osvm_error* osvm_hotswap_gateway_reload(osvm_hotswap_gateway* gateway, const char* config, const char* name) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(gateway);
    OSVM_REQUIRE(config);
    OSVM_TRY(auto parsed, osvm::hotswap::parse_gateway_config(config, name ? name : "config"));
    return gateway->host->reload(std::move(parsed)).get();
  });
}

osvm_error* osvm_hotswap_gateway_reload_file(osvm_hotswap_gateway* gateway, const char* path) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(gateway);
    OSVM_REQUIRE(path);
    OSVM_TRY(auto parsed, osvm::hotswap::load_gateway_config(path));
    return gateway->host->reload(std::move(parsed)).get();
  });
}

osvm_error* osvm_hotswap_gateway_shift(osvm_hotswap_gateway* gateway, const char* service,
                                       const char* version, const char* const* backends, size_t backend_count,
                                       osvm_hotswap_shift** out_report) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(gateway);
    OSVM_REQUIRE(service);
    OSVM_REQUIRE(version);
    OSVM_REQUIRE(backends);
    OSVM_REQUIRE(out_report);
    std::vector<osvm::endpoint> where;
    for (size_t i = 0; i < backend_count; ++i) {
      OSVM_REQUIRE(backends[i]);
      OSVM_TRY(auto one, osvm::parse_endpoint(backends[i]));
      where.push_back(std::move(one));
    }
    OSVM_TRY(auto report, gateway->host->shift(service, version, where).get());
    *out_report = new_shift(std::move(report));
    return {};
  });
}

osvm_error* osvm_hotswap_gateway_rollback(osvm_hotswap_gateway* gateway, const char* service,
                                          osvm_hotswap_shift** out_report) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(gateway);
    OSVM_REQUIRE(service);
    OSVM_REQUIRE(out_report);
    OSVM_TRY(auto report, gateway->host->rollback(service).get());
    *out_report = new_shift(std::move(report));
    return {};
  });
}

osvm_error* osvm_hotswap_gateway_command(osvm_hotswap_gateway* gateway, const char* service,
                                         uint32_t command) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(gateway);
    OSVM_REQUIRE(service);
    if (command > OSVM_HOTSWAP_ABORT)
      return osvm::error(osvm::errc::invalid_argument, "the command is unknown");
    return gateway->host->command(service, static_cast<service_command>(command)).get();
  });
}

osvm_error* osvm_hotswap_gateway_set_weight(osvm_hotswap_gateway* gateway, const char* service,
                                            const char* backend, uint32_t weight) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(gateway);
    OSVM_REQUIRE(service);
    OSVM_REQUIRE(backend);
    return gateway->host->inner().set_weight(service, backend, weight);
  });
}

osvm_error* osvm_hotswap_gateway_drain(osvm_hotswap_gateway* gateway, const char* service,
                                       const char* backend, int64_t timeout_ms, int* out_drained) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(gateway);
    OSVM_REQUIRE(service);
    OSVM_REQUIRE(backend);
    OSVM_REQUIRE(out_drained);
    OSVM_TRY(const bool drained, gateway->host->drain(service, backend, timeout_of(timeout_ms)));
    *out_drained = drained ? 1 : 0;
    return {};
  });
}

osvm_error* osvm_hotswap_gateway_status_json(osvm_hotswap_gateway* gateway, char** out_json) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(gateway);
    OSVM_REQUIRE(out_json);
    *out_json = copy_string(osvm::hotswap::status_json(gateway->host->inner()));
    return {};
  });
}

osvm_error* osvm_hotswap_gateway_metrics(osvm_hotswap_gateway* gateway, char** out_text) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(gateway);
    OSVM_REQUIRE(out_text);
    *out_text = copy_string(gateway->host->inner().metrics());
    return {};
  });
}

osvm_error* osvm_hotswap_gateway_take_events_json(osvm_hotswap_gateway* gateway, size_t most, char** out_json,
                                                  uint64_t* out_lost) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(gateway);
    OSVM_REQUIRE(out_json);
    std::string text = "[";
    for (const auto& e : gateway->host->take_events(most)) {
      if (text.size() > 1) text += ',';
      text += osvm::hotswap::event_json(e);
    }
    if (out_lost) *out_lost = gateway->host->lost_events();
    *out_json = copy_string(text + "]");
    return {};
  });
}

osvm_error* osvm_hotswap_gateway_stop(osvm_hotswap_gateway* gateway, int64_t timeout_ms) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(gateway);
    gateway->host->stop(timeout_of(timeout_ms)).wait();
    return {};
  });
}

void osvm_hotswap_gateway_free(osvm_hotswap_gateway* gateway) {
  delete gateway;
}

}  // extern "C"
