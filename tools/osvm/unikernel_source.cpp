#include "unikernel_source.hpp"

#include <osvm/hotswap/release.hpp>

#include <boost/asio/post.hpp>
#include <optional>

namespace osvm::cli {
namespace {

using start_handler = boost::asio::any_completion_handler<void(result<std::shared_ptr<hotswap::lease>>)>;

class unikernel_lease final : public hotswap::lease {
 public:
  unikernel_lease(std::string v, unikernel::instance g) : version(std::move(v)), guest(std::move(g)) {}

  const endpoint& where() const noexcept override { return address; }
  void async_lost(boost::asio::any_completion_handler<void(std::string)> handler) override {
    guest.async_wait([h = std::move(handler)](result<unikernel::exit_report> ended) mutable {
      std::move(h)(ended ? ended->describe() : ended.error().to_string());
    });
  }

  const std::string version;
  unikernel::instance guest;
  endpoint address;
};

// One start on its way. The stop callback may fire on any thread until the start has completed.
struct start {
  struct kill {
    unikernel_lease* lease;
    void operator()() const noexcept { lease->guest.kill(); }
  };
  std::shared_ptr<unikernel_lease> lease;
  start_handler handler;
  std::optional<std::stop_callback<kill>> on_stop;
};

}  // namespace

result<unikernel::image> unikernel_source::load(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (const auto known = images_.find(path); known != images_.end()) return known->second;
  OSVM_TRY(auto image, unikernel::image::load(path));
  return images_.emplace(path, std::move(image)).first->second;
}

result<unikernel::instance> unikernel_source::create(const std::string& version, const std::string& path,
                                                     const unikernel_release& release) {
  OSVM_TRY(const auto image, load(path));
  unikernel::instance_options options;
  options.arguments = release.arguments;
  options.budgets = release.budgets;
  options.policy.mounts = release.mounts;
  options.policy.listen = {options_.listens};
  options.socket_dir = options_.socket_dir;
  options.facts = &options_.facts;
  {
    const std::lock_guard lock(mutex_);
    options.name = version + "-" + std::to_string(++started_);
  }
  return unikernel::instance::create(ex_, image, std::move(options));
}

void unikernel_source::record(const std::string& version, const unikernel::instance& guest,
                              const unikernel::exit_report& ended) {
  instance_record entry{version, guest.isolation_report(), guest.stats(), ended};
  const std::lock_guard lock(mutex_);
  records_.push_back(std::move(entry));
}

std::vector<instance_record> unikernel_source::records() const {
  const std::lock_guard lock(mutex_);
  return records_;
}

void unikernel_source::async_start(const hotswap::release_spec& spec, std::stop_token stop,
                                   start_handler handler) {
  const auto* release = std::any_cast<unikernel_release>(&spec.source_data);
  boost::asio::post(ex_, [self = shared_from_this(), version = spec.version, path = spec.artifact,
                          release = release == nullptr ? unikernel_release{} : *release,
                          stop = std::move(stop), handler = std::move(handler)]() mutable {
    auto guest = self->create(version, path, release);
    if (!guest) return std::move(handler)(std::move(guest).error());
    auto s = std::make_shared<start>();
    s->lease = std::make_shared<unikernel_lease>(version, std::move(*guest));
    s->handler.swap(handler);  // Boost 1.81: move assignment wraps the handler into itself
    s->on_stop.emplace(stop, start::kill{s->lease.get()});
    s->lease->guest.async_listening(self->options_.listens, [self, s](result<endpoint> where) {
      s->on_stop.reset();
      if (where) {
        s->lease->address = *where;
        return std::move(s->handler)(std::shared_ptr<hotswap::lease>(s->lease));
      }
      // It ended before it listened: how it ended is what people want to know.
      s->lease->guest.kill();
      s->lease->guest.async_wait(
          [self, s, failure = where.error()](result<unikernel::exit_report> ended) mutable {
            if (ended) {
              self->record(s->lease->version, s->lease->guest, *ended);
              failure = error(hotswap::errc::instance_lost, ended->describe());
            }
            std::move(s->handler)(std::move(failure));
          });
    });
  });
}

void unikernel_source::async_stop(std::shared_ptr<hotswap::lease> which, std::chrono::nanoseconds,
                                  boost::asio::any_completion_handler<void(result<void>)> handler) {
  auto lease = std::static_pointer_cast<unikernel_lease>(std::move(which));
  // The engine has drained it: nothing is lost by ending it at once, so the deadline is not needed.
  lease->guest.kill();
  auto& guest = lease->guest;
  guest.async_wait([self = shared_from_this(), lease = std::move(lease),
                    handler = std::move(handler)](result<unikernel::exit_report> ended) mutable {
    if (!ended) return std::move(handler)(std::move(ended).error());
    self->record(lease->version, lease->guest, *ended);
    std::move(handler)(result<void>());
  });
}

}  // namespace osvm::cli
