#include "audit_reports.hpp"

#include <osvm/audit/reports.hpp>
#include <osvm/core/text.hpp>
#include <osvm/core/unique_fd.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "child_process.hpp"
#include "guest_programs.hpp"

namespace osvm::cli {
namespace {

constexpr std::size_t largest_pdf = 256u << 20;
constexpr std::size_t largest_template = 1u << 20;

result<unique_fd> in_memory(std::string_view text) {
  unique_fd fd(::memfd_create("osvm-report", MFD_CLOEXEC));
  if (!fd) return errno_error("memory for a report");
  for (std::size_t at = 0; at < text.size();) {
    const auto n = ::write(fd.get(), text.data() + at, text.size() - at);
    if (n <= 0) return errno_error("memory for a report");
    at += static_cast<std::size_t>(n);
  }
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) return errno_error("memory for a report");
  return fd;
}

result<std::string> as_pdf(const audit::report& r) {
  auto program = find_helper("osvm-pdf");
  if (!program)
    return error(errc::not_found, "this build has no osvm-pdf (it needs pango): " + program.error().context);
  OSVM_TRY(auto pages, in_memory(audit::to_pages(r, OSVM_VERSION)));
  child_options options;
  options.input = std::move(pages);
  OSVM_TRY(auto child, child_process::start({*program}, std::move(options)));
  return child.finish(largest_pdf);
}

result<std::string> by_template_file(const audit::report& r, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return errno_error(printable(path));
  std::string text(largest_template + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return audit::by_template(r, OSVM_VERSION, text, audit::kind_of_template(path));
}

}  // namespace

std::span<const std::string_view> audit_formats() noexcept {
  static constexpr std::string_view names[] = {"json", "sarif", "markdown", "html", "pdf", "typst"};
  return names;
}

result<std::string> audit_report_as(const audit::report& r, std::string_view format,
                                    const std::string& template_file) {
  if (!template_file.empty()) return by_template_file(r, template_file);
  if (format == "json") return audit::to_json(r) + "\n";
  if (format == "sarif") return audit::to_sarif(r, OSVM_VERSION) + "\n";
  if (format == "markdown") return audit::to_markdown(r, OSVM_VERSION);
  if (format == "html") return audit::to_html(r, OSVM_VERSION);
  if (format == "typst") return audit::to_typst(r, OSVM_VERSION);
  if (format == "pdf") return as_pdf(r);
  return audit::to_text(r, {.suppressed = true});
}

result<std::vector<std::string>> write_audit_reports(const audit::report& r, const std::string& folder) {
  std::error_code e;
  std::filesystem::create_directories(folder, e);
  if (e) return error(error_code(e.value(), boost::system::system_category()), printable(folder));
  static constexpr std::pair<const char*, const char*> files[] = {
      {"report.txt", "text"},  {"report.json", "json"}, {"report.sarif", "sarif"}, {"report.md", "markdown"},
      {"report.html", "html"}, {"report.typ", "typst"}, {"report.pdf", "pdf"}};
  std::vector<std::string> left_out;
  for (const auto& [name, format] : files) {
    const auto text = audit_report_as(r, format, {});
    if (!text) {
      left_out.push_back(std::string(name) + ": " + text.error().to_string());
      continue;
    }
    const auto path = std::filesystem::path(folder) / name;
    std::ofstream file(path, std::ios::binary);
    file << *text;
    if (!file.flush()) return errno_error(printable(path.string()));
  }
  return left_out;
}

}  // namespace osvm::cli
