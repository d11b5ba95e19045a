#include "audit_vm.hpp"

#include <osvm/audit/reports.hpp>
#include <osvm/core/text.hpp>
#include <osvm/unikernel/instance.hpp>

#include <algorithm>
#include <filesystem>

#include "guest_programs.hpp"

namespace osvm::cli {
namespace {

namespace uk = unikernel;

constexpr std::size_t largest_output = 128u << 20;
constexpr std::chrono::minutes patience{10};

// Its last part names a crate that has no manifest, so it is kept where it is a plain name.
std::string guest_path(const std::filesystem::path& host) {
  const auto name = host.filename().string();
  const bool plain =
      !name.empty() && name.size() < 200 && name != "." && name != ".." &&
      std::all_of(name.begin(), name.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
      });
  return "/audited/" + (plain ? name : std::string("source"));
}

uk::instance_options described(const std::filesystem::path& host, const std::vector<std::string>& checks) {
  uk::instance_options out;
  out.name = "audit";
  const auto inside = guest_path(host);
  out.arguments = {"osvm-audit", inside};
  out.arguments.insert(out.arguments.end(), checks.begin(), checks.end());
  out.policy.mounts.push_back({.host_path = host.string(), .guest_path = inside});
  out.budgets.memory_bytes = std::uint64_t{2} << 30;
  out.budgets.threads = 8;
  out.budgets.processes = 1;
  out.budgets.wall_time = patience;
  // Thousands of small files and of small allocations: both cost exits, and the run is short.
  out.exitless = true;
  out.policy.environment = {
      "GLIBC_TUNABLES=glibc.malloc.top_pad=67108864:glibc.malloc.trim_threshold=1073741824:"
      "glibc.malloc.mmap_threshold=1073741824"};
  out.output = uk::stdio::capture(largest_output);
  out.error = uk::stdio::capture(64u << 10);
  return out;
}

}  // namespace

result<vm_audit> audit_in_vm(const std::string& path, const std::vector<std::string>& checks,
                             vm_audit_options how) {
  std::error_code e;
  const auto host = std::filesystem::canonical(path, e);
  if (e) return error(error_code(e.value(), boost::system::system_category()), printable(path));
  OSVM_TRY(const auto program, find_guest("osvm-audit"));
  OSVM_TRY(const auto image, uk::image::load(program));
  runtime threads({.threads = 1});
  auto options = described(host, checks);
  if (how.offchain) options.arguments.insert(options.arguments.begin() + 1, "--offchain");
  if (how.jail) {
    OSVM_TRY(const auto worker, find_worker());
    options.worker = uk::worker_options{.program = worker, .jail = true};
  }
  OSVM_TRY(auto guest, uk::instance::create(threads.get_executor(), image, std::move(options)));
  OSVM_TRY(const auto end, guest.wait(patience + std::chrono::seconds(10)));
  const auto said = guest.take_output(2);
  if (end.shell_status() != 0)
    return error(errc::closed, "the audit inside the VM ended without a report: " + end.describe() +
                                   (said.empty() ? "" : ": " + printable(said, 400)));
  vm_audit out;
  OSVM_TRY(out.report, audit::parse_report(guest.take_output(1)));
  out.report.root = path;
  out.isolation = guest.isolation_report();
  return out;
}

}  // namespace osvm::cli
