#include "audit/project/manifest.hpp"

#include <gtest/gtest.h>

namespace osvm::audit {
namespace {

TEST(Manifest, FlattensTablesAndKeepsLines) {
  const auto m = parse_manifest(
      "[package]\nname = \"vault\" # the crate\n\n[lib]\ncrate-type = [\"cdylib\", \"lib\"]\n"
      "[dependencies]\nanchor-lang = { version = \"0.29.0\", features = [\"init-if-needed\"] }\n"
      "spl-token = '4'\n[dependencies.other]\npath = \"../other\"\n[profile.release]\noverflow-checks = "
      "true\n");
  EXPECT_FALSE(m.broken);
  ASSERT_NE(m.find("package.name"), nullptr);
  EXPECT_EQ(m.find("package.name")->text, "vault");
  EXPECT_EQ(m.find("lib.crate-type")->list, (std::vector<std::string>{"cdylib", "lib"}));
  EXPECT_EQ(m.find("dependencies.anchor-lang.version")->text, "0.29.0");
  EXPECT_EQ(m.find("dependencies.anchor-lang.features")->list, std::vector<std::string>{"init-if-needed"});
  EXPECT_EQ(m.find("profile.release.overflow-checks")->text, "true");
  EXPECT_EQ(m.find("profile.release.overflow-checks")->line, 12u);
  EXPECT_EQ(m.names("dependencies"), (std::vector<std::string>{"anchor-lang", "other", "spl-token"}));
}

TEST(Manifest, SaysWhenItIsBroken) {
  EXPECT_TRUE(parse_manifest("name \"x\"\n").broken);
  EXPECT_TRUE(parse_manifest("a = \"no end\n").broken);
  EXPECT_TRUE(parse_manifest("a = [1, 2\n").broken);
  EXPECT_TRUE(parse_manifest(std::string("a = ") + std::string(1000, '[')).broken);
}

TEST(Manifest, LowestVersionOfARequirement) {
  EXPECT_EQ(lowest_version("0.29.0"), 29000u);
  EXPECT_EQ(lowest_version("^1"), 1000000u);
  EXPECT_EQ(lowest_version(">=1.2.3, <2"), 1002003u);
  EXPECT_EQ(lowest_version("*"), 0u);
  EXPECT_EQ(lowest_version("<2"), 0u);
}

TEST(AuditManifest, ALockNamesVersionsByCrate) {
  const auto lock = parse_lock(
      "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0-rc.1\"\r\n\n[[package]]\n"
      "name = \"a\"\nversion = \"2.0.0\"\ndependencies = [\n \"b\",\n]\n\n[metadata]\nversion = \"9\"\n"
      "[[package]]\nname = \"open\nversion = \"3");
  ASSERT_EQ(lock.size(), 1u);
  EXPECT_EQ(lock.at("a"), (std::vector<std::string>{"1.0.0-rc.1", "2.0.0"}));
  EXPECT_TRUE(parse_lock("").empty());
  EXPECT_TRUE(parse_lock("name = \"\nversion = \"1\"").empty());
}

}  // namespace
}  // namespace osvm::audit
