#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "../context.hpp"
#include "../proxy_control.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class proxy_rollback final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("SERVICE", service_, {}, "whose release");
    o.value("control", "SOCKET", control_, "the control socket of the proxy");
    o.value("file,c", "FILE", file_, "the proxy's configuration, which names the socket");
  }
  int run(context& ctx) override {
    const boost::json::object request{{"verb", "rollback"}, {"service", service_}};
    const auto answer = ask(request, std::chrono::hours(24));
    if (!answer) return ctx.fail(answer.error());
    if (ctx.json()) {
      ctx.print_json(*answer);
    } else {
      ctx.print(std::string(answer->at("text").as_string()) + "\n");
    }
    // A deployment that was under way ends as rolled back: that is what was asked for.
    const auto state = answer->at("state").as_string();
    const bool done = state == "active" || state == "rolled_back";
    return static_cast<int>(done ? exit_code::done : exit_code::failed);
  }

 private:
  result<boost::json::object> ask(const boost::json::object& request,
                                  std::chrono::milliseconds patience) const {
    OSVM_TRY(const auto path, proxy_control_path(control_, file_));
    return ask_proxy(path, request, patience);
  }
  std::string control_, file_, service_;
};

}  // namespace

extern const command cmd_proxy_rollback_entry;
const command cmd_proxy_rollback_entry{
    .path = "proxy rollback",
    .summary = "put the release before back in its place",
    .examples = "  osvm proxy rollback web -c proxy.yaml",
    .make = make_invocation<proxy_rollback>,
};

}  // namespace osvm::cli
