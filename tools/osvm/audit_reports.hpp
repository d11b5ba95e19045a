// The reports of an audit as `osvm audit` gives them out.
#pragma once

#include <osvm/audit/audit.hpp>

#include <span>
#include <string_view>

namespace osvm::cli {

// Names that --format takes besides `human`.
std::span<const std::string_view> audit_formats() noexcept;

// The whole report. `template_file` is for the format "template". errc::not_found for a PDF without osvm-pdf.
result<std::string> audit_report_as(const audit::report& r, std::string_view format,
                                    const std::string& template_file);

// report.txt, .json, .sarif, .md, .html, .typ and .pdf below `folder`, which is made. Gives the names of
// those that could not be made with the reason.
result<std::vector<std::string>> write_audit_reports(const audit::report& r, const std::string& folder);

}  // namespace osvm::cli
