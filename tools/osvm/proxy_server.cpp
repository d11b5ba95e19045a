#include "proxy_server.hpp"

#include "control_socket.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include <future>
#include <mutex>

namespace osvm::cli {
namespace {

namespace json = boost::json;
using namespace hotswap;

std::string text_of(const json::object& o, const char* key) {
  const auto* v = o.if_contains(key);
  return v && v->is_string() ? std::string(v->as_string()) : std::string();
}

// Waits for what a callback brings.
template <class T>
struct waiting {
  std::promise<result<T>> promise;
  std::future<result<T>> future = promise.get_future();
  auto handler() {
    return [p = std::make_shared<std::promise<result<T>>>(std::move(promise))](result<T> r) {
      p->set_value(std::move(r));
    };
  }
};

}  // namespace

json::object to_json(const shift_report& r) {
  json::object o{{"version", r.version},
                 {"state", to_string(r.state)},
                 {"replaced", r.replaced},
                 {"drained", r.drained},
                 {"cut", r.cut},
                 {"shift_us", static_cast<double>(r.shift.count()) / 1000},
                 {"total_ms", static_cast<double>(r.total.count()) / 1e6},
                 {"text", r.describe()}};
  if (r.state != release_state::active) {
    o["failed_at"] = to_string(r.failed_at);
    o["reason"] = r.reason;
  }
  return o;
}

// --- life ---

result<std::unique_ptr<proxy_server>> proxy_server::open(std::vector<executor> executors,
                                                         const std::string& file, gateway_config config,
                                                         std::function<void(const std::string&)> tell,
                                                         std::function<void()> handed_over, take_over* from) {
  std::unique_ptr<proxy_server> made(new proxy_server());
  auto* self = made.get();
  self->file_ = file;
  self->tell_ = std::move(tell);
  self->handed_over_ = std::move(handed_over);
  gateway_options options;
  if (from) {
    options.inherited = from->listeners();
    options.hold = true;
  }
  if (!config.access_log.empty()) {
    OSVM_TRY(self->log_, line_file::open(config.access_log));
    options.access_log = [log = self->log_](std::string_view lines) { log->write(lines); };
  }
  options.on_event = [tell = self->tell_](const std::string& service, const release_event& e) {
    tell(service + ": " + e.version + " is " + to_string(e.state) +
         (e.reason.empty() ? "" : ": " + e.reason));
  };
  self->control_path_ = config.control;
  const auto control = from ? config.control + ".next" : config.control;
  OSVM_TRY(auto opened, gateway::open(std::move(executors), std::move(config), std::move(options)));
  self->gateway_ = std::make_unique<gateway>(std::move(opened));
  if (!self->control_path_.empty()) {
    OSVM_TRY(self->control_, proxy_control::listen(
                                 control, [self](const json::object& r) { return self->answer(r); },
                                 [self](int client, int stop) { self->hand_over(client, stop); }));
  }
  return made;
}

result<void> proxy_server::begin() {
  struct count {
    std::mutex mutex;
    std::size_t left = 0;
    std::string wrong;
    std::promise<void> all;
  };
  auto c = std::make_shared<count>();
  c->left = gateway_->services().size();
  gateway_->begin([c](const std::string& service, const result<shift_report>& r) {
    std::lock_guard lock(c->mutex);
    if (!r) c->wrong = "service " + service + ": " + r.error().to_string();
    if (r && r->state != release_state::active) c->wrong = "service " + service + ": " + r->describe();
    if (--c->left == 0) c->all.set_value();
  });
  c->all.get_future().wait();
  if (!c->wrong.empty()) return error(osvm::errc::invalid_argument, c->wrong);
  return {};
}

result<void> proxy_server::reload() {
  OSVM_TRY(auto config, load_gateway_config(file_));
  if (log_) {
    OSVM_CHECK(log_->reopen());
  }
  return gateway_->reload(std::move(config));
}

// The control socket has the running proxy's place before that one is told to leave: somebody answers there
// at any time.
result<void> proxy_server::succeed(take_over& from) {
  gateway_->accept();
  OSVM_CHECK(control_->move_to(control_path_));
  OSVM_CHECK(from.done());
  gateway_->settle();
  return {};
}

void proxy_server::hand_over(int client, int stop) {
  if (!hand_over_to(client, stop, *gateway_)) return tell_("not handed over: this proxy goes on");
  control_->give_up_path();
  send_text(client, "done\n");
  tell_("handed over to a successor");
  handed_over_();
}

void proxy_server::leave(std::chrono::nanoseconds deadline) {
  auto done = std::make_shared<std::promise<std::uint64_t>>();
  gateway_->leave(deadline, [done](std::uint64_t left) { done->set_value(left); });
  if (const auto left = done->get_future().get(); left != 0)
    tell_(std::to_string(left) + (left == 1 ? " connection was" : " connections were") +
          " cut at the deadline");
  stop({});  // the time is used up
}

void proxy_server::stop(std::chrono::nanoseconds deadline) {
  auto done = std::make_shared<std::promise<void>>();
  gateway_->stop(deadline, [done] { done->set_value(); });
  done->get_future().wait();
}

// --- control ---

result<json::object> proxy_server::shift(const json::object& request) {
  waiting<shift_report> w;
  if (text_of(request, "verb") == "rollback") {
    gateway_->rollback(text_of(request, "service"), w.handler());
  } else {
    std::vector<endpoint> backends;
    for (const auto& b : request.at("backends").as_array()) {
      OSVM_TRY(auto where, parse_endpoint(b.as_string()));
      backends.push_back(std::move(where));
    }
    const auto version = text_of(request, "release");
    if (version.empty()) return error(osvm::errc::invalid_argument, "the release needs a name");
    gateway_->shift(text_of(request, "service"), version, backends, w.handler());
  }
  OSVM_TRY(const auto report, w.future.get());
  return to_json(report);
}

// Nothing new goes to the backend; waits for what is in flight there.
result<json::object> proxy_server::drain(const json::object& request) {
  const auto service = text_of(request, "service"), backend = text_of(request, "backend");
  const std::chrono::milliseconds deadline(request.at("wait_ms").to_number<int>());
  waiting<std::uint64_t> w;
  gateway_->drain(service, backend, deadline, w.handler());
  OSVM_TRY(const auto left, w.future.get());
  return json::object{{"drained", left == 0}, {"inflight", left}};
}

result<json::object> proxy_server::answer(const json::object& request) {
  const auto verb = text_of(request, "verb"), service = text_of(request, "service");
  if (verb == "status") return json::parse(status_json(*gateway_)).as_object();
  if (verb == "metrics") return json::object{{"text", gateway_->metrics()}};
  if (verb == "shift" || verb == "rollback") return shift(request);
  if (verb == "drain") return drain(request);
  if (verb == "weight") {
    OSVM_CHECK(gateway_->set_weight(service, text_of(request, "backend"),
                                    request.at("weight").to_number<unsigned>()));
    return json::object{{"done", true}};
  }
  if (verb == "reload") {
    OSVM_CHECK(reload());
    return json::object{{"done", true}};
  }
  for (const auto& [name, what] :
       {std::pair("pause", service_command::pause), std::pair("resume", service_command::resume),
        std::pair("abort", service_command::abort)}) {
    if (verb != name) continue;
    waiting<void> w;
    gateway_->command(service, what, w.handler());
    OSVM_CHECK(w.future.get());
    return json::object{{"done", true}};
  }
  return error(osvm::errc::invalid_argument, "an unknown verb");
}

}  // namespace osvm::cli
