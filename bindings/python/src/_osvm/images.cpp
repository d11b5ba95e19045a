// Application images: making, signing and opening them. Running one is in unikernel.cpp.
#include <osvm/images/build.hpp>

#include "edge.hpp"

#include <pybind11/stl.h>

#include <string>

namespace osvm::python {
namespace {

using namespace py::literals;

app_image open_image(const std::string& path, const std::optional<std::string>& key, bool verify_first,
                     bool own_budgets, std::vector<std::string> mounts) {
  auto tree = without_gil([&]() -> result<std::shared_ptr<const images::image_tree>> {
    OSVM_TRY(auto image, images::image_file::open(path));
    if (key) OSVM_CHECK(image.verify_signature(*key));
    return images::image_tree::create(std::move(image));
  });
  return {std::move(tree), {std::move(mounts), verify_first, own_budgets}};
}

std::string build(const std::string& source, const std::string& output, const std::string& manifest) {
  return without_gil([&]() -> result<std::string> {
    OSVM_TRY(const auto made,
             images::build_image({.source = source, .output = output, .manifest = manifest, .limits = {}}));
    return images::to_hex(made.id);
  });
}

}  // namespace

void bind_images(py::module_& m) {
  py::class_<app_image>(m, "AppImage")
      .def_static("open", &open_image, "path"_a, "key"_a, "verify_first"_a, "own_budgets"_a, "mounts"_a)
      .def_property_readonly("id", [](const app_image& i) { return images::to_hex(i.tree->image().id()); })
      .def_property_readonly("manifest",
                             [](const app_image& i) { return std::string(i.tree->image().manifest_text()); })
      .def("verify", [](const app_image& i) {
        without_gil([&]() -> result<bool> {
          OSVM_CHECK(i.tree->image().verify());
          return true;
        });
      });
  m.def("build_image", &build, "source"_a, "output"_a, "manifest"_a);
  m.def("sign_image", [](const std::string& path, const std::string& key) {
    without_gil([&]() -> result<bool> {
      OSVM_CHECK(images::sign_image(path, key));
      return true;
    });
  });
}

}  // namespace osvm::python
