#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "../context.hpp"
#include "../proxy_control.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class proxy_tell final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("SERVICE", service_, {}, "of the deployment (reload: any word)");
    o.word("WHAT", what_, {"pause", "resume", "abort", "reload"}, "what to do");
    o.value("control", "SOCKET", control_, "the control socket of the proxy");
    o.value("file,c", "FILE", file_, "the proxy's configuration, which names the socket");
  }
  int run(context& ctx) override {
    const boost::json::object request{{"verb", what_}, {"service", service_}};
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
  std::string control_, file_, service_, what_;
};

}  // namespace

extern const command cmd_proxy_tell_entry;
const command cmd_proxy_tell_entry{
    .path = "proxy tell",
    .summary = "pause, resume or abort the deployment of a service, or have the configuration read anew",
    .examples =
        "  osvm proxy tell web pause -c proxy.yaml\n  osvm proxy tell web abort -c proxy.yaml\n  osvm proxy "
        "tell all reload -c proxy.yaml",
    .make = make_invocation<proxy_tell>,
};

}  // namespace osvm::cli
