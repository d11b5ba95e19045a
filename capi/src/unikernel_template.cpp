// Templates of osvm_unikernel.h over osvm/unikernel/template.hpp.
#include <osvm/unikernel/template.hpp>

#include "guard.hpp"
#include "handles.hpp"
#include "versioned.hpp"

namespace uk = osvm::unikernel;
using namespace osvm::capi;

struct osvm_unikernel_template {
  uk::instance_template saved;
};

namespace {

osvm_unikernel_spawn_options default_spawn_options() {
  osvm_unikernel_spawn_options o{};
  o.name = "clone";
  return o;
}

osvm::result<uk::spawn_options> spawn_options_of(const osvm_unikernel_spawn_options* options) {
  OSVM_TRY(const auto given,
           read_versioned(options, default_spawn_options(), "osvm_unikernel_spawn_options"));
  uk::spawn_options out;
  if (given.name) out.name = given.name;
  if (given.socket_dir) out.socket_dir = given.socket_dir;
  OSVM_TRY(out.input, stdio_of(given.input, "input"));
  OSVM_TRY(out.output, stdio_of(given.output, "output"));
  OSVM_TRY(out.error, stdio_of(given.error, "error"));
  return out;
}

}  // namespace

extern "C" {

osvm_error* osvm_unikernel_instance_snapshot(osvm_unikernel_instance* instance, int64_t timeout_ms,
                                             osvm_unikernel_template** out_template) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    OSVM_REQUIRE(out_template);
    OSVM_TRY(auto saved, instance->instance.snapshot(timeout_of(timeout_ms)));
    *out_template = new osvm_unikernel_template{std::move(saved)};
    return {};
  });
}

void osvm_unikernel_template_free(osvm_unikernel_template* from) {
  delete from;
}

osvm_error* osvm_unikernel_template_save(const osvm_unikernel_template* from, const char* path) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(from);
    OSVM_REQUIRE(path);
    return from->saved.save(path);
  });
}

osvm_error* osvm_unikernel_template_load(const char* path, const osvm_host* host,
                                         osvm_unikernel_template** out_template) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(path);
    OSVM_REQUIRE(out_template);
    OSVM_TRY(auto saved, uk::instance_template::load(path, {.facts = host ? &host->facts : nullptr}));
    *out_template = new osvm_unikernel_template{std::move(saved)};
    return {};
  });
}

void osvm_unikernel_spawn_options_init(osvm_unikernel_spawn_options* options, uint32_t struct_size) {
  init_versioned(options, struct_size, default_spawn_options());
}

osvm_error* osvm_unikernel_template_spawn(osvm_runtime* runtime, const osvm_unikernel_template* from,
                                          const osvm_unikernel_spawn_options* options,
                                          osvm_unikernel_instance** out_instance) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(runtime);
    OSVM_REQUIRE(from);
    OSVM_REQUIRE(out_instance);
    OSVM_TRY(auto converted, spawn_options_of(options));
    auto shared = runtime->shared;
    OSVM_TRY(auto instance, from->saved.spawn(shared->get_executor(), std::move(converted)));
    *out_instance = new osvm_unikernel_instance{std::move(shared), std::move(instance)};
    return {};
  });
}

osvm_error* osvm_unikernel_instance_reset(osvm_unikernel_instance* instance, int64_t timeout_ms) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(instance);
    return instance->instance.reset(timeout_of(timeout_ms));
  });
}

void osvm_unikernel_template_info_init(osvm_unikernel_template_info* info, uint32_t struct_size) {
  init_versioned(info, struct_size, osvm_unikernel_template_info{});
}

osvm_error* osvm_unikernel_template_describe(const osvm_unikernel_template* from,
                                             osvm_unikernel_template_info* info) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(from);
    OSVM_REQUIRE(info);
    const uk::template_info known = from->saved.info();
    osvm_unikernel_template_info out{};
    out.threads = known.threads;
    out.memory_bytes = known.memory_bytes;
    out.descriptors = known.descriptors;
    return write_versioned(info, out, "osvm_unikernel_template_info");
  });
}

}  // extern "C"
