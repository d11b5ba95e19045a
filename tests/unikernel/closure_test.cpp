// Which files a dynamic program is granted unasked, and which a hostile one is not. Linked against the test
// variant of the library: each refusal has its control, the same program with exactly that rule off.
#include "unikernel/elf/closure.hpp"
#include "unikernel/dynamic_builder.hpp"
#include "unikernel/elf/library_cache.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace {

using namespace osvm;
using namespace osvm::unikernel;
using osvm::test::dynamic_builder;

constexpr const char* loader = "/lib64/ld-linux-x86-64.so.2";

class closure : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/osvm-closure-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir = name;
    std::filesystem::create_directories(dir + "/bin");
    std::filesystem::create_directories(dir + "/elsewhere");
    dynamic_builder{}.write(dir + "/elsewhere/libsecret.so");
    std::ofstream(dir + "/elsewhere/key") << "secret";
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  image_info program(const dynamic_builder& b) {
    b.write(dir + "/bin/program");
    return image::load(dir + "/bin/program").value().info();
  }
  std::string dir;
};

bool grants(const open_closure& c, const std::string& host_path) {
  return std::any_of(c.files.begin(), c.files.end(),
                     [&](const auto& f) { return f.grant.host_path == host_path; });
}
bool names(const open_closure& c, const std::string& text) {
  return std::any_of(c.refused.begin(), c.refused.end(), [&](const auto& r) { return r.name == text; });
}

TEST_F(closure, of_a_program_of_the_distribution_is_what_its_loader_lists) {
  const auto c = open_libraries(image::load("/usr/bin/bash").value().info(), {});
  ASSERT_TRUE(c) << c.error().to_string();
  EXPECT_TRUE(c->refused.empty());
  std::vector<std::string> guest_paths;
  for (const auto& f : c->files) guest_paths.push_back(f.grant.guest_path);
  ASSERT_GE(guest_paths.size(), 4u);
  EXPECT_EQ(guest_paths[0], "/usr/bin/bash");
  EXPECT_EQ(guest_paths[1], loader);
  for (const char* path : {"/lib/x86_64-linux-gnu/libtinfo.so.6", "/lib/x86_64-linux-gnu/libc.so.6"}) {
    EXPECT_TRUE(std::count(guest_paths.begin(), guest_paths.end(), path)) << path;
  }
  const auto cache = elf::parse_library_cache(as_bytes(c->loader_cache));
  EXPECT_EQ(cache.paths.size(), guest_paths.size() - 2);
  EXPECT_EQ(cache.paths.at("libc.so.6"), "/lib/x86_64-linux-gnu/libc.so.6");
}

TEST_F(closure, a_static_program_needs_only_itself) {
  const auto c = open_libraries(program({}), {});
  ASSERT_TRUE(c);
  EXPECT_EQ(c->files.size(), 1u);
  EXPECT_TRUE(c->loader_cache.empty());
}

TEST_F(closure, libraries_beside_the_program_and_their_libraries_are_granted) {
  dynamic_builder{.soname = "libb.so", .needed = {"liba.so", "libb.so"}}.write(
      dir + "/bin/libb.so");  // and a cycle
  dynamic_builder{.runpath = "$ORIGIN", .needed = {"libb.so"}}.write(dir + "/bin/liba.so");
  const auto c = open_libraries(
      program({.interpreter = loader, .runpath = "${ORIGIN}", .needed = {"liba.so", "libc.so.6"}}), {});
  ASSERT_TRUE(c) << c.error().to_string();
  EXPECT_TRUE(grants(*c, dir + "/bin/liba.so"));
  EXPECT_TRUE(grants(*c, dir + "/bin/libb.so"));
  EXPECT_TRUE(c->refused.empty());
  EXPECT_EQ(c->files.size(), 5u) << "program, loader, liba, libc, libb";
}

// PREFIX/bin/program and PREFIX/lib, as packages outside of /usr are laid out.
TEST_F(closure, libraries_of_the_programs_own_package_are_granted) {
  const std::string folder = dir + "/lib/deep", library = folder + "/libmine.so";
  std::filesystem::create_directories(folder);
  dynamic_builder{}.write(library);
  ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
  ASSERT_EQ(::chmod(library.c_str(), 0644), 0);
  const dynamic_builder b{.interpreter = loader, .runpath = "$ORIGIN/../lib/deep", .needed = {"libmine.so"}};
  const auto c = open_libraries(program(b), {});
  ASSERT_TRUE(c) << c.error().to_string();
  EXPECT_TRUE(grants(*c, library));
  EXPECT_TRUE(std::any_of(c->files.begin(), c->files.end(), [&](const auto& f) {
    return f.grant.guest_path == library;
  })) << "without the \"..\"";

  const auto refused = [&](const char* why) {
    const auto after = open_libraries(program(b), {});
    ASSERT_TRUE(after) << after.error().to_string();
    EXPECT_FALSE(grants(*after, library)) << why;
    EXPECT_TRUE(names(*after, dir + "/bin/../lib/deep/libmine.so")) << why;
    rule_set off;
    off.library_places = false;
    EXPECT_TRUE(grants(open_libraries(program(b), {}, off).value(), library)) << "control: " << why;
  };
  ASSERT_EQ(::chmod(folder.c_str(), 0757), 0);
  refused("others may put files there");
  ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
  ASSERT_EQ(::chmod(library.c_str(), 0664), 0);
  refused("others may change it");
}

// What the loader looks for by itself along RPATH and RUNPATH is no denial.
TEST_F(closure, knows_where_the_loader_looks) {
  const dynamic_builder b{
      .interpreter = loader, .runpath = "$ORIGIN/../lib:/opt/x/", .needed = {"libmine.so"}};
  const auto c = open_libraries(program(b), {});
  ASSERT_TRUE(c) << c.error().to_string();
  EXPECT_TRUE(c->searched.contains(dir + "/lib"));
  EXPECT_TRUE(c->searched.contains("/opt/x"));
  EXPECT_TRUE(c->needed.contains("libmine.so"));
}

TEST_F(closure, rpath_is_inherited_and_runpath_is_not) {
  dynamic_builder{}.write(dir + "/bin/libb.so");
  dynamic_builder{.needed = {"libb.so"}}.write(dir + "/bin/liba.so");
  const auto by_rpath =
      open_libraries(program({.interpreter = loader, .rpath = "$ORIGIN", .needed = {"liba.so"}}), {});
  EXPECT_TRUE(grants(*by_rpath, dir + "/bin/libb.so"));
  const auto by_runpath =
      open_libraries(program({.interpreter = loader, .runpath = "$ORIGIN", .needed = {"liba.so"}}), {});
  EXPECT_FALSE(grants(*by_runpath, dir + "/bin/libb.so"));
  EXPECT_TRUE(names(*by_runpath, "libb.so"));
}

TEST_F(closure, library_path_is_searched) {
  dynamic_builder{}.write(dir + "/bin/liba.so");
  const auto p = program({.interpreter = loader, .needed = {"liba.so"}});
  EXPECT_TRUE(names(*open_libraries(p, {}), "liba.so"));
  EXPECT_TRUE(grants(*open_libraries(p, {.library_path = {dir + "/bin"}}), dir + "/bin/liba.so"));
}

// One hostile program: the file that it names must not be granted, and would be without the rule.
void expect_refused(const image_info& program, const std::string& target, const std::string& name) {
  const auto c = open_libraries(program, {});
  ASSERT_TRUE(c) << c.error().to_string();
  EXPECT_FALSE(grants(*c, target));
  EXPECT_TRUE(names(*c, name)) << "it must be named";
  rule_set off;
  off.library_places = false;
  const auto control = open_libraries(program, {}, off);
  ASSERT_TRUE(control);
  EXPECT_TRUE(grants(*control, target)) << "control: without the rule it is granted";
}

TEST_F(closure, runpath_that_names_a_folder_of_the_host_grants_nothing_there) {
  const auto target = dir + "/elsewhere/libsecret.so";
  expect_refused(program({.interpreter = loader, .runpath = dir + "/elsewhere", .needed = {"libsecret.so"}}),
                 target, target);
  expect_refused(
      program({.interpreter = loader, .rpath = "$ORIGIN/../elsewhere", .needed = {"libsecret.so"}}), target,
      dir + "/bin/../elsewhere/libsecret.so");
}

TEST_F(closure, needed_path_of_the_host_is_not_granted) {
  const auto target = dir + "/elsewhere/libsecret.so";
  expect_refused(program({.interpreter = loader, .needed = {target}}), target, target);
  expect_refused(program({.interpreter = loader, .needed = {"/usr/lib/../.." + target}}), target,
                 "/usr/lib/../.." + target);
}

TEST_F(closure, link_beside_the_program_that_leads_away_is_not_followed) {
  std::filesystem::create_symlink(dir + "/elsewhere/libsecret.so", dir + "/bin/libx.so");
  expect_refused(program({.interpreter = loader, .runpath = "$ORIGIN", .needed = {"libx.so"}}),
                 dir + "/elsewhere/libsecret.so", dir + "/bin/libx.so");
}

TEST_F(closure, file_that_is_no_elf_is_not_granted_even_beside_the_program) {
  std::ofstream(dir + "/bin/key.so") << "secret";
  const auto c = open_libraries(
      program({.interpreter = loader, .runpath = "$ORIGIN", .needed = {"key.so", "/etc/shadow"}}), {});
  ASSERT_TRUE(c);
  EXPECT_FALSE(grants(*c, dir + "/bin/key.so"));
  EXPECT_TRUE(names(*c, dir + "/bin/key.so"));
  EXPECT_TRUE(names(*c, "/etc/shadow"));
}

TEST_F(closure, fifo_in_a_librarys_place_does_not_hang) {
  ASSERT_EQ(::mkfifo((dir + "/bin/libx.so").c_str(), 0600), 0);
  const auto c =
      open_libraries(program({.interpreter = loader, .runpath = "$ORIGIN", .needed = {"libx.so"}}), {});
  ASSERT_TRUE(c);
  EXPECT_FALSE(grants(*c, dir + "/bin/libx.so"));
}

TEST_F(closure, loader_that_is_a_secret_is_an_error_that_names_it) {
  for (const std::string& path : {dir + "/elsewhere/key", dir + "/elsewhere/libsecret.so",
                                  std::string("/etc/shadow"), std::string("/no/such/loader")}) {
    const auto c = open_libraries(program({.interpreter = path}), {});
    ASSERT_FALSE(c) << path;
    EXPECT_EQ(c.error().code, unikernel::make_error_code(unikernel::errc::bad_loader));
    EXPECT_NE(c.error().to_string().find(path), std::string::npos) << c.error().to_string();
  }
  rule_set off;
  off.library_places = false;
  const auto secret = dir + "/elsewhere/libsecret.so";
  EXPECT_TRUE(grants(*open_libraries(program({.interpreter = secret}), {}, off), secret)) << "control";
}

TEST_F(closure, is_bounded) {
  for (int i = 0; i < 40; ++i) {
    dynamic_builder{.runpath = "$ORIGIN", .needed = {"lib" + std::to_string(i + 1) + ".so"}}.write(
        dir + "/bin/lib" + std::to_string(i) + ".so");
  }
  const auto p = program({.interpreter = loader, .runpath = "$ORIGIN", .needed = {"lib0.so"}});
  const auto few = open_libraries(p, {.max_libraries = 10});
  ASSERT_TRUE(few);
  EXPECT_EQ(few->files.size(), 10u);
  EXPECT_TRUE(names(*few, "lib8.so"));
  const auto probes = open_libraries(p, {.max_probes = 5});
  ASSERT_TRUE(probes);
  EXPECT_LE(probes->files.size(), 6u);
}

TEST(library_cache, orders_numbers_as_numbers_and_reads_back) {
  const std::string bytes =
      elf::build_library_cache({{"libx.so.9", "/a/9"}, {"libx.so.10", "/a/10"}, {"liby.so", "/b/y"}});
  const auto cache = elf::parse_library_cache(as_bytes(bytes));
  EXPECT_EQ(cache.paths.size(), 3u);
  EXPECT_EQ(cache.paths.at("libx.so.10"), "/a/10");
  EXPECT_EQ(cache.directories, (std::set<std::string, std::less<>>{"/a", "/b"}));
  EXPECT_LT(bytes.find("libx.so.10"), bytes.find("libx.so.9"))
      << "descending, so that the loader's search finds it";
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_LE(elf::parse_library_cache(as_bytes(std::string_view(bytes).substr(0, n))).paths.size(), 3u);
  }
}

}  // namespace
