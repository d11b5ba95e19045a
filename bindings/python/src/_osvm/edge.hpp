// The edge between Python and C++: results become values or exceptions, and nothing blocks while holding the
// GIL.
#pragma once

#include <osvm/core/error.hpp>
#include <osvm/core/runtime.hpp>
#include <osvm/images/run.hpp>

#include <pybind11/pybind11.h>

#include <chrono>
#include <future>
#include <memory>
#include <optional>

namespace osvm::python {

namespace py = pybind11;

// Shared by everything that runs on it, so that Python may drop its references in any order.
struct runtime_handle {
  std::shared_ptr<runtime> shared;
  unsigned threads = 1;
};

// Deleter for holders whose destructor joins threads.
template <class T>
struct delete_without_gil {
  void operator()(T* p) const {
    py::gil_scoped_release released;
    delete p;
  }
};
template <class T>
using holder = std::unique_ptr<T, delete_without_gil<T>>;

// The value, or an osvm::exception, which the translator in module.cpp turns into the matching osvm.Error.
template <class T>
T take(result<T>&& r) {
  if constexpr (std::is_void_v<T>) {
    r.value();
  } else {
    return std::move(r).value();
  }
}

// The value of `f`'s result, or its exception; `f` runs without the GIL.
template <class F>
auto without_gil(F&& f) {
  decltype(f()) r = errc::ok;
  {
    py::gil_scoped_release released;
    r = f();
  }
  return take(std::move(r));
}

using seconds = std::chrono::duration<double>;
// Python's seconds, bounded to a century so that they fit every clock; none: a century.
inline std::chrono::nanoseconds timeout_of(std::optional<double> s) {
  constexpr double century = 100.0 * 365 * 24 * 3600;
  if (s && !(*s >= 0)) throw exception(error(errc::invalid_argument, "a timeout must not be negative"));
  return std::chrono::duration_cast<std::chrono::nanoseconds>(seconds(s ? std::min(*s, century) : century));
}
inline std::chrono::milliseconds milliseconds_of(double s) {
  return std::chrono::ceil<std::chrono::milliseconds>(timeout_of(s));
}

// Blocks in slices, so that Ctrl-C raises KeyboardInterrupt soon: `step(slice)` runs without the GIL and
// returns something that is not empty when it is done. Empty when the time is up.
template <class F>
auto wait_interruptibly(std::chrono::nanoseconds timeout, F&& step) -> decltype(step(timeout)) {
  using clock = std::chrono::steady_clock;
  constexpr std::chrono::nanoseconds slice = std::chrono::milliseconds(100);
  const auto end = clock::now() + timeout;
  for (;;) {
    const auto left = std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(end - clock::now()));
    decltype(step(timeout)) done;
    {
      py::gil_scoped_release released;
      done = step(std::min(left, slice));
    }
    if (done || left <= slice) return done;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }
}

// Waits for an asynchronous operation; its result, or what it failed with.
template <class T>
T take(std::future<result<T>>&& pending) {
  wait_interruptibly(timeout_of(std::nullopt), [&](std::chrono::nanoseconds slice) -> std::optional<bool> {
    if (pending.wait_for(slice) == std::future_status::ready) return true;
    return std::nullopt;
  });
  return take(pending.get());
}

// An opened image. Instances that are started from the same object share its files' pages.
struct app_image {
  std::shared_ptr<const images::image_tree> tree;
  images::run_options how;
};

void bind_audit(py::module_& m);
void bind_images(py::module_& m);
void bind_ledger(py::module_& m);
void bind_unikernel(py::module_& m);
void bind_hotswap(py::module_& m);
void bind_gateway(py::module_& m);

}  // namespace osvm::python
