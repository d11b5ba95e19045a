#include <gtest/gtest.h>
#include <osvm/values.hpp>

namespace osvm::cli {
namespace {

using namespace std::chrono_literals;

TEST(values, sizes) {
  EXPECT_EQ(*parse_size("0"), 0U);
  EXPECT_EQ(*parse_size("4096"), 4096U);
  EXPECT_EQ(*parse_size("64KiB"), 65536U);
  EXPECT_EQ(*parse_size("1GiB"), 1ULL << 30);
  for (const char* text :
       {"", "MiB", "-1", "1.5MiB", "1 MiB", "1TB", "17179869184GiB", "99999999999999999999"}) {
    const auto parsed = parse_size(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, errc::invalid_argument) << text;
  }
}

TEST(values, durations) {
  EXPECT_EQ(*parse_duration("250us"), 250us);
  EXPECT_EQ(*parse_duration("10s"), 10s);
  EXPECT_EQ(*parse_duration("2m"), 2min);
  EXPECT_EQ(*parse_duration("1h"), 1h);
  for (const char* text : {"", "10", "s", "-1s", "1.5s", "9999999999h", "1d"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(values, counts_have_bounds) {
  EXPECT_EQ(*parse_count("7", 1, 10), 7U);
  for (const char* text : {"0", "11", "7x", "", "-1", " 7"}) EXPECT_FALSE(parse_count(text, 1, 10)) << text;
}

TEST(values, publications) {
  const auto full = parse_publication("127.0.0.1:8080=guest:80", unikernel::transport::tcp).value();
  EXPECT_EQ(full.host, endpoint(tcp_endpoint{"127.0.0.1", 8080}));
  EXPECT_EQ(full.guest, (unikernel::listener{unikernel::transport::tcp, 80}));
  const auto brief = parse_publication("0=guest:80", unikernel::transport::tcp).value();
  EXPECT_EQ(brief.host, endpoint(tcp_endpoint{"127.0.0.1", 0}));
  const auto socket = parse_publication("unix:/run/s=guest:5000000", unikernel::transport::vsock).value();
  EXPECT_EQ(socket.host, endpoint(unix_endpoint{"/run/s"}));
  EXPECT_EQ(socket.guest.port, 5000000U);
  for (const char* text : {"", "8080", "8080=80", "8080=guest:", "8080=guest:0", "8080=guest:65536",
                           "localhost:1=guest:80", "=guest:80", "hybrid:/v:1=guest:80", "65536=guest:1"}) {
    EXPECT_FALSE(parse_publication(text, unikernel::transport::tcp)) << text;
  }
}

TEST(values, mounts) {
  const auto mount = parse_mount("/srv/a:b/:/data", true).value();
  EXPECT_EQ(mount.host_path, "/srv/a:b/");
  EXPECT_EQ(mount.guest_path, "/data");
  EXPECT_TRUE(mount.writable);
  EXPECT_EQ(parse_mount("/etc/hosts", false)->guest_path, "/etc/hosts");
  EXPECT_TRUE(parse_mount("data:/data", false)->host_path.ends_with("/data"));
  for (const char* text : {"", ":", "/a:", ":/a", "a:b", "relative"})
    EXPECT_FALSE(parse_mount(text, false)) << text;
}

TEST(values, environment) {
  EXPECT_EQ(*parse_environment("A=b=c"), "A=b=c");
  EXPECT_EQ(*parse_environment("A="), "A=");
  ::setenv("OSVM_TEST_VALUE", "from here", 1);
  EXPECT_EQ(*parse_environment("OSVM_TEST_VALUE"), "OSVM_TEST_VALUE=from here");
  ::unsetenv("OSVM_TEST_VALUE");
  for (const char* text : {"", "=x", "OSVM_TEST_VALUE"}) EXPECT_FALSE(parse_environment(text)) << text;
}

TEST(values, are_shown_with_three_digits) {
  EXPECT_EQ(show_number(0), "0");
  EXPECT_EQ(show_number(3), "3");
  EXPECT_EQ(show_number(0.1234), "0.123");
  EXPECT_EQ(show_number(1.234), "1.23");
  EXPECT_EQ(show_number(12.34), "12.3");
  EXPECT_EQ(show_number(1234.5), "1234");
  EXPECT_EQ(show_size(512), "512 B");
  EXPECT_EQ(show_size(3 << 19), "1.50 MiB");
  EXPECT_EQ(show_duration(1500us), "1.50 ms");
  EXPECT_EQ(show_duration(0ns), "0 ns");
}

}  // namespace
}  // namespace osvm::cli
