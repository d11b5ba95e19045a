// Programs out of images, in real VMs: served from memory that was compared with its digests, writes that go
// with the run, and images that change on disk under a running guest.
#include <osvm/images/build.hpp>
#include <osvm/images/run.hpp>

#include "unikernel/guest_fixture.hpp"

#include <fstream>
#include <iterator>

namespace {

using namespace osvm;
using namespace osvm::images;
using osvm::test::exit_cause;
using osvm::test::instance;
using osvm::test::instance_options;
using osvm::test::outcome;
namespace fs = std::filesystem;

class image_run : public osvm::test::guest_test {
 protected:
  void SetUp() override {
    guest_test::SetUp();
    if (IsSkipped()) return;
    fs::create_directories(dir + "/root/bin");
    fs::create_directories(dir + "/root/etc");
    fs::copy_file(program_path("probe"), dir + "/root/bin/probe");
    put("etc/motd", "of the image");
    put("etc/large", std::string(300'000, 'l'));
    fs::create_symlink("/bin/probe", dir + "/root/start");
  }
  void put(const std::string& name, const std::string& text) {
    std::ofstream(dir + "/root/" + name, std::ios::binary) << text;
  }
  std::string app() const { return dir + "/app.osvm"; }
  void build(const std::string& manifest = "entry: /start\n") {
    const auto made =
        build_image({.source = dir + "/root", .output = app(), .manifest = manifest, .limits = {}});
    ASSERT_TRUE(made) << made.error().to_string();
  }
  std::shared_ptr<const image_tree> tree() {
    auto opened = image_file::open(app());
    EXPECT_TRUE(opened) << opened.error().to_string();
    return opened ? image_tree::create(std::move(*opened)) : nullptr;
  }
  instance_options plain(std::vector<std::string> arguments) {
    instance_options o = options("probe");
    o.arguments = std::move(arguments);
    return o;
  }
  outcome run_image(const std::shared_ptr<const image_tree>& from, std::vector<std::string> arguments,
                    const run_options& how = {}) {
    instance_options o = plain(std::move(arguments));
    const auto program = prepare_run(from, how, o);
    if (!program) {
      ADD_FAILURE() << program.error().to_string();
      return {};
    }
    return start_and_finish(*program, std::move(o));
  }
  outcome start_and_finish(const unikernel::image& program, instance_options o) {
    auto guest = instance::create(loop().get_executor(), program, std::move(o));
    if (!guest) {
      ADD_FAILURE() << guest.error().to_string();
      return {};
    }
    return finish(*guest, "image");
  }
  std::uint64_t offset_of(std::string_view path) {
    const auto opened = image_file::open(app());
    for (const auto& e : opened->entries())
      if (e.path == path) return e.offset;
    return 0;
  }
};

TEST_F(image_run, files_are_read_and_writes_go_with_the_run) {
  build();
  const auto from = tree();
  run_image(from, {"read", "/etc/motd"}).expect_exit(0).expect_output("content of the image\n");
  run_image(from, {"write", "/etc/motd", "changed"}).expect_output("write 7\n");
  run_image(from, {"read", "/etc/motd"}).expect_output("content of the image\n");
  run_image(from, {"read", "/etc/none"}).expect_output("open -2\n");
  run_image(from, {"list", "/etc"}).expect_output_has("motd").expect_output_has("large");
}

TEST_F(image_run, only_folders_that_the_manifest_calls_writable_change) {
  build("entry: /bin/probe\nwritable: [/tmp]\n");
  const auto from = tree();
  run_image(from, {"write", "/etc/motd", "x"}).expect_output("open -30\n");
  run_image(from, {"write", "/tmp/new", "x"}).expect_output("write 1\n");
}

// The loader and the libraries come from the image, and their code is mapped from it.
TEST_F(image_run, a_dynamic_program_with_its_libraries) {
  const std::string copy =
      "cd " + dir +
      "/root && cp /usr/bin/expr bin/ && for l in $(ldd /usr/bin/expr | grep -o '/[^ ]*'); do "
      "mkdir -p .$(dirname $l) && cp -L $l .$l; done";
  ASSERT_EQ(std::system(copy.c_str()), 0);
  build("entry: /bin/expr\nargs: [\"6\", \"*\"]\n");
  const auto from = tree();
  for (int i = 0; i < 2; ++i) {
    const auto done = run_image(from, {"7"}).expect_exit(0).expect_output("42\n");
    EXPECT_TRUE(done.stats.denials.empty()) << done.stats.denials[0].what;
  }
}

TEST_F(image_run, the_writable_layer_is_bounded) {
  build("entry: /bin/probe\noverlay: 16KiB\n");
  const auto from = tree();
  run_image(from, {"write", "/etc/new", std::string(8000, 'x')}).expect_output("write 8000\n");
  run_image(from, {"write", "/etc/new", std::string(20000, 'x')}).expect_output("write -28\n");
}

TEST_F(image_run, a_wrong_file_stops_the_start_or_whoever_opens_it) {
  build();
  const std::uint64_t at = offset_of("etc/motd");
  std::fstream(app(), std::ios::in | std::ios::out | std::ios::binary).seekp(static_cast<off_t>(at)).put('O');
  const auto from = tree();
  ASSERT_TRUE(from);
  instance_options o = plain({"read", "/etc/motd"});
  const auto refused = prepare_run(from, {}, o);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, images::errc::digest_mismatch);
  const run_options later{.verify_first = false};
  run_image(from, {"identity"}, later).expect_exit(0);
  const auto ended = run_image(from, {"read", "/etc/motd"}, later).expect_cause(exit_cause::failed);
  EXPECT_NE(ended.report.detail.find("etc/motd"), std::string::npos) << ended.report.detail;
  EXPECT_EQ(ended.report.shell_status(), 125);
  EXPECT_EQ(ended.out, "") << "not one byte of the wrong content";
}

TEST_F(image_run, an_image_that_is_cut_short_under_a_guest_ends_it_with_a_reason) {
  build();
  const auto from = tree();
  instance_options o = plain({"read", "/etc/large"});
  const auto program = prepare_run(from, {}, o);
  ASSERT_TRUE(program) << program.error().to_string();
  fs::resize_file(app(), 5000);
  const auto ended = start_and_finish(*program, std::move(o)).expect_cause(exit_cause::failed);
  EXPECT_NE(ended.report.detail.find("etc/large"), std::string::npos) << ended.report.detail;
}

TEST_F(image_run, an_image_that_is_replaced_or_emptied_is_served_from_what_was_opened) {
  build();
  const auto from = tree();
  run_image(from, {"read", "/etc/motd"}).expect_output("content of the image\n");
  put("etc/motd", "newer");
  build();  // a new file at the same path
  run_image(from, {"read", "/etc/motd"}).expect_output("content of the image\n");
  run_image(tree(), {"read", "/etc/motd"}).expect_output("content newer\n");
  const auto newer = tree();
  run_image(newer, {"read", "/etc/motd"}).expect_output("content newer\n");
  fs::resize_file(app(), 0);
  run_image(newer, {"read", "/etc/motd"}, {.verify_first = false}).expect_output("content newer\n");
}

TEST_F(image_run, what_the_manifest_asks_for_must_be_granted) {
  build("entry: /bin/probe\nmounts: [data]\n");
  instance_options o = plain({"read", "/data/f"});
  const auto refused = prepare_run(tree(), {}, o);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, osvm::errc::denied);
  fs::create_directories(dir + "/data");
  std::ofstream(dir + "/data/f") << "text";
  instance_options granted = plain({"read", "/data/f"});
  granted.policy.mounts.push_back({.host_path = dir + "/data", .guest_path = "/data"});
  const auto program = prepare_run(tree(), {.granted_mounts = {"data"}}, granted);
  ASSERT_TRUE(program);
  start_and_finish(*program, std::move(granted)).expect_output("content text\n");
}

TEST_F(image_run, an_entry_that_leads_out_or_nowhere_is_refused) {
  fs::create_symlink("../../../../etc/hostname", dir + "/root/out");
  fs::create_symlink("again", dir + "/root/again");
  for (const char* entry : {"/out", "/again"}) {
    build("entry: " + std::string(entry) + "\n");
    instance_options o = plain({});
    const auto refused = prepare_run(tree(), {}, o);
    ASSERT_FALSE(refused) << entry;
    EXPECT_EQ(refused.error().code, images::errc::bad_path) << entry;
  }
}

}  // namespace
