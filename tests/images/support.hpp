// Folders, keys and broken copies of images.
#pragma once

#include "images/digest.hpp"
#include "images/format.hpp"

#include <osvm/images/build.hpp>
#include <osvm/images/image_file.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace osvm::test {

namespace fs = std::filesystem;

class images_test : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/osvm-images-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir = name;
    fs::create_directories(dir + "/src/bin");
    fs::create_directories(dir + "/src/etc");
    write("src/bin/app", "the program");
    write("src/etc/one", "same");
    write("src/etc/two", "same");
    fs::create_symlink("one", dir + "/src/etc/link");
  }
  void TearDown() override { fs::remove_all(dir); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(dir + "/" + name, std::ios::binary) << text;
  }
  std::string read(const std::string& name) {
    std::ifstream in(dir + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  result<images::build_report> build(const std::string& source = "src",
                                     const std::string& manifest = "entry: /bin/app\n") {
    return images::build_image(
        {.source = dir + "/" + source, .output = dir + "/app.osvm", .manifest = manifest, .limits = {}});
  }
  void build_ok() {
    const auto made = build();
    ASSERT_TRUE(made) << made.error().to_string();
  }
  result<images::image_file> open() { return images::image_file::open(dir + "/app.osvm"); }
  // Runs a command for preparing inputs; its failure is the test's.
  void shell(const std::string& command) {
    ASSERT_EQ(std::system(("cd " + dir + " && " + command).c_str()), 0) << command;
  }
  std::string dir;
};

}  // namespace osvm::test
