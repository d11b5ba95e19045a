#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "../context.hpp"
#include "../proxy_control.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class proxy_drain final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("SERVICE", service_, {}, "of the backend");
    o.word("BACKEND", backend_, {}, "as `osvm proxy status` shows it");
    o.value("timeout", "TIME", timeout_, "how long to wait");
    o.value("control", "SOCKET", control_, "the control socket of the proxy");
    o.value("file,c", "FILE", file_, "the proxy's configuration, which names the socket");
  }
  int run(context& ctx) override {
    const auto timeout = parse_duration(timeout_);
    if (!timeout) return ctx.fail(timeout.error(), exit_code::usage);
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(*timeout);
    const auto answer = ask({{"verb", "drain"},
                             {"service", service_},
                             {"backend", backend_},
                             {"wait_ms", static_cast<int>(std::min<std::int64_t>(ms.count(), 86'400'000))}},
                            ms + std::chrono::seconds(10));
    if (!answer) return ctx.fail(answer.error());
    const bool drained = answer->at("drained").as_bool();
    if (ctx.json()) ctx.print_json(*answer);
    if (!drained) ctx.note("still in flight there: " + to_json_line(answer->at("inflight")));
    return static_cast<int>(drained ? exit_code::done : exit_code::failed);
  }

 private:
  result<boost::json::object> ask(const boost::json::object& request,
                                  std::chrono::milliseconds patience) const {
    OSVM_TRY(const auto path, proxy_control_path(control_, file_));
    return ask_proxy(path, request, patience);
  }
  std::string control_, file_, service_, backend_, timeout_ = "30s";
};

}  // namespace

extern const command cmd_proxy_drain_entry;
const command cmd_proxy_drain_entry{
    .path = "proxy drain",
    .summary = "give a backend nothing new and wait until it has ended what it does",
    .examples =
        "  osvm proxy drain web unix:/run/web-1.sock -c proxy.yaml\n  osvm proxy weight web "
        "unix:/run/web-1.sock 100 -c proxy.yaml   # and back",
    .make = make_invocation<proxy_drain>,
};

}  // namespace osvm::cli
