// Making images: folders, archives and OCI layouts, and what is refused of each.
#include "support.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace {

using namespace osvm;
using namespace osvm::images;
using osvm::test::images_test;
namespace fs = std::filesystem;

class build_image_from : public images_test {
 protected:
  std::string names() {
    std::string out;
    const auto i = open();
    if (!i) return i.error().to_string();
    for (const entry& e : i->entries()) out += e.path + (e.type == entry_type::folder ? "/ " : " ");
    return out;
  }
  error refused(const std::string& source) {
    const auto made = build(source);
    EXPECT_FALSE(made);
    EXPECT_FALSE(fs::exists(dir + "/app.osvm")) << "half an image is left";
    return made ? error(images::errc::ok) : made.error();
  }
  // A blob of an OCI layout; its digest.
  std::string blob(const std::string& bytes) {
    const std::string hex = to_hex(sha256_of(as_bytes(bytes)));
    fs::create_directories(dir + "/oci/blobs/sha256");
    write("oci/blobs/sha256/" + hex, bytes);
    return "sha256:" + hex;
  }
  void layout(const std::vector<std::string>& layers) {
    std::string list;
    for (const auto& l : layers)
      list += (list.empty() ? "" : ",") + std::string("{\"digest\":\"") + l + "\"}";
    const std::string manifest = blob("{\"layers\":[" + list + "]}");
    write("oci/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
    write("oci/index.json", "{\"manifests\":[{\"digest\":\"" + manifest + "\"}]}");
  }
};

TEST_F(build_image_from, a_folder) {
  const auto made = build();
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_EQ(made->files, 3u);
  EXPECT_EQ(made->bytes, 11u + 4 + 4);
  EXPECT_EQ(made->stored_bytes, 11u + 4) << "equal files are stored once";
  EXPECT_EQ(names(), "bin/ bin/app etc/ etc/link etc/one etc/two ");
  EXPECT_EQ(to_hex(open()->id()), to_hex(made->id));
}

TEST_F(build_image_from, archives) {
  for (const char* how : {"--format=gnu -cf", "--format=pax -czf", "-cJf"}) {
    fs::remove(dir + "/app.osvm");
    shell("tar -C src " + std::string(how) + " app.tar .");
    const auto made = build("app.tar");
    ASSERT_TRUE(made) << how << ": " << made.error().to_string();
    EXPECT_EQ(names(), "bin/ bin/app etc/ etc/link etc/one etc/two ") << how;
    EXPECT_TRUE(open()->verify());
  }
}

TEST_F(build_image_from, hard_links_are_files) {
  fs::create_hard_link(dir + "/src/etc/one", dir + "/src/etc/hard");
  shell("tar -C src -cf app.tar .");
  ASSERT_TRUE(build("app.tar"));
  EXPECT_EQ(names(), "bin/ bin/app etc/ etc/hard etc/link etc/one etc/two ");
  EXPECT_TRUE(open()->verify());
}

TEST_F(build_image_from, archives_that_lead_out_are_refused) {
  shell("tar -C src -cf up.tar --transform 's,^,../,' bin/app");
  EXPECT_EQ(refused("up.tar").code, images::errc::bad_path);
  shell("tar -P -cf absolute.tar " + dir + "/src/bin/app");
  EXPECT_EQ(refused("absolute.tar").code, images::errc::bad_path);
  shell(
      "mkdir x && ln -s /tmp x/way && tar -C x -cf link.tar way && mkdir -p y/way && echo a > y/way/file && "
      "tar -C y -rf link.tar way/file");
  const auto e = refused("link.tar");
  EXPECT_EQ(e.code, images::errc::bad_path);
  EXPECT_NE(e.context.find("way"), std::string::npos) << e.to_string();
  shell("tar -C src -cf twice.tar bin/app && tar -C src -rf twice.tar bin/app");
  EXPECT_EQ(refused("twice.tar").code, images::errc::bad_path);
}

TEST_F(build_image_from, devices_and_fifos_are_refused_by_name) {
  ASSERT_EQ(::mkfifo((dir + "/src/etc/fifo").c_str(), 0600), 0);
  const auto e = refused("src");
  EXPECT_EQ(e.code, images::errc::bad_entry);
  EXPECT_NE(e.context.find("etc/fifo"), std::string::npos) << e.to_string();
  shell("tar -C src -cf fifo.tar etc/fifo");
  EXPECT_EQ(refused("fifo.tar").code, images::errc::bad_entry);
}

TEST_F(build_image_from, sources_that_are_none_and_entries_that_are_missing) {
  EXPECT_FALSE(build("nothing"));
  write("text", "no archive at all");
  EXPECT_FALSE(build("text"));
  shell("tar -C src -czf whole.tar.gz . && head -c 100 whole.tar.gz > cut.tar.gz");
  EXPECT_FALSE(build("cut.tar.gz"));
  EXPECT_EQ(build("src", "entry: /bin/missing\n").error().code, images::errc::bad_manifest);
  EXPECT_EQ(build("src", "entry: /bin\n").error().code, images::errc::bad_manifest);
  EXPECT_EQ(build("src", "entry: /../bin/app\n").error().code, images::errc::bad_path);
}

TEST_F(build_image_from, too_much) {
  const auto made = images::build_image({.source = dir + "/src",
                                         .output = dir + "/app.osvm",
                                         .manifest = "entry: /bin/app\n",
                                         .limits = {.max_unpacked_bytes = 12}});
  EXPECT_EQ(made.error().code, images::errc::too_large);
}

TEST_F(build_image_from, oci_layers_replace_and_hide) {
  shell(
      "tar -C src -czf base.tgz . && mkdir -p up/etc up/new && echo changed > up/etc/one && touch "
      "up/etc/.wh.two up/new/file &&"
      "tar -C up -cf upper.tar .");
  layout({blob(read("base.tgz")), blob(read("upper.tar"))});
  const auto made = build("oci");
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_EQ(names(), "bin/ bin/app etc/ etc/link etc/one new/ new/file ");
  EXPECT_TRUE(open()->verify());
  shell("mkdir -p opq/etc && touch opq/etc/.wh..wh..opq opq/etc/only && tar -C opq -cf opaque.tar .");
  layout({blob(read("base.tgz")), blob(read("opaque.tar"))});
  ASSERT_TRUE(build("oci"));
  EXPECT_EQ(names(), "bin/ bin/app etc/ etc/only ");
}

TEST_F(build_image_from, oci_blobs_must_be_what_their_digest_says) {
  shell("tar -C src -cf base.tar .");
  const std::string name = blob(read("base.tar"));
  layout({name});
  write("oci/blobs/sha256/" + name.substr(7), "changed");
  EXPECT_EQ(refused("oci").code, images::errc::digest_mismatch);
  layout({"sha256:../../../../etc/passwd"});
  EXPECT_EQ(refused("oci").code, images::errc::malformed);
  layout({"sha256:" + std::string(64, '0')});
  EXPECT_FALSE(build("oci"));
  write("oci/index.json", "{\"manifests\":[]}");
  EXPECT_EQ(refused("oci").code, images::errc::malformed);
  write("oci/index.json", "[[[[");
  EXPECT_EQ(refused("oci").code, images::errc::malformed);
}

}  // namespace
