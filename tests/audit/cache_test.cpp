// Results that are kept between runs: what is said is the same with and without them.
#include <osvm/audit/audit.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace osvm::audit {
namespace {

namespace fs = std::filesystem;

class AuditCache : public testing::Test {
 protected:
  void SetUp() override {
    if (!available()) GTEST_SKIP() << "this build has no Rust grammar";
    std::string name = (fs::temp_directory_path() / "osvm-audit-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    kept_ = dir_ / "kept";
  }
  void TearDown() override {
    if (!dir_.empty()) fs::remove_all(dir_);
  }
  void write(const std::string& name, const std::string& text) {
    fs::create_directories((dir_ / "code" / name).parent_path());
    std::ofstream(dir_ / "code" / name, std::ios::binary) << text;
  }
  // A program whose one check stands in a helper of another crate.
  void write_workspace(const std::string& helper) {
    write("Cargo.toml",
          "[workspace]\nmembers = [\"programs/lamp\", \"shared\"]\n[profile.release]\noverflow-checks = "
          "true\n");
    write("programs/lamp/Cargo.toml",
          "[package]\nname = \"lamp\"\n[lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nanchor-lang = "
          "\"0.29\"\n"
          "shared = { path = \"../../shared\" }\n");
    write("programs/lamp/src/lib.rs",
          "#[program]\npub mod lamp {\n    pub fn set(ctx: Context<Set>, v: u64) -> Result<()> {\n"
          "        shared::guard(&ctx.accounts.keeper)?;\n        ctx.accounts.lamp.level = v;\n        "
          "Ok(())\n    }\n}\n"
          "#[derive(Accounts)]\npub struct Set<'info> {\n    #[account(mut, has_one = keeper)]\n"
          "    pub lamp: Account<'info, Lamp>,\n    // osvm-ignore[OSVM-A05]: not what fires\n"
          "    pub keeper: UncheckedAccount<'info>,\n}\n"
          "#[account]\npub struct Lamp {\n    pub keeper: Pubkey,\n    pub level: u64,\n}\n");
    write("programs/lamp/src/broken.rs", "pub fn } {");
    write("shared/Cargo.toml", "[package]\nname = \"shared\"\n[dependencies]\nanchor-lang = \"0.29\"\n");
    write("shared/src/lib.rs",
          "pub fn guard(a: &AccountInfo) -> Result<()> {\n    " + helper + "\n    Ok(())\n}\n");
  }
  std::string said(bool with_cache) {
    options o;
    if (with_cache) o.cache = kept_.string();
    const auto r = run((dir_ / "code").string(), o);
    EXPECT_TRUE(r) << r.error().to_string();
    return r ? to_json(*r) : std::string();
  }
  std::size_t kept() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(kept_), fs::directory_iterator()));
  }
  void expect_the_same() {
    const auto plain = said(false);
    EXPECT_EQ(said(true), plain);
    EXPECT_EQ(said(true), plain);
  }
  fs::path dir_, kept_;
};

constexpr const char* guards = "if !a.is_signer { return Err(E::NoSignature.into()); }";

TEST_F(AuditCache, SaysTheSameOfEveryFixture) {
  const auto plain = run(OSVM_AUDIT_FIXTURES);
  for (int i = 0; i < 2; ++i) {
    const auto r = run(OSVM_AUDIT_FIXTURES, {.cache = kept_.string()});
    ASSERT_TRUE(plain && r);
    EXPECT_EQ(to_json(*r), to_json(*plain));
    EXPECT_EQ(to_sarif(*r, "1"), to_sarif(*plain, "1"));
  }
  EXPECT_GT(kept(), 50u);
}

TEST_F(AuditCache, AChangeInADependencyIsNotMissed) {
  write_workspace(guards);
  expect_the_same();
  EXPECT_EQ(said(true).find("OSVM-A01"), std::string::npos);
  write_workspace("");  // the check that stood there is gone
  expect_the_same();
  EXPECT_NE(said(true).find("OSVM-A01"), std::string::npos);
  write_workspace(guards);
  expect_the_same();
}

TEST_F(AuditCache, ManifestsSuppressionsAndUnreadableFilesCount) {
  write_workspace("");
  expect_the_same();
  EXPECT_NE(said(true).find("OSVM-A05"), std::string::npos) << "the unused suppression";
  write("Cargo.toml", "[workspace]\nmembers = [\"programs/lamp\", \"shared\"]\n");
  expect_the_same();
  write("programs/lamp/src/lib.rs", "pub mod broken;\n#[program]\npub mod lamp {}\n");
  expect_the_same();
  EXPECT_NE(said(true).find("\"unparsed\":[{"), std::string::npos);
}

TEST_F(AuditCache, OnlyWhatChangedIsMadeAgain) {
  for (const char* name : {"one", "two", "three"})
    write(std::string(name) + "/src/lib.rs",
          "#[program]\npub mod p {\n    pub fn a(ctx: Context<A>) -> Result<()> { Ok(()) }\n}\n"
          "#[derive(Accounts)]\npub struct A<'info> { pub x: Signer<'info> }\n");
  said(true);
  const auto before = kept();
  write("two/src/lib.rs", "#[program]\npub mod p {}\n");
  expect_the_same();
  EXPECT_EQ(kept(), before + 1);
}

TEST_F(AuditCache, DamagedEntriesAreMadeAnew) {
  write_workspace("");
  const auto plain = said(true);
  for (const std::string damage : {"", "{", "{\"format\":\"osvm-audit-cache-1\"}", "[1,2,3]"}) {
    for (const auto& f : fs::directory_iterator(kept_)) std::ofstream(f.path(), std::ios::binary) << damage;
    EXPECT_EQ(said(true), plain);
  }
  for (const auto& f : fs::directory_iterator(kept_)) {
    const auto size = fs::file_size(f.path());
    fs::resize_file(f.path(), size / 2);
  }
  EXPECT_EQ(said(true), plain);
}

TEST_F(AuditCache, AFolderThatCannotBeWrittenChangesNothing) {
  write_workspace("");
  std::ofstream(kept_, std::ios::binary) << "a file";
  EXPECT_EQ(said(true), said(false));
}

TEST_F(AuditCache, OtherChecksAreOtherResults) {
  write_workspace("");
  said(true);
  const auto r = run((dir_ / "code").string(), {.only = {"OSVM-E01"}, .cache = kept_.string()});
  ASSERT_TRUE(r);
  for (const auto& f : r->findings) EXPECT_EQ(f.check, "OSVM-E01");
}

}  // namespace
}  // namespace osvm::audit
