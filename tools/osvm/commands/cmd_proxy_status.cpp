#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "../context.hpp"
#include "../proxy_control.hpp"
#include "../values.hpp"

namespace osvm::cli {
namespace {

class proxy_status final : public invocation {
 public:
  void declare(option_set& o) override {
    o.value("control", "SOCKET", control_, "the control socket of the proxy");
    o.value("file,c", "FILE", file_, "the proxy's configuration, which names the socket");
  }
  int run(context& ctx) override {
    const auto answer = ask({{"verb", "status"}}, std::chrono::seconds(10));
    if (!answer) return ctx.fail(answer.error());
    if (ctx.json()) {
      ctx.print_json(*answer);
    } else {
      print(ctx, *answer);
    }
    return static_cast<int>(exit_code::done);
  }

 private:
  static std::string text(const boost::json::value& v) {
    return v.is_string() ? std::string(v.as_string()) : to_json_line(v);
  }
  static std::string condition(const boost::json::object& b) {
    if (b.at("weight").to_number<unsigned>() == 0) return "drained";
    for (const auto* what : {"down", "behind", "ejected"}) {
      if (b.at(what).as_bool()) return what;
    }
    return "ok";
  }
  static void print(const context& ctx, const boost::json::object& answer) {
    text_table listeners{{"LISTENER", "LISTEN", "CONNECTIONS", "REQUESTS", "ANSWERED", "FAILED"}};
    for (const auto& v : answer.at("listeners").as_array()) {
      const auto& l = v.as_object();
      listeners.push_back({text(l.at("name")), text(l.at("listen")), text(l.at("connections")),
                           text(l.at("requests")), text(l.at("answered")), text(l.at("failed"))});
    }
    ctx.print_table(listeners);
    text_table services{{"SERVICE", "ACTIVE", "NEXT", "STEP", "SHARE", "BACKEND", "CONDITION", "INFLIGHT",
                         "REQUESTS", "FAILURES"}};
    for (const auto& [name, v] : answer.at("services").as_object()) {
      const auto& s = v.as_object();
      for (const auto& bv : s.at("backends").as_array()) {
        const auto& b = bv.as_object();
        services.push_back({std::string(name), text(s.at("active")), text(s.at("next")), text(s.at("step")),
                            text(s.at("share")), text(b.at("where")), condition(b), text(b.at("inflight")),
                            text(b.at("requests")), text(b.at("failures"))});
      }
    }
    ctx.print("\n");
    ctx.print_table(services);
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

extern const command cmd_proxy_status_entry;
const command cmd_proxy_status_entry{
    .path = "proxy status",
    .summary = "listeners, services, releases and backends of a running proxy",
    .examples =
        "  osvm proxy status -c proxy.yaml\n  osvm proxy status --control /run/osvm/proxy.sock --json",
    .make = make_invocation<proxy_status>,
};

}  // namespace osvm::cli
