#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "../context.hpp"
#include "../proxy_control.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class proxy_shift final : public invocation {
 public:
  void declare(option_set& o) override {
    o.word("SERVICE", service_, {}, "whose release");
    o.value("release", "NAME", release_, "what the new release is called");
    o.values("backend", "ENDPOINT", backends_, "where it answers; may be given several times");
    o.value("control", "SOCKET", control_, "the control socket of the proxy");
    o.value("file,c", "FILE", file_, "the proxy's configuration, which names the socket");
  }
  int run(context& ctx) override {
    if (release_.empty() || backends_.empty()) {
      return ctx.fail(error(errc::invalid_argument, "--release and --backend are needed"), exit_code::usage);
    }
    boost::json::array backends(backends_.begin(), backends_.end());
    const boost::json::object request{
        {"verb", "shift"}, {"service", service_}, {"release", release_}, {"backends", std::move(backends)}};
    const auto answer = ask(request, std::chrono::hours(24));
    if (!answer) return ctx.fail(answer.error());
    if (ctx.json()) {
      ctx.print_json(*answer);
    } else {
      ctx.print(std::string(answer->at("text").as_string()) + "\n");
    }
    const bool done = answer->at("state").as_string() == "active";
    return static_cast<int>(done ? exit_code::done : exit_code::failed);
  }

 private:
  result<boost::json::object> ask(const boost::json::object& request,
                                  std::chrono::milliseconds patience) const {
    OSVM_TRY(const auto path, proxy_control_path(control_, file_));
    return ask_proxy(path, request, patience);
  }
  std::string control_, file_, service_, release_;
  std::vector<std::string> backends_;
};

}  // namespace

extern const command cmd_proxy_shift_entry;
const command cmd_proxy_shift_entry{
    .path = "proxy shift",
    .summary = "put another release in the place of the active one",
    .examples =
        "  osvm proxy shift web --release v2 --backend unix:/run/web-v2.sock -c proxy.yaml\n  osvm proxy "
        "shift web --release v2 --backend 10.0.0.1:80 --backend 10.0.0.2:80 -c proxy.yaml",
    .make = make_invocation<proxy_shift>,
};

}  // namespace osvm::cli
