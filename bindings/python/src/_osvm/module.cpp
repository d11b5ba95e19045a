// The extension module osvm._osvm: a thin layer that the typed package `osvm` wraps. Values travel as dicts.
#include <osvm/kvm/host_facts.hpp>

#include "edge.hpp"

namespace osvm::python {
namespace {

// The one exception translator: the classes are Python's own, in osvm/errors.py.
void translate(std::exception_ptr p) {
  try {
    if (p) std::rethrow_exception(p);
  } catch (const exception& e) {
    const auto& code = e.get().code;
    const auto make = py::module_::import("osvm.errors").attr("from_parts");
    const py::object raised = make(code.category().name(), code.value(), e.get().to_string());
    PyErr_SetObject(py::type::handle_of(raised).ptr(), raised.ptr());
  }
}

py::dict facts_dict(const kvm::host_facts& f) {
  using namespace py::literals;
  return py::dict(
      "cpu"_a = f.cpu, "cores"_a = f.cores, "kernel"_a = f.kernel, "kvm_vendor"_a = f.kvm_vendor,
      "syscall_stub"_a = f.stub == kvm::syscall_stub::supervisor ? "supervisor" : "user",
      "sysret_works"_a = f.sysret_works, "cpl0_emulated"_a = f.cpl0_emulated, "huge_pages"_a = f.huge_pages,
      "msr_filter"_a = f.msr_filter, "readonly_slots"_a = f.readonly_slots, "sync_regs"_a = f.sync_regs,
      "tsc_direct"_a = f.tsc_direct, "smep"_a = f.smep, "smap"_a = f.smap, "fsgsbase"_a = f.fsgsbase,
      "phys_bits"_a = f.phys_bits, "max_vcpus"_a = f.max_vcpus, "tsc_khz"_a = f.tsc_khz,
      "exit_us"_a = f.exit_us, "first_exit_us"_a = f.first_exit_us, "probe_ms"_a = f.probe_ms);
}

void bind_core(py::module_& m) {
  py::class_<runtime_handle, holder<runtime_handle>>(m, "Runtime")
      .def(py::init([](unsigned threads) {
             if (threads < 1 || threads > 256) {
               throw exception(error(errc::invalid_argument, "threads must be 1 to 256"));
             }
             return holder<runtime_handle>(
                 new runtime_handle{std::make_shared<runtime>(runtime_options{.threads = threads}), threads});
           }),
           py::arg("threads"))
      .def_readonly("threads", &runtime_handle::threads)
      .def("close", [](runtime_handle& self) {
        auto last = std::move(self.shared);  // the threads end here unless somebody still runs on them
        py::gil_scoped_release released;
        last.reset();
      });

  py::class_<kvm::host_facts>(m, "HostFacts").def("as_dict", &facts_dict);
  m.def("probe_host", [] {
    result<kvm::host_facts> facts = errc::ok;
    {
      py::gil_scoped_release released;
      facts = kvm::probe_host();
    }
    return take(std::move(facts));
  });
}

}  // namespace
}  // namespace osvm::python

PYBIND11_MODULE(_osvm, m) {
  m.attr("version") = OSVM_PYTHON_VERSION;
  pybind11::register_exception_translator(&osvm::python::translate);
  osvm::python::bind_core(m);
  osvm::python::bind_audit(m);
  osvm::python::bind_images(m);
  osvm::python::bind_ledger(m);
  osvm::python::bind_unikernel(m);
  osvm::python::bind_hotswap(m);
  osvm::python::bind_gateway(m);
}
