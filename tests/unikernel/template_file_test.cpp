// Templates on a disk: written, read by others, and refused when they are not what was written.
#include "unikernel/snapshot/disk/template_file.hpp"
#include "unikernel/template_fixture.hpp"

#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <random>

namespace {

using namespace osvm;
using namespace osvm::test;

constexpr const char* server = R"(
import socket
s = socket.socket()
s.bind(("127.0.0.1", 8080))
s.listen(8)
n = 0
while True:
    c, _ = s.accept()
    n += 1
    c.recv(64)
    c.send(b"%d\n" % n)
    c.close()
)";

class template_files : public template_test {
 protected:
  void SetUp() override {
    template_test::SetUp();
    if (IsSkipped()) return;
    path = dir + "/saved.osvmtpl";
  }
  // A template of a guest that has counted to one, at `path`.
  void write(const tweak& change = {}) {
    auto first = start_warm(change);
    ASSERT_TRUE(first) << first.error().to_string();
    EXPECT_EQ(ask(*first, "count"), "1");
    auto saved = first->snapshot(patience);
    ASSERT_TRUE(saved) << saved.error().to_string();
    const auto written = saved->save(path);
    ASSERT_TRUE(written) << written.error().to_string();
  }
  result<instance_template> load() { return instance_template::load(path, {.facts = &facts()}); }
  std::string bytes() const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(const std::string& content) const {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  }
  std::string refusal() {
    const auto loaded = load();
    if (loaded) return "it was taken";
    EXPECT_EQ(loaded.error().code, unikernel::make_error_code(unikernel::errc::bad_template))
        << loaded.error().to_string();
    return loaded.error().to_string();
  }
  std::string path;
};

TEST_F(template_files, one_that_was_read_goes_on_where_the_guest_stood) {
  write();
  if (HasFatalFailure()) return;
  struct stat st {};
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0600U);
  auto loaded = load();
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  std::filesystem::remove(path);
  EXPECT_EQ(loaded->info().threads, 4u);
  ASSERT_EQ(loaded->granted().mounts.size(), 1u);
  EXPECT_EQ(loaded->granted().mounts[0].guest_path, "/data");
  std::set<std::string> random;
  for (const char* name : {"a", "b"}) {
    auto clone = spawn(*loaded, name);
    ASSERT_TRUE(clone) << clone.error().to_string();
    EXPECT_EQ(ask(*clone, "count"), "2");
    EXPECT_EQ(ask(*clone, "worker"), "1");
    EXPECT_EQ(ask(*clone, "large"), "768");
    EXPECT_EQ(ask(*clone, "file"), "4567");
    EXPECT_EQ(ask(*clone, "pipe"), "left in");
    EXPECT_EQ(ask(*clone, "pair"), "waiting back");
    EXPECT_EQ(ask(*clone, "event"), "41");
    EXPECT_EQ(ask(*clone, "timer"), "1");
    EXPECT_EQ(ask(*clone, "wiped"), "0");
    random.insert(ask(*clone, "random"));
  }
  EXPECT_EQ(random.size(), 2u);
}

TEST_F(template_files, a_clone_of_one_that_was_read_can_be_saved_again) {
  write();
  if (HasFatalFailure()) return;
  auto loaded = load();
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  auto clone = spawn(*loaded);
  ASSERT_TRUE(clone) << clone.error().to_string();
  EXPECT_EQ(ask(*clone, "count"), "2");
  auto again = clone->snapshot(patience);
  ASSERT_TRUE(again) << again.error().to_string();
  ASSERT_TRUE(again->save(path));
  auto third = load();
  ASSERT_TRUE(third) << third.error().to_string();
  auto last = spawn(*third, "last");
  ASSERT_TRUE(last) << last.error().to_string();
  EXPECT_EQ(ask(*last, "count"), "3");
}

TEST_F(template_files, a_dynamic_program_maps_the_same_files_again) {
  const std::string python = "/usr/bin/python3";
  auto image = unikernel::image::load(python);
  if (!image) GTEST_SKIP() << "NOT APPLICABLE: " << image.error().to_string();
  instance_options o;
  o.arguments = {python, "-S", "-E", "-c", server};
  o.facts = &facts();
  o.grant_libraries = true;
  o.socket_dir = dir;
  o.policy.listen = {http};
  o.policy.mounts = {{.host_path = "/usr/lib/python3.11", .guest_path = "/usr/lib/python3.11"}};
  o.output = stdio::capture(1 << 16);
  o.error = stdio::capture(1 << 16);
  auto first = instance::create(loop().get_executor(), *image, std::move(o));
  ASSERT_TRUE(first) << first.error().to_string();
  EXPECT_EQ(ask(*first, "count"), "1");
  auto saved = first->snapshot(patience);
  ASSERT_TRUE(saved) << saved.error().to_string();
  const auto written = saved->save(path);
  ASSERT_TRUE(written) << written.error().to_string();
  auto loaded = load();
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  auto clone = spawn(*loaded);
  ASSERT_TRUE(clone) << clone.error().to_string();
  EXPECT_EQ(ask(*clone, "count"), "2");
  EXPECT_EQ(ask(*clone, "count"), "3");
}

TEST_F(template_files, each_byte_of_the_header_counts) {
  write();
  if (HasFatalFailure()) return;
  const std::string whole = bytes();
  ASSERT_GT(whole.size(), unikernel::template_header_size);
  for (std::size_t at = 0; at < unikernel::template_header_size; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    // Only the header: the rest is never looked at.
    std::fstream(path, std::ios::binary | std::ios::in | std::ios::out).write(damaged.data(), 256);
    EXPECT_NE(refusal(), "it was taken") << at;
  }
  put(whole);
  EXPECT_TRUE(load());
}

TEST_F(template_files, damage_anywhere_else_is_found) {
  write();
  if (HasFatalFailure()) return;
  const std::string whole = bytes();
  std::mt19937_64 random(7);
  for (int round = 0; round < 40; ++round) {
    const std::size_t at =
        unikernel::template_header_size + random() % (whole.size() - unikernel::template_header_size);
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(whole[at] ^ 1));
    file.close();
    const auto taken = load();
    // The bytes between the parts belong to none of them.
    if (taken) EXPECT_EQ(whole[at], '\0') << at;
    put(whole);
  }
}

TEST_F(template_files, one_that_is_cut_off_or_longer_is_refused) {
  write();
  if (HasFatalFailure()) return;
  const std::string whole = bytes();
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{255}, std::size_t{256},
                                 std::size_t{5000}, whole.size() / 2, whole.size() - 1}) {
    put(whole.substr(0, size));
    EXPECT_NE(refusal(), "it was taken") << size;
  }
  put(whole + "x");
  EXPECT_NE(refusal().find("length"), std::string::npos);
  std::filesystem::remove(path);
  EXPECT_FALSE(load());
  std::filesystem::create_directory(path);
  EXPECT_FALSE(load());
}

TEST_F(template_files, another_cpu_and_another_version_are_named) {
  write();
  if (HasFatalFailure()) return;
  kvm::host_facts other = facts();
  other.cpu += " II";
  const auto foreign = instance_template::load(path, {.facts = &other});
  ASSERT_FALSE(foreign);
  EXPECT_NE(foreign.error().to_string().find("another kind of CPU"), std::string::npos);
  std::string changed = bytes();
  changed[8] = 77;
  put(changed);
  EXPECT_NE(refusal().find("version 77"), std::string::npos);
}

// A header that is right about a state that lies: what a forger would write.
TEST_F(template_files, a_forged_state_is_refused_for_what_it_says) {
  write();
  if (HasFatalFailure()) return;
  const std::string whole = bytes();
  auto header = unikernel::decode_header(whole);
  ASSERT_TRUE(header);
  const std::string described = whole.substr(unikernel::template_header_size, header->state_size);
  const auto check = [&](const std::function<void(unikernel::template_state&)>& lie) {
    auto state = unikernel::decode_state(described);
    EXPECT_TRUE(state);
    lie(*state);
    const auto checked = unikernel::check_state(*state, header->pages_size, header->program_size);
    return checked ? std::string("it was taken") : checked.error().to_string();
  };
  EXPECT_EQ(check([](auto&) {}), "it was taken");
  EXPECT_NE(check([](auto& s) { s.runs[0].offset = std::uint64_t{1} << 40; }).find("pages"),
            std::string::npos);
  EXPECT_NE(check([](auto& s) { s.runs[0].flags |= std::uint64_t{1} << 13; }).find("pages"),
            std::string::npos);
  EXPECT_NE(check([](auto& s) { s.runs[0].flags &= ~std::uint64_t{4}; }).find("pages"), std::string::npos)
      << "a page of the supervisor's";
  EXPECT_NE(check([](auto& s) { s.runs.push_back(s.runs[0]); }).find("pages"), std::string::npos) << "twice";
  EXPECT_NE(check([](auto& s) { s.runs[0].va = 4096; }).find("pages"), std::string::npos)
      << "without a mapping";
  EXPECT_NE(check([](auto& s) { s.mappings[0].end = unikernel::user_end + 4096; }).find("mappings"),
            std::string::npos);
  EXPECT_NE(check([](auto& s) { s.mappings.push_back(s.mappings[0]); }).find("mappings"), std::string::npos);
  EXPECT_NE(check([](auto& s) { s.mappings[0].file = 99; }).find("mappings"), std::string::npos);
  EXPECT_NE(check([](auto& s) {
              for (auto& m : s.mappings) m.protection = 1;
            }).find("pages"),
            std::string::npos)
      << "pages with rights that their mapping does not give";
  EXPECT_NE(check([](auto& s) { s.process.threads.clear(); }).find("threads"), std::string::npos);
  EXPECT_NE(check([](auto& s) { s.process.threads[1].tid = s.process.threads[0].tid; }).find("threads"),
            std::string::npos);
  EXPECT_NE(check([](auto& s) { s.image.ranges[0].size = std::uint64_t{1} << 40; }).find("program"),
            std::string::npos);
  EXPECT_NE(check([](auto& s) { s.uptime_ns = ~std::uint64_t{0}; }).find("last start"), std::string::npos);
}

TEST_F(template_files, a_mapped_file_that_has_changed_is_refused_at_the_spawn) {
  write();
  if (HasFatalFailure()) return;
  std::filesystem::rename(dir + "/file", dir + "/gone");
  auto loaded = load();
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  const auto missing = spawn(*loaded);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().to_string().find("/data/file"), std::string::npos) << missing.error().to_string();
}

TEST_F(template_files, a_full_disk_leaves_the_old_file_and_nothing_else) {
  write();
  if (HasFatalFailure()) return;
  const std::string before = bytes();
  auto loaded = load();
  ASSERT_TRUE(loaded);
  const auto names = [&] { return std::distance(std::filesystem::directory_iterator(dir), {}); };
  const auto files = names();
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit small{before.size() / 2, old.rlim_max};
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto written = loaded->save(path);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  ::signal(SIGXFSZ, handler);
  EXPECT_FALSE(written);
  EXPECT_EQ(bytes(), before);
  EXPECT_EQ(names(), files);
  EXPECT_FALSE(loaded->save(dir + "/no/such/folder"));
}

}  // namespace
