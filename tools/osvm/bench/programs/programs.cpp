#include "programs.hpp"

namespace osvm::cli::bench {

result<void> measure_programs(environment& env, report& out, const program_parts& parts, unsigned rounds) {
  const auto peers = parts.starts || parts.redis ? usable_sandboxes(env, out) : std::vector<sandbox>{};
  const auto part = [&](const char* name, bool wanted, auto measure) -> result<void> {
    if (!wanted) return {};
    if (const auto r = measure(); !r) out.fail(std::string(name) + ": " + r.error().to_string());
    return env.proceed();
  };
  OSVM_CHECK(part("starts", parts.starts, [&] { return measure_starts(env, out, peers, rounds); }));
  OSVM_CHECK(part("redis", parts.redis, [&] { return measure_redis(env, out, peers, rounds); }));
  OSVM_CHECK(part("web", parts.web, [&] { return measure_web(env, out, rounds); }));
  return part("work", parts.work, [&] { return measure_work(env, out, rounds); });
}

}  // namespace osvm::cli::bench
