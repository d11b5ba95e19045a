// Calls into a guest, and looking into it, of osvm_unikernel.h over osvm/unikernel/instance.hpp.
#include <osvm/unikernel/instance.hpp>

#include "guard.hpp"
#include "handles.hpp"

namespace uk = osvm::unikernel;
using namespace osvm::capi;

extern "C" {

osvm_error* osvm_unikernel_instance_wait_ready(osvm_unikernel_instance* instance, int64_t timeout_ms) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    return instance->instance.wait_ready(timeout_of(timeout_ms));
  });
}

osvm_error* osvm_unikernel_instance_call(osvm_unikernel_instance* instance, const char* function,
                                         const void* request, size_t request_size, int64_t timeout_ms,
                                         uint64_t cpu_time_ms, int32_t* out_status, char** out_answer,
                                         size_t* out_size) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    OSVM_REQUIRE(function);
    OSVM_REQUIRE(out_answer);
    if (request_size != 0) OSVM_REQUIRE(request);
    const uk::call_options how{.timeout = timeout_of(timeout_ms),
                               .cpu_time = std::chrono::milliseconds(cpu_time_ms)};
    OSVM_TRY(const auto answer,
             instance->instance.call(function, {static_cast<const char*>(request), request_size}, how));
    *out_answer = copy_string(answer.data);
    if (out_status) *out_status = answer.status;
    if (out_size) *out_size = answer.data.size();
    return {};
  });
}

osvm_error* osvm_unikernel_instance_dump_core(osvm_unikernel_instance* instance, int32_t file,
                                              int64_t timeout_ms) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    return instance->instance.dump_core(file, timeout_of(timeout_ms));
  });
}

osvm_error* osvm_unikernel_instance_debug(osvm_unikernel_instance* instance, int32_t connection) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    return instance->instance.debug(connection);
  });
}

}  // extern "C"
