#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "../context.hpp"
#include "../proxy_control.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class proxy_metrics final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("control", "SOCKET", control_, "the control socket of the proxy");
    o.value("file,c", "FILE", file_, "the proxy's configuration, which names the socket");
  }
  int run(context& ctx) override {
    const auto answer = ask({{"verb", "metrics"}}, std::chrono::seconds(10));
    if (!answer) return ctx.fail(answer.error());
    if (ctx.json()) {
      ctx.print_json(*answer);
    } else {
      ctx.print(std::string(answer->at("text").as_string()));
    }
    return static_cast<int>(exit_code::done);
  }

 private:
  result<boost::json::object> ask(const boost::json::object& request,
                                  std::chrono::milliseconds patience) const {
    OSVM_TRY(const auto path, proxy_control_path(control_, file_));
    return ask_proxy(path, request, patience);
  }
  std::string control_, file_;
};

}  // namespace

extern const command cmd_proxy_metrics_entry;
const command cmd_proxy_metrics_entry{
    .path = "proxy metrics",
    .summary = "counters of a running proxy as Prometheus text",
    .examples = "  osvm proxy metrics -c proxy.yaml",
    .make = make_invocation<proxy_metrics>,
};

}  // namespace osvm::cli
