// Runs two releases of an HTTP server, each in its own virtual machine, behind one proxy; shifts from the
// first to the second and prints what the proxy did.
//
//   swap SERVER [PORT]      PORT is where the server listens inside its VM; default 8080
#include <osvm/core/runtime.hpp>
#include <osvm/hotswap/proxy.hpp>
#include <osvm/hotswap/release.hpp>
#include <osvm/unikernel/instance.hpp>

#include <boost/asio/use_future.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace uk = osvm::unikernel;
namespace hs = osvm::hotswap;
using namespace std::chrono_literals;

namespace {

struct running {
  uk::instance instance;
  osvm::endpoint where;
};

// Starts one release and waits until it listens.
osvm::result<running> start(osvm::executor ex, const uk::image& program, const std::string& release,
                            const std::string& socket_dir, std::uint32_t port) {
  uk::instance_options options;
  options.name = release;
  options.socket_dir = socket_dir;
  options.policy.environment = {"OSVM_RELEASE=" + release};
  options.policy.listen = {{uk::transport::tcp, port}};
  OSVM_TRY(auto instance, uk::instance::create(ex, program, std::move(options)));
  OSVM_TRY(auto where, instance.wait_listening({uk::transport::tcp, port}, 10s));
  return running{std::move(instance), std::move(where)};
}

osvm::result<void> swap(osvm::executor ex, const std::string& path, std::uint32_t port,
                        const std::string& dir) {
  OSVM_TRY(const auto program, uk::image::load(path));
  OSVM_TRY(auto v1, start(ex, program, "v1", dir, port));
  OSVM_TRY(auto v2, start(ex, program, "v2", dir, port));

  OSVM_TRY(auto front, hs::proxy::listen(ex, {}));  // 127.0.0.1, any free port
  std::printf("listening on %s\n", osvm::to_string(front.local_endpoint()).c_str());
  hs::service service(ex, front, hs::make_endpoint_source(ex));
  for (const auto* release : {&v1, &v2}) {
    hs::release_spec spec;
    spec.version = release == &v1 ? "v1" : "v2";
    spec.artifact = osvm::to_string(release->where);
    OSVM_TRY(const auto report, service.async_deploy(std::move(spec), boost::asio::use_future).get());
    std::printf("%s\n", report.describe().c_str());
    if (report.state != hs::release_state::active) return osvm::error(report.code, report.reason);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fprintf(stderr, "usage: swap SERVER [PORT]\n");
    return 2;
  }
  std::string dir = std::filesystem::temp_directory_path() / "osvm-swap-XXXXXX";
  if (!::mkdtemp(dir.data())) return 3;
  const auto port = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 8080;
  osvm::result<void> done;
  {
    osvm::runtime runtime;
    done = swap(runtime.get_executor(), argv[1], static_cast<std::uint32_t>(port), dir);
  }
  std::filesystem::remove_all(dir);
  if (!done) std::fprintf(stderr, "swap: %s\n", done.error().to_string().c_str());
  return done ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "swap: %s\n", e.what());
  return 1;
}
