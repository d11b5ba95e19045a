// Policies as YAML: read, written, and refused at the exact place.
#include <osvm/unikernel/policy_file.hpp>

#include "support/guest_without_vm.hpp"

#include <gtest/gtest.h>

namespace {

using namespace osvm;
using namespace osvm::unikernel;
using namespace std::chrono_literals;
using osvm::unikernel::testing::temp_folder;

constexpr const char* full = R"(mounts:
  - {host: /srv/site, guest: /site}
  - {host: data, guest: /data, access: rw, quota: 1MiB}
tmpfs: [/tmp, "/dev/shm:1MiB"]
listen: [tcp:80, 8080, vsock:52]
connect: [vsock:7, "db.example:5432=db", "[::1]:80", "unix:/run/x.sock=/x.sock"]
listen_unix: ["/tmp/a.sock=guest:/a.sock"]
allow: [jit]
env: {LANG: C.UTF-8, EMPTY: "", TEXT: "a b=c"}
budgets: {memory: 64MiB, threads: 4, descriptors: 32, written: 1MiB, cpu_time: 10s, wall_time: 1m}
)";

TEST(policy_file, every_field) {
  const auto p = parse_policy(full, "p", {.base_dir = "/base"});
  ASSERT_TRUE(p) << p.error().to_string();
  const policy& g = p->granted;
  ASSERT_EQ(g.mounts.size(), 2u);
  EXPECT_EQ(g.mounts[0].host_path, "/srv/site");
  EXPECT_FALSE(g.mounts[0].writable);
  EXPECT_EQ(g.mounts[1].host_path, "/base/data");
  EXPECT_TRUE(g.mounts[1].writable);
  EXPECT_EQ(g.mounts[1].quota_bytes, 1u << 20);
  ASSERT_EQ(g.scratch.size(), 2u);
  EXPECT_EQ(g.scratch[0].guest_path, "/tmp");
  EXPECT_EQ(g.scratch[0].bytes, 64u << 20);
  EXPECT_EQ(g.scratch[1].guest_path, "/dev/shm");
  EXPECT_EQ(g.scratch[1].bytes, 1u << 20);
  EXPECT_EQ(g.listen,
            (std::vector<listener>{{transport::tcp, 80}, {transport::tcp, 8080}, {transport::vsock, 52}}));
  EXPECT_EQ(g.vsock_connect, std::vector<std::uint32_t>{7});
  ASSERT_EQ(g.connect.size(), 3u);
  EXPECT_EQ(g.connect[0].host, "db.example");
  EXPECT_EQ(g.connect[0].guest_name, "db");
  EXPECT_EQ(g.connect[1].port, 80);
  EXPECT_EQ(g.listen_unix.at(0).guest_path, "/a.sock");
  EXPECT_EQ(g.environment, (std::vector<std::string>{"LANG=C.UTF-8", "EMPTY=", "TEXT=a b=c"}));
  EXPECT_TRUE(g.allow.jit);
  EXPECT_EQ(p->limits.memory_bytes, 64u << 20);
  EXPECT_EQ(p->limits.threads, 4u);
  EXPECT_EQ(p->limits.cpu_time, 10s);
  EXPECT_EQ(p->limits.wall_time, 60s);
}

TEST(policy_file, what_is_written_reads_back) {
  auto p = parse_policy(full, "p", {.base_dir = "/base"}).value();
  p.granted.mounts.push_back({.host_path = "/with \"quotes\"\n#: é", .guest_path = "/x: y"});
  const std::string text = format_policy(p, "two\nlines");
  EXPECT_TRUE(text.starts_with("# two\n# lines\n")) << text;
  const auto again = parse_policy(text);
  ASSERT_TRUE(again) << again.error().to_string() << "\n" << text;
  EXPECT_EQ(format_policy(*again, "two\nlines"), text);
  ASSERT_EQ(again->granted.mounts.size(), 3u);
  EXPECT_EQ(again->granted.mounts[2].host_path, p.granted.mounts[2].host_path);
  EXPECT_EQ(again->granted.environment, p.granted.environment);
  EXPECT_EQ(again->limits.wall_time, 60s);
}

TEST(policy_file, empty_means_nothing_granted_and_the_default_budgets) {
  const auto p = parse_policy("");
  ASSERT_TRUE(p) << p.error().to_string();
  EXPECT_TRUE(p->granted.mounts.empty());
  EXPECT_EQ(p->limits.memory_bytes, budgets{}.memory_bytes);
}

TEST(policy_file, what_is_not_utf8_is_left_out_and_said) {
  policy_file p;
  p.granted.mounts = {{.host_path = "/bad\xff", .guest_path = "/x"}};
  const std::string text = format_policy(p);
  EXPECT_NE(text.find("# left out"), std::string::npos) << text;
  EXPECT_TRUE(parse_policy(text)->granted.mounts.empty());
}

struct refusal {
  const char* text;
  const char* place;
  const char* says;
};

TEST(policy_file, refusals_name_the_place) {
  const refusal all[] = {
      {"mount: []", "p:1:1", "mount"},
      {"mounts:\n  - {host: /a, guest: b}", "p:2:23", "absolute"},
      {"mounts:\n  - {guest: /b}", "p:2:5", "host"},
      {"mounts:\n  - {host: /a, access: rx}", "p:2:24", "ro or rw"},
      {"mounts:\n  - {host: /a, quota: 1MiB}", "p:2:23", "rw"},
      {"mounts:\n  - {host: /a, acces: rw}", "p:2:16", "acces"},
      {"mounts: [site]", "p:1:10", "mount list"},
      {"mounts: {}", "p:1:9", "list"},
      {"listen: [tcp:0]", "p:1:10", "tcp:PORT"},
      {"listen:\n- tcp:65536", "p:2:3", "tcp:PORT"},
      {"listen: [udp:53]", "p:1:10", "tcp:PORT"},
      {"connect: [vsock:x]", "p:1:11", "port"},
      {"allow: [root]", "p:1:9", "jit"},
      {"env: [A=B]", "p:1:6", "map"},
      {"env: {A=B: c}", "p:1:7", "name"},
      {"budgets: {memory: much}", "p:1:19", "much"},
      {"budgets: {threads: -1}", "p:1:20", ""},
      {"budgets: {memroy: 1MiB}", "p:1:11", "memroy"},
      {"budgets: {cpu_time: soon}", "p:1:21", "soon"},
  };
  for (const auto& [text, place, says] : all) {
    const auto p = parse_policy(text, "p");
    ASSERT_FALSE(p) << text;
    EXPECT_NE(p.error().context.find(place), std::string::npos) << text << " -> " << p.error().to_string();
    EXPECT_NE(p.error().to_string().find(says), std::string::npos) << text << " -> " << p.error().to_string();
  }
}

TEST(policy_file, named_mounts) {
  const std::vector<named_mount> named{{"site", {.host_path = "/srv", .guest_path = "/site"}}};
  const auto p = parse_policy("mounts: [site]", "p", {.named = named});
  ASSERT_TRUE(p) << p.error().to_string();
  EXPECT_EQ(p->granted.mounts.at(0).guest_path, "/site");
}

TEST(named_mounts, are_kept_in_a_file) {
  const temp_folder folder;
  const std::string file = folder / "mounts.yaml";
  EXPECT_TRUE(load_mounts(file).value().empty());
  const std::vector<named_mount> all{
      {"site", {.host_path = "/srv/a b", .guest_path = "/site"}},
      {"d.1", {.host_path = "/d", .guest_path = "/d", .writable = true, .quota_bytes = 5000}}};
  ASSERT_TRUE(save_mounts(file, all));
  const auto again = load_mounts(file);
  ASSERT_TRUE(again) << again.error().to_string();
  ASSERT_EQ(again->size(), 2u);
  EXPECT_EQ(find_mount(*again, "d.1")->grant.quota_bytes, 5000u);
  EXPECT_EQ(find_mount(*again, "site")->grant.host_path, "/srv/a b");
  EXPECT_EQ(find_mount(*again, "x"), nullptr);
  for (const char* bad : {"", "-a", "a/b", "a b", ".."}) EXPECT_FALSE(valid_mount_name(bad)) << bad;
  EXPECT_FALSE(save_mounts(file, std::vector<named_mount>{{"a/b", {}}}));
  folder.write("mounts.yaml", "a: {host: /x}\nb: 1\n");
  const auto broken = load_mounts(file);
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().context.find(":2:4"), std::string::npos) << broken.error().to_string();
}

}  // namespace
