#include <osvm/core/config.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>

namespace osvm {
namespace {

using namespace std::chrono_literals;
using kind = config_value::kind;

std::string failure(std::string_view text, const config_limits& limits = {}) {
  auto parsed = parse_config(text, "c.yaml", limits);
  return parsed ? "parsed" : parsed.error().context;
}

const char* const example = R"(# a comment
listen: "127.0.0.1:8080"
limits:
  memory: 64MiB
  threads: 8
  wait: 1m30s
  ratio: 0.25
  strict: true
hosts: [a, b, 'true']
nothing:
)";

TEST(config, reads_typed_values) {
  const auto doc = parse_config(example, "c.yaml").value();
  auto top = config_map::of(doc).value();
  std::string listen;
  std::vector<std::string> hosts;
  ASSERT_TRUE(top.get("listen", listen));
  ASSERT_TRUE(top.get("hosts", hosts));
  EXPECT_EQ(listen, "127.0.0.1:8080");
  EXPECT_EQ(hosts, (std::vector<std::string>{"a", "b", "true"}));
  EXPECT_EQ((*top.require("nothing"))->type(), kind::null);

  auto limits = config_map::of(*top.find("limits")).value();
  std::uint64_t memory = 0;
  unsigned threads = 0;
  nanoseconds wait{};
  double ratio = 0;
  bool strict = false;
  ASSERT_TRUE(limits.get_size("memory", memory));
  ASSERT_TRUE(limits.get("threads", threads));
  ASSERT_TRUE(limits.get("wait", wait));
  ASSERT_TRUE(limits.get("ratio", ratio));
  ASSERT_TRUE(limits.get("strict", strict));
  EXPECT_EQ(memory, 64u << 20);
  EXPECT_EQ(threads, 8u);
  EXPECT_EQ(wait, 90s);
  EXPECT_EQ(ratio, 0.25);
  EXPECT_TRUE(strict);
  EXPECT_TRUE(limits.done());
  EXPECT_TRUE(top.done());
}

TEST(config, absent_keys_keep_the_default) {
  const auto doc = parse_config("{}").value();
  auto top = config_map::of(doc).value();
  int retries = 3;
  ASSERT_TRUE(top.get("retries", retries));
  EXPECT_EQ(retries, 3);
}

TEST(config, empty_text_is_an_empty_map) {
  for (const char* text : {"", "\n", "# only a comment\n", "---\n", "~"}) {
    const auto doc = parse_config(text);
    ASSERT_TRUE(doc) << text;
    EXPECT_TRUE(config_map::of(*doc)->done());
  }
}

TEST(config, wrong_types_name_file_line_and_column) {
  const auto doc = parse_config(example, "c.yaml").value();
  auto top = config_map::of(doc).value();
  int number = 0;
  EXPECT_EQ(
      top.get("listen", number).error().to_string(),
      "c.yaml:2:9: expected a whole number from -2147483648 to 2147483647, in \"listen\": malformed input");
  bool flag = false;
  auto limits = config_map::of(*top.find("limits")).value();
  EXPECT_EQ(limits.get("threads", flag).error().context,
            "c.yaml:5:12: expected true or false, in \"threads\"");
  std::uint64_t size = 0;
  EXPECT_EQ(limits.get_size("strict", size).error().context,
            "c.yaml:8:11: size \"true\": write it like 4096, 64MiB or 10MB, in \"strict\"");
  EXPECT_EQ(config_map::of(*top.find("hosts")).error().context,
            "c.yaml:9:8: expected a map of keys to values");
}

TEST(config, quoted_values_are_text_only) {
  const auto doc = parse_config("a: \"1\"\nb: 'true'\n").value();
  EXPECT_FALSE(doc.find("a")->as_integer(0, 9));
  EXPECT_FALSE(doc.find("b")->as_bool());
  EXPECT_EQ(*doc.find("a")->as_string(), "1");
}

TEST(config, numbers_are_ranged_and_whole) {
  const auto doc = parse_config("a: 256\nb: 0x10\nc: 1.5\nd: -1\ne: 99999999999999999999\nf: 1x\n").value();
  auto top = config_map::of(doc).value();
  std::uint8_t byte = 7;
  EXPECT_EQ(top.get("a", byte).error().context,
            "config:1:4: expected a whole number from 0 to 255, in \"a\"");
  EXPECT_TRUE(top.get("b", byte));
  EXPECT_EQ(byte, 16);
  for (const char* key : {"c", "d", "e", "f"}) EXPECT_FALSE(top.get(key, byte)) << key;
  EXPECT_EQ(byte, 16) << "a failed read leaves the value";
}

TEST(config, yes_and_no_are_not_booleans) {
  const auto doc = parse_config("country: no\n").value();
  EXPECT_FALSE(doc.find("country")->as_bool());
  EXPECT_EQ(*doc.find("country")->as_string(), "no");
}

TEST(config, unknown_keys_are_found_with_their_place) {
  const auto doc = parse_config("listen: x\nlisten_adress: y\n", "c.yaml").value();
  auto top = config_map::of(doc).value();
  (void)top.find("listen");
  (void)top.find("listen_address");
  EXPECT_EQ(top.done().error().context,
            "c.yaml:2:1: unknown key \"listen_adress\"; known here: listen, listen_address");
}

TEST(config, missing_keys_are_named) {
  const auto doc = parse_config("a: 1\n", "c.yaml").value();
  auto top = config_map::of(doc).value();
  EXPECT_EQ(top.require("path").error().context, "c.yaml:1:1: the key \"path\" is missing");
}

TEST(config, block_scalars_keep_their_line_breaks) {
  EXPECT_EQ(*parse_config("a: |\n  two\n  lines\n").value().find("a")->as_string(), "two\nlines\n");
  EXPECT_EQ(*parse_config("a: |+\n  x\n\n").value().find("a")->as_string(), "x\n\n");
  EXPECT_EQ(*parse_config("a: |-\n  x").value().find("a")->as_string(), "x");
  EXPECT_EQ(*parse_config("a: >\n  x\n  y\n").value().find("a")->as_string(), "x y\n");
}

TEST(config, a_lone_scalar_is_no_configuration) {
  EXPECT_EQ(failure("hello\n"), "c.yaml:1:1: expected a map or a list");
}

TEST(config, duplicate_keys_are_refused) {
  EXPECT_EQ(failure("a: 1\nb: 2\na: 3\n"), "c.yaml:3:1: the key \"a\" is here twice");
  EXPECT_EQ(failure("a: 1\n\"a\": 3\n"), "c.yaml:2:1: the key \"a\" is here twice");
}

TEST(config, syntax_errors_have_a_place) {
  EXPECT_EQ(failure("a: [1, 2\nb: 3\n").substr(0, 9), "c.yaml:2:");
  for (const char* cut :
       {"a: \"unfinished\n", "a: 'unfinished\n\n", "a: \"unfinished", "a: [1,\n", "a: {b\n"}) {
    EXPECT_EQ(failure(cut).substr(0, 7), "c.yaml:") << cut;
  }
  EXPECT_NE(failure("a: b: c: d\n"), "parsed");
}

TEST(config_hostile, anchors_aliases_and_tags_are_refused) {
  EXPECT_EQ(failure("a: &x 1\nb: *x\n").substr(0, 8), "c.yaml:1");
  EXPECT_NE(failure("b: *x\n"), "parsed");
  EXPECT_NE(failure("a: &x [*x]\n"), "parsed");
  EXPECT_EQ(failure("a: !!python/object:os.system ls\n"), "c.yaml:1:4: tags are not taken");
  EXPECT_NE(failure("!!map {a: 1}\n"), "parsed");
}

TEST(config_hostile, alias_bomb_costs_nothing) {
  std::string bomb = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 60; ++i) {
    const std::string p = std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + p + ", *a" + p + "]\n";
  }
  EXPECT_EQ(failure(bomb), "c.yaml:1:5: anchors are not taken");
}

TEST(config_hostile, depth_is_limited_in_both_styles) {
  EXPECT_NE(failure(std::string(33, '[') + std::string(33, ']')).find("nested too deeply"),
            std::string::npos);
  EXPECT_EQ(failure(std::string(32, '[') + std::string(32, ']')), "parsed");
  EXPECT_NE(failure(std::string(100'000, '[')), "parsed");
  EXPECT_NE(failure(std::string(100'000, '{')), "parsed");
  std::string block;
  for (int i = 0; i < 40; ++i) block += std::string(static_cast<std::size_t>(i), ' ') + "k:\n";
  EXPECT_NE(failure(block).find("nested too deeply"), std::string::npos);
  std::string dashes;
  for (int i = 0; i < 5000; ++i) dashes += "- ";
  EXPECT_NE(failure(dashes), "parsed");
}

TEST(config_hostile, size_and_node_limits_have_their_own_error) {
  auto big = parse_config(std::string(2 << 20, 'x'));
  EXPECT_EQ(big.error().code, errc::limit_exceeded);
  EXPECT_EQ(big.error().context, "config: larger than 1MiB");
  std::string many = "[";
  for (int i = 0; i < 50; ++i) many += "1,";
  many += "1]";
  EXPECT_EQ(parse_config(many, "c", {.max_nodes = 20}).error().code, errc::limit_exceeded);
  EXPECT_TRUE(parse_config(many, "c", {.max_nodes = 52}));
}

TEST(config_hostile, what_a_person_would_not_see_is_refused) {
  EXPECT_EQ(failure(std::string("a: 1\nb: \x04 2\n")), "c.yaml:2:4: a control character is not text");
  EXPECT_EQ(failure(std::string("a\0b", 3)), "c.yaml:1:2: a control character is not text");
  EXPECT_EQ(failure("a: \xff\n"), "c.yaml:1:4: the text is not UTF-8");
  EXPECT_EQ(failure("a: 1\n---\nb: 2\n").substr(0, 7), "c.yaml:");
  EXPECT_NE(failure("[a]: 1\n"), "parsed");
  EXPECT_NE(failure("? {a: 1}\n: 2\n"), "parsed");
  EXPECT_NE(failure("~: 1\n"), "parsed");
}

TEST(config_file, loads_regular_files_only) {
  char path[] = "/tmp/osvm_config_XXXXXX";
  const int fd = ::mkstemp(path);
  ASSERT_GE(fd, 0);
  ::close(fd);
  std::ofstream(path) << "port: 80\n";
  auto doc = load_config(path);
  ASSERT_TRUE(doc) << doc.error().to_string();
  EXPECT_EQ(doc->find("port")->where(), std::string(path) + ":1:7");
  ::unlink(path);
  EXPECT_EQ(load_config(path).error().code, boost::system::errc::no_such_file_or_directory);
  ASSERT_EQ(::mkfifo(path, 0600), 0);
  EXPECT_EQ(load_config(path).error().code, errc::invalid_argument) << "and it must not hang";
  ::unlink(path);
  EXPECT_EQ(load_config("/tmp").error().code, errc::invalid_argument);
}

}  // namespace
}  // namespace osvm
