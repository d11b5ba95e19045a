// osvm.h: version, errors, strings, runtime, host facts.
#include "guard.hpp"
#include "handles.hpp"
#include "json.hpp"
#include "versioned.hpp"

#include <cstdlib>

namespace osvm::capi {
namespace {

static_assert(OSVM_ERROR_UNSUPPORTED == static_cast<int>(errc::unsupported));
static_assert(OSVM_ERROR_INVALID_ARGUMENT == static_cast<int>(errc::invalid_argument));
static_assert(OSVM_ERROR_LIMIT_EXCEEDED == static_cast<int>(errc::limit_exceeded));
static_assert(OSVM_ERROR_MALFORMED == static_cast<int>(errc::malformed));
static_assert(OSVM_ERROR_TRUNCATED == static_cast<int>(errc::truncated));
static_assert(OSVM_ERROR_TIMED_OUT == static_cast<int>(errc::timed_out));
static_assert(OSVM_ERROR_CANCELLED == static_cast<int>(errc::cancelled));
static_assert(OSVM_ERROR_NOT_FOUND == static_cast<int>(errc::not_found));
static_assert(OSVM_ERROR_DENIED == static_cast<int>(errc::denied));
static_assert(OSVM_ERROR_BUSY == static_cast<int>(errc::busy));
static_assert(OSVM_ERROR_CLOSED == static_cast<int>(errc::closed));
static_assert(OSVM_KVM_NO_DEVICE == static_cast<int>(kvm::errc::no_device));
static_assert(OSVM_KVM_NO_PERMISSION == static_cast<int>(kvm::errc::no_permission));
static_assert(OSVM_KVM_NOT_KVM == static_cast<int>(kvm::errc::not_kvm));
static_assert(OSVM_KVM_MISSING_FEATURE == static_cast<int>(kvm::errc::missing_feature));
static_assert(OSVM_KVM_PROBE_FAILED == static_cast<int>(kvm::errc::probe_failed));

// Short enough for the small-string buffer: making it allocates nothing.
osvm_error no_memory{"system", ENOMEM, "out of memory"};

osvm_error* new_error(std::string domain, int code, std::string message) noexcept {
  try {
    return new osvm_error{std::move(domain), code, std::move(message)};
  } catch (...) {
    return &no_memory;
  }
}

}  // namespace

osvm_error* out_of_memory() noexcept {
  return &no_memory;
}

osvm_error* make_error(const error& e) noexcept {
  try {
    return new_error(e.code.category().name(), e.code.value(), e.to_string());
  } catch (...) {
    return &no_memory;
  }
}

osvm_error* unexpected(const char* what) noexcept {
  try {
    return new_error("osvm.capi", 0, std::string("unexpected failure inside the library: ") + what);
  } catch (...) {
    return &no_memory;
  }
}

char* copy_string(std::string_view text) {
  auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (!copy) throw std::bad_alloc();
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return copy;
}

}  // namespace osvm::capi

using namespace osvm::capi;

extern "C" {

const char* osvm_version(void) {
  return OSVM_CAPI_VERSION;
}

const char* osvm_error_domain(const osvm_error* error) {
  return error ? error->domain.c_str() : "";
}
int32_t osvm_error_code(const osvm_error* error) {
  return error ? error->code : 0;
}
const char* osvm_error_message(const osvm_error* error) {
  return error ? error->message.c_str() : "";
}
void osvm_error_free(osvm_error* error) {
  if (error != &no_memory) delete error;
}

void osvm_string_free(char* string) {
  std::free(string);
}

void osvm_runtime_options_init(osvm_runtime_options* options, uint32_t struct_size) {
  init_versioned(options, struct_size, osvm_runtime_options{0, 1});
}

osvm_error* osvm_runtime_new(const osvm_runtime_options* options, osvm_runtime** out_runtime) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(out_runtime);
    OSVM_TRY(const auto o, read_versioned(options, osvm_runtime_options{0, 1}, "osvm_runtime_options"));
    if (o.threads < 1 || o.threads > 256) {
      return osvm::error(osvm::errc::invalid_argument, "osvm_runtime_options.threads must be 1 to 256");
    }
    auto shared = std::make_shared<osvm::runtime>(osvm::runtime_options{.threads = o.threads});
    *out_runtime = new osvm_runtime{std::move(shared), o.threads};
    return {};
  });
}

void osvm_runtime_free(osvm_runtime* runtime) {
  delete runtime;
}

osvm_error* osvm_host_probe(osvm_host** out_host) {
  return guard([&]() -> osvm::result<void> {
    OSVM_REQUIRE(out_host);
    OSVM_TRY(auto facts, osvm::kvm::probe_host());
    auto json = to_json(facts);
    *out_host = new osvm_host{std::move(facts), std::move(json)};
    return {};
  });
}

const char* osvm_host_json(const osvm_host* host) {
  return host ? host->json.c_str() : "";
}
void osvm_host_free(osvm_host* host) {
  delete host;
}

}  // extern "C"
