#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "../context.hpp"
#include "../proxy_control.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class proxy_weight final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("SERVICE", service_, {}, "of the backend");
    o.word("BACKEND", backend_, {}, "as `osvm proxy status` shows it");
    o.word("WEIGHT", weight_, {}, "100 is what backends begin with, 0 gives it nothing new");
    o.value("control", "SOCKET", control_, "the control socket of the proxy");
    o.value("file,c", "FILE", file_, "the proxy's configuration, which names the socket");
  }
  int run(context& ctx) override {
    const auto weight = parse_count(weight_, 0, 1'000'000);
    if (!weight) return ctx.fail(weight.error(), exit_code::usage);
    const boost::json::object request{
        {"verb", "weight"}, {"service", service_}, {"backend", backend_}, {"weight", *weight}};
    const auto answer = ask(request, std::chrono::seconds(10));
    if (!answer) return ctx.fail(answer.error());
    if (ctx.json()) ctx.print_json(*answer);
    return static_cast<int>(exit_code::done);
  }

 private:
  result<boost::json::object> ask(const boost::json::object& request,
                                  std::chrono::milliseconds patience) const {
    OSVM_TRY(const auto path, proxy_control_path(control_, file_));
    return ask_proxy(path, request, patience);
  }
  std::string control_, file_, service_, backend_, weight_;
};

}  // namespace

extern const command cmd_proxy_weight_entry;
const command cmd_proxy_weight_entry{
    .path = "proxy weight",
    .summary = "change how much of its service a backend gets",
    .examples = "  osvm proxy weight web unix:/run/web-1.sock 50 -c proxy.yaml",
    .make = make_invocation<proxy_weight>,
};

}  // namespace osvm::cli
