// Reading images: whole ones, and every way of being broken.
#include "support.hpp"

#include <fcntl.h>
#include <sys/stat.h>

namespace {

using namespace osvm;
using namespace osvm::images;
using osvm::test::images_test;
namespace fs = std::filesystem;

// An image put together by hand, so that it can say what no builder would.
struct handmade {
  std::string blobs = "content";
  std::string manifest = "entry: /a\n";
  std::vector<entry> entries{file("a")};
  std::string index;  // empty: of `entries`
  std::uint64_t count = ~std::uint64_t{0};
  std::string tail;

  static entry file(std::string path) {
    return {.type = entry_type::file,
            .mode = 0644,
            .path = std::move(path),
            .offset = format::blobs_begin,
            .size = 7,
            .sha256 = sha256_of(as_bytes("content"))};
  }
  static entry folder(std::string path) {
    return {.type = entry_type::folder, .mode = 0755, .path = std::move(path)};
  }

  std::string bytes(void (*change)(format::header&) = nullptr) const {
    const std::string i = index.empty() ? format::encode_index(entries) : index;
    format::header h{};
    h.magic = format::magic;
    h.version = 1;
    h.blob_end = h.manifest_offset = format::blobs_begin + blobs.size();
    h.manifest_size = manifest.size();
    h.index_offset = h.manifest_offset + manifest.size();
    h.index_size = i.size();
    h.entry_count = count == ~std::uint64_t{0} ? entries.size() : count;
    h.manifest_sha256 = sha256_of(as_bytes(manifest));
    h.index_sha256 = sha256_of(as_bytes(i));
    if (change) change(h);
    std::string out(reinterpret_cast<const char*>(&h), sizeof h);
    out.resize(format::blobs_begin);
    return out + blobs + manifest + i + tail;
  }
};

class image : public images_test {
 protected:
  error refused(const std::string& bytes) {
    write("app.osvm", bytes);
    const auto opened = open();
    EXPECT_FALSE(opened);
    return opened ? error(images::errc::ok) : opened.error();
  }
  error refused_entries(std::vector<entry> entries) {
    handmade h;
    h.entries = std::move(entries);
    return refused(h.bytes());
  }
};

TEST_F(image, what_was_built_is_read_verified_and_unpacked) {
  build_ok();
  const auto i = open();
  ASSERT_TRUE(i) << i.error().to_string();
  EXPECT_EQ(i->info().entry, "/bin/app");
  EXPECT_FALSE(i->signature());
  EXPECT_TRUE(i->verify());
  fs::create_directory(dir + "/out");
  const unique_fd out(::open((dir + "/out").c_str(), O_PATH | O_DIRECTORY));
  const auto done = i->unpack(out);
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ(read("out/etc/two"), "same");
  EXPECT_EQ(fs::read_symlink(dir + "/out/etc/link"), "one");
  EXPECT_FALSE(i->unpack(out)) << "into a folder that is not empty";
}

TEST_F(image, handmade_is_a_good_base_for_broken_ones) {
  write("app.osvm", handmade{}.bytes());
  const auto i = open();
  ASSERT_TRUE(i) << i.error().to_string();
  EXPECT_TRUE(i->verify());
}

TEST_F(image, every_truncation_is_refused) {
  const std::string whole = handmade{}.bytes();
  for (std::size_t n = 0; n < whole.size(); n = n == 200 ? 4090 : n + 1) {
    write("app.osvm", whole.substr(0, n));
    EXPECT_FALSE(open()) << n;
  }
}

TEST_F(image, every_changed_byte_is_noticed) {
  build_ok();
  const std::string whole = read("app.osvm");
  int opened = 0;
  for (std::size_t n = 0; n < whole.size(); ++n) {
    if (n >= 128 && n < format::blobs_begin) continue;  // padding, which nothing reads
    std::string broken = whole;
    broken[n] = static_cast<char>(broken[n] ^ 1);
    write("app.osvm", broken);
    const auto i = open();
    opened += i.has_value();
    EXPECT_TRUE(!i || !i->verify()) << "byte " << n;
  }
  EXPECT_GT(opened, 0) << "contents are compared by verify(), not by open()";
}

TEST_F(image, not_an_image_and_a_newer_one) {
  EXPECT_EQ(refused("").code, images::errc::not_an_image);
  EXPECT_EQ(refused(std::string(8192, 'x')).code, images::errc::not_an_image);
  EXPECT_EQ(refused(handmade{}.bytes([](format::header& h) { h.version = 2; })).code, images::errc::version);
}

TEST_F(image, sizes_that_lie) {
  const auto with = [&](void (*change)(format::header&)) { return refused(handmade{}.bytes(change)).code; };
  EXPECT_EQ(with([](format::header& h) { h.index_size = ~std::uint64_t{0}; }), images::errc::too_large);
  EXPECT_EQ(with([](format::header& h) { h.manifest_size = std::uint64_t{1} << 40; }),
            images::errc::too_large);
  EXPECT_EQ(with([](format::header& h) { h.blob_end = ~std::uint64_t{0} - 5; }), images::errc::malformed);
  EXPECT_EQ(with([](format::header& h) { h.blob_end = 0; }), images::errc::malformed);
  EXPECT_EQ(with([](format::header& h) { h.index_offset += 1; }), images::errc::malformed);
  EXPECT_EQ(with([](format::header& h) { h.entry_count = std::uint64_t{1} << 60; }), images::errc::too_large);
  EXPECT_EQ(with([](format::header& h) { h.entry_count = 0; }), images::errc::malformed);
  EXPECT_EQ(with([](format::header& h) { h.reserved = 1; }), images::errc::malformed);
  handmade h;
  h.tail = "more";
  EXPECT_EQ(refused(h.bytes()).code, images::errc::malformed);
  entry huge = handmade::file("a");
  huge.size = ~std::uint64_t{0};
  EXPECT_EQ(refused_entries({huge}).code, images::errc::malformed);
  huge.size = 8;
  EXPECT_EQ(refused_entries({huge}).code, images::errc::malformed);
  huge.size = 7;
  huge.offset = 0;
  EXPECT_EQ(refused_entries({huge}).code, images::errc::malformed);
}

TEST_F(image, names_that_lead_out) {
  for (const char* path : {"../a", "..", "/a", "/etc/passwd", "a/../b", "a/./b", "./a", "a//b", "a/", "."}) {
    const auto e = refused_entries({handmade::file(path)});
    EXPECT_EQ(e.code, images::errc::bad_path) << path;
    EXPECT_NE(e.context.find(path), std::string::npos) << e.to_string();
  }
  EXPECT_EQ(refused_entries({handmade::file(std::string("a\0b", 3))}).code, images::errc::bad_path);
  EXPECT_EQ(refused_entries({handmade::file(std::string(256, 'n'))}).code, images::errc::bad_path);
}

TEST_F(image, names_given_twice_out_of_order_or_below_what_is_no_folder) {
  EXPECT_EQ(refused_entries({handmade::file("a"), handmade::file("a")}).code, images::errc::bad_path);
  EXPECT_EQ(refused_entries({handmade::file("b"), handmade::file("a")}).code, images::errc::malformed);
  EXPECT_EQ(refused_entries({handmade::file("a"), handmade::file("a/b")}).code, images::errc::bad_path);
  EXPECT_EQ(refused_entries({handmade::file("a/b")}).code, images::errc::bad_path);
  // A link is never a way: neither inside nor out.
  entry link{.type = entry_type::link, .mode = 0777, .path = "a", .target = "/tmp"};
  EXPECT_EQ(refused_entries({link, handmade::file("a/b")}).code, images::errc::bad_path);
}

// Linux tells "A" from "a": both are kept. Where a host's file system does not, unpacking says so and
// replaces nothing.
TEST_F(image, names_that_differ_in_case_are_two_files) {
  handmade h;
  h.entries = {handmade::file("A"), handmade::file("a")};
  write("app.osvm", h.bytes());
  EXPECT_TRUE(open());
}

TEST_F(image, kinds_that_images_do_not_hold) {
  handmade h;
  h.index = format::encode_index(h.entries);
  for (const char type : {0, 4, 6, 12}) {
    h.index[0] = type;
    EXPECT_EQ(refused(h.bytes()).code, images::errc::bad_entry) << int{type};
  }
  h.index = format::encode_index(h.entries);
  h.index[3] = 0x08;  // set-user-ID
  EXPECT_EQ(refused(h.bytes()).code, images::errc::malformed);
}

TEST_F(image, a_manifest_that_is_none) {
  handmade h;
  for (const char* text : {"", "args: [x]", "entry: a", "entry: /a\nmounts: [{host: /, guest: /}]",
                           "entry: /a\nwhat: 1", "entry: /a\nhealth: {port: 0}", "entry: /a\nallow: [root]",
                           "entry: [", "entry: /a\nwritable: [tmp]"}) {
    h.manifest = text;
    const auto e = refused(h.bytes());
    EXPECT_EQ(e.code, images::errc::bad_manifest) << text;
    EXPECT_NE(e.context.find("manifest:"), std::string::npos) << e.to_string();
  }
}

TEST_F(image, manifest_fields) {
  const auto m = parse_manifest(
      "entry: /bin/x\nargs: [-v]\nenv: {A: b}\nmemory: 64MiB\nthreads: 3\nlisten: [tcp:80]\n"
      "allow: [jit]\nmounts: [data]\nwritable: [/var]\noverlay: 1MiB\nworkdir: /srv\n"
      "health: {port: 80, http: /health}\n");
  ASSERT_TRUE(m) << m.error().to_string();
  EXPECT_EQ(m->arguments, std::vector<std::string>{"-v"});
  EXPECT_EQ(m->environment, std::vector<std::string>{"A=b"});
  EXPECT_EQ(m->limits.threads, 3u);
  EXPECT_TRUE(m->jit);
  EXPECT_EQ(m->writable, std::vector<std::string>{"/var"});
  EXPECT_EQ(m->health->path, "/health");
}

class signed_image : public image {
 protected:
  void SetUp() override {
    image::SetUp();
    build_ok();
    shell(
        "openssl genpkey -algorithm ed25519 -out ed.pem 2>/dev/null && openssl pkey -in ed.pem -pubout -out "
        "ed.pub &&"
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.pem 2>/dev/null && openssl "
        "pkey -in p256.pem -pubout -out p256.pub &&"
        "openssl genpkey -algorithm ed25519 -out other.pem 2>/dev/null && openssl pkey -in other.pem -pubout "
        "-out other.pub");
  }
  error check(const std::string& key) {
    const auto i = open();
    if (!i) return i.error();
    const auto r = i->verify_signature(read(key));
    return r ? error(images::errc::ok) : r.error();
  }
};

TEST_F(signed_image, both_kinds_of_keys) {
  EXPECT_EQ(check("ed.pub").code, images::errc::not_signed);
  for (const std::string kind : {"ed", "p256"}) {
    const auto signing = sign_image(dir + "/app.osvm", read(kind + ".pem"));
    ASSERT_TRUE(signing) << signing.error().to_string();
    EXPECT_EQ(check(kind + ".pub").code, error_code(images::errc::ok)) << kind;
    EXPECT_EQ(check("other.pub").code, images::errc::wrong_key);
    EXPECT_TRUE(open()->verify());
  }
  EXPECT_EQ(open()->signature()->algorithm, "p256");
}

TEST_F(signed_image, a_signature_of_another_image_or_a_changed_one_is_refused) {
  ASSERT_TRUE(sign_image(dir + "/app.osvm", read("ed.pem")));
  const std::string whole = read("app.osvm");
  const std::size_t signature_at = whole.size() - 64;
  std::string broken = whole;
  broken[signature_at] = static_cast<char>(broken[signature_at] ^ 1);
  write("app.osvm", broken);
  EXPECT_EQ(check("ed.pub").code, images::errc::bad_signature);
  // The signature of this image behind the contents of another.
  const std::size_t block = sizeof(format::signature_header) + 44 + 64;
  write("src/bin/app", "another program");
  build_ok();
  write("app.osvm", read("app.osvm") + whole.substr(whole.size() - block));
  EXPECT_EQ(check("ed.pub").code, images::errc::bad_signature);
  // Each byte of the header is signed.
  write("app.osvm", whole.substr(0, whole.size() - 1));
  EXPECT_EQ(check("ed.pub").code, images::errc::malformed);
  write("app.osvm", whole + "x");
  EXPECT_EQ(check("ed.pub").code, images::errc::malformed);
}

TEST_F(signed_image, keys_that_are_none) {
  EXPECT_EQ(sign_image(dir + "/app.osvm", "nonsense").error().code, images::errc::bad_key);
  shell("openssl genrsa -out rsa.pem 2048 2>/dev/null");
  EXPECT_EQ(sign_image(dir + "/app.osvm", read("rsa.pem")).error().code, images::errc::bad_key);
  ASSERT_TRUE(sign_image(dir + "/app.osvm", read("ed.pem")));
  EXPECT_EQ(check("rsa.pem").code, images::errc::bad_key);
}

}  // namespace
