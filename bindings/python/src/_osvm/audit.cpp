// Audits of Solana programs; the JSON is taken apart in Python.
#include <osvm/audit/own_checks.hpp>
#include <osvm/audit/reports.hpp>

#include <pybind11/stl.h>

#include "edge.hpp"

namespace osvm::python {

void bind_audit(py::module_& m) {
  m.def(
      "audit",
      [](const std::string& path, std::vector<std::string> checks, unsigned threads,
         const std::string& own_checks) {
        return without_gil([&]() -> result<std::string> {
          if (threads < 1 || threads > 256) return error(errc::invalid_argument, "threads must be 1 to 256");
          audit::options how;
          how.threads = threads;
          how.only = std::move(checks);
          OSVM_TRY(auto report, audit::run(path, how));
          if (!own_checks.empty()) {
            OSVM_TRY(const auto own, audit::parse_own_checks(own_checks));
            OSVM_CHECK(audit::add_own_findings(report, own));
          }
          return audit::to_json(report);
        });
      },
      py::arg("path"), py::arg("checks"), py::arg("threads"), py::arg("own_checks"));
  m.def("audit_checks", [] { return audit::to_json(audit::checks()); });
}

}  // namespace osvm::python
