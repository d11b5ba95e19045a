#include "cluster.hpp"

#include <osvm/core/config.hpp>
#include <osvm/core/text.hpp>
#include <osvm/vsock/connect.hpp>

#include <boost/json/parse.hpp>

#include <array>
#include <cstdlib>
#include <filesystem>

#include "private_dir.hpp"

namespace osvm::cli {
namespace {

struct moniker {
  std::string_view letter, name, url;
};
constexpr std::array<moniker, 4> monikers = {{
    {"m", "mainnet-beta", "https://api.mainnet-beta.solana.com"},
    {"t", "testnet", "https://api.testnet.solana.com"},
    {"d", "devnet", "https://api.devnet.solana.com"},
    {"l", "localhost", "http://127.0.0.1:8899"},
}};

std::string home() {
  const char* text = std::getenv("HOME");
  return text ? text : "";
}

// What the Solana CLI is configured to; fields are empty where it says nothing.
struct solana_config {
  std::string url, keypair;
};
result<solana_config> read_solana_config() {
  solana_config out;
  const auto folder = home();
  const auto path = folder + "/.config/solana/cli/config.yml";
  std::error_code ignored;
  if (folder.empty() || !std::filesystem::exists(path, ignored)) return out;
  OSVM_TRY(const auto document, load_config(path));
  OSVM_TRY(auto map, config_map::of(document));
  OSVM_CHECK(map.get("json_rpc_url", out.url));
  OSVM_CHECK(map.get("keypair_path", out.keypair));
  return out;
}

// The hybrid socket of a running instance by its name: NAME.vsock in one of our folders of sockets, where
// `osvm run` lays it unless --socket-dir says otherwise.
result<std::string> instance_socket(const std::string& name) {
  std::vector<std::string> found;
  OSVM_TRY(const auto folders, private_dir::living());
  for (const auto& folder : folders) {
    auto path = folder + "/" + name + ".vsock";
    std::error_code ignored;
    if (std::filesystem::is_socket(path, ignored)) found.push_back(std::move(path));
  }
  if (found.size() == 1) return found[0];
  const auto what = "vsock://" + printable(name) + ": ";
  if (found.empty())
    return error(errc::not_found, what + "no instance of this name runs with a vsock port below " +
                                      private_dir::base() + " (elsewhere: the path of its hybrid socket)");
  return error(errc::invalid_argument,
               what + "several instances have this name: " + found[0] + ", " + found[1]);
}

// "INSTANCE:PORT", or "PATH:PORT" with the path of a hybrid socket.
result<rpc_place> vsock_place(std::string_view text) {
  const auto colon = text.rfind(':');
  std::string name(text.substr(0, colon));
  const bool path = text.starts_with('/');
  if (colon == std::string_view::npos || name.empty() || (!path && name.find('/') != std::string::npos))
    return error(errc::invalid_argument,
                 "vsock:// wants an instance's name, or the path of its hybrid socket, and a port: "
                 "vsock://guest:8899, vsock:///run/vm.sock:8899");
  if (!path) {
    OSVM_TRY(name, instance_socket(name));
  }
  OSVM_TRY(const auto where, parse_endpoint("hybrid:" + name + std::string(text.substr(colon))));
  rpc_place out;
  out.port = std::get<hybrid_endpoint>(where);
  OSVM_TRY(out.where, net::parse_url("http://localhost/"));
  out.dial = [where](executor ex, std::chrono::milliseconds within, net::dial_handler done) {
    vsock::async_connect_endpoint(std::move(ex), where, within, std::move(done));
  };
  return out;
}

}  // namespace

namespace {

// What may be shown of an address that is refused: neither its path nor its query, nor a user's name and
// password, which hold keys.
std::string shown(std::string_view text) {
  const auto scheme = text.find("://");
  const auto start = scheme == std::string_view::npos ? 0 : scheme + 3;
  auto end = text.find_first_of("/?#", start);
  if (start == 0 && text.starts_with('/')) end = std::string_view::npos;  // a path, not an address
  const auto authority = text.substr(start, end == std::string_view::npos ? end : end - start);
  const auto user = authority.rfind('@');
  const auto host = user == std::string_view::npos ? authority : authority.substr(user + 1);
  return printable(std::string(text.substr(0, start)) + std::string(host));
}

}  // namespace

result<rpc_place> parse_rpc_place(std::string_view text) {
  for (const auto& m : monikers)
    if (text == m.letter || text == m.name) text = m.url;
  if (text.starts_with("vsock://")) return vsock_place(text.substr(8));
  auto where = net::parse_url(text);
  if (!where || where->websocket)
    return error(
        errc::invalid_argument,
        "'" + shown(text) + "' is no node: http(s)://HOST, unix:PATH, vsock://INSTANCE:PORT, or m, t, d, l");
  return rpc_place{std::move(*where)};
}

void cluster_options::declare(option_set& o) {
  o.value("url,u", "URL|m|t|d|l", url,
          "the node to ask; m, t, d, l: mainnet-beta, testnet, devnet, localhost");
  o.value("ca", "FILE", authorities, "certificates (PEM) to trust beside the system's");
}

bool cluster_options::named(const context& ctx) const {
  return !url.empty() || !ctx.url().empty();
}

result<rpc_place> find_cluster(const context& ctx, const cluster_options& options) {
  if (!options.url.empty()) return parse_rpc_place(options.url);
  if (!ctx.url().empty()) return parse_rpc_place(ctx.url());
  OSVM_TRY(const auto solana, read_solana_config());
  if (!solana.url.empty()) return parse_rpc_place(solana.url);
  return error(errc::invalid_argument,
               "no node is named: -u URL (or m, t, d, l), or `url:` in the configuration");
}

void upstream_options::declare(option_set& o) {
  o.value("upstream", "URL|m|t|d|l", url,
          "the node that answers what the ledger cannot, such as sendTransaction");
  o.value("upstream-ws", "URL", socket_url, "where its subscriptions are (the same place by ws://)");
  o.value("upstream-ca", "FILE", authorities, "certificates (PEM) to trust for it beside the system's");
}

result<std::shared_ptr<ledger::rpc_upstream>> open_upstream(executor ex, const upstream_options& options) {
  OSVM_TRY(auto place, parse_rpc_place(options.url));
  ledger::rpc_upstream_options how;
  if (!options.socket_url.empty()) {
    OSVM_TRY(how.socket_url, net::parse_url(options.socket_url));
  }
  auto& dial = how.client.http.dial;
  dial.dial = std::move(place.dial);
  if (!options.authorities.empty()) {
    OSVM_TRY(dial.tls, net::tls_client::make({.authority_files = {options.authorities}}));
  }
  how.socket.dial = dial;
  return ledger::make_rpc_upstream(std::move(ex), std::move(place.where), std::move(how));
}

namespace {

// A guest's own 127.0.0.1 is not the host's, nor is its localhost: what is named so gets a name there. Other
// names of the loopback are left: the sandbox gives those an address of their own.
bool needs_name(const std::string& host) {
  return host.find(':') != std::string::npos || host.find_first_not_of("0123456789.") == std::string::npos ||
         host == "localhost" || host == "localhost.";
}

// The guest asks for the port itself, at that VM's socket.
result<> grant_port(const hybrid_endpoint& at, guest_upstream& out) {
  const std::string name = "/upstream.sock";
  std::error_code failed;
  const auto path = std::filesystem::absolute(at.path, failed).string();
  if (failed) return error(failed, "--upstream");
  OSVM_TRY(auto grant, unikernel::parse_connect_grant("unix:" + path + "=" + name));
  out.connect.push_back(std::move(grant));
  out.arguments = {"--upstream", "vsock://" + name + ":" + std::to_string(at.port)};
  return {};
}

// What the guest calls the place, with the grant to go there.
result<std::string> grant_url(const net::url& at, const std::string& name, guest_upstream& out) {
  if (!at.unix_path.empty()) {
    OSVM_TRY(auto grant, unikernel::parse_connect_grant("unix:" + at.unix_path + "=" + name + ":80"));
    out.connect.push_back(std::move(grant));
    return "http://" + name + "/";
  }
  auto seen = at;
  if (needs_name(at.host)) {
    if (at.tls)
      return error(errc::unsupported,
                   "a VM reaches an https:// upstream by its name, not by its address or as localhost");
    seen.host = name;
  }
  out.connect.push_back({.host = at.host, .port = at.port, .guest_name = seen.host == at.host ? "" : name});
  return seen.origin() + at.target;
}

std::string first_that_exists(std::initializer_list<const char*> paths) {
  std::error_code ignored;
  for (const char* p : paths)
    if (std::filesystem::exists(p, ignored)) return p;
  return {};
}

result<> show_authorities(const std::string& file, const std::string& name, guest_upstream& out) {
  std::error_code failed;
  const auto path = std::filesystem::canonical(file, failed).string();
  if (failed) return error(failed, "--upstream-ca");
  out.mounts.push_back({.host_path = path, .guest_path = name});
  out.arguments.insert(out.arguments.end(), {"--upstream-ca", name});
  return {};
}

}  // namespace

result<guest_upstream> upstream_for_guest(const upstream_options& options) {
  OSVM_TRY(const auto place, parse_rpc_place(options.url));
  guest_upstream out;
  if (place.dial) {
    OSVM_CHECK(grant_port(place.port, out));
  } else {
    OSVM_TRY(const auto url, grant_url(place.where, "upstream.osvm", out));
    out.arguments = {"--upstream", url};
  }
  bool tls = place.where.tls;
  if (!options.socket_url.empty()) {
    OSVM_TRY(const auto socket, net::parse_url(options.socket_url));
    OSVM_TRY(const auto socket_url, grant_url(socket, "upstream-ws.osvm", out));
    out.arguments.insert(out.arguments.end(), {"--upstream-ws", socket_url});
    tls = tls || socket.tls;
  }
  if (!tls) return out;
  const auto system = first_that_exists({"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"});
  if (system.empty() && options.authorities.empty())
    return error(errc::not_found, "no file of certificate authorities: name one by --upstream-ca");
  if (!system.empty()) OSVM_CHECK(show_authorities(system, "/system-ca.pem", out));
  if (!options.authorities.empty())
    OSVM_CHECK(show_authorities(options.authorities, "/upstream-ca.pem", out));
  return out;
}

result<std::string> find_keypair(const context& ctx, const std::string& option) {
  if (!option.empty()) return option;
  if (!ctx.keypair().empty()) return ctx.keypair();
  OSVM_TRY(const auto solana, read_solana_config());
  if (!solana.keypair.empty()) return solana.keypair;
  return error(errc::invalid_argument, "no key is named: --keypair FILE, or `keypair:` in the configuration");
}

result<std::unique_ptr<rpc_source>> rpc_source::open(const context& ctx, const cluster_options& options) {
  OSVM_TRY(auto place, find_cluster(ctx, options));
  solana::rpc_client_options how;
  how.http.dial.dial = std::move(place.dial);
  if (!options.authorities.empty()) {
    OSVM_TRY(how.http.dial.tls, net::tls_client::make({.authority_files = {options.authorities}}));
  }
  std::unique_ptr<rpc_source> out(new rpc_source);
  out->client_ =
      std::make_unique<solana::rpc_client>(out->loop_.get_executor(), std::move(place.where), std::move(how));
  ctx.detail("asking " + out->name());
  return out;
}

result<std::string> rpc_source::call(const std::string& method, const std::string& params) {
  auto answer = client_->call({.method = method, .params = params});
  if (!answer) return std::move(answer).error().error;
  return std::move(*answer);
}

result<boost::json::value> rpc_source::ask(const std::string& method, const std::string& params) {
  OSVM_TRY(const auto text, call(method, params));
  error_code failed;
  auto out = boost::json::parse(text, failed);
  if (failed) return error(solana::rpc_errc::bad_answer, method);
  return out;
}

}  // namespace osvm::cli
