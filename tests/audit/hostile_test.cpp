// Hostile projects: whatever is in the folder, the audit ends, stays within bounds and says what it did not
// read.
#include <osvm/audit/audit.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace osvm::audit {
namespace {

namespace fs = std::filesystem;

class HostileProject : public testing::Test {
 protected:
  void SetUp() override {
    if (!available()) GTEST_SKIP() << "this build has no Rust grammar";
    std::string name = (fs::temp_directory_path() / "osvm-audit-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override {
    if (!dir_.empty()) fs::remove_all(dir_);
  }
  void file(const std::string& name, const std::string& text) {
    fs::create_directories((dir_ / name).parent_path());
    std::ofstream(dir_ / name, std::ios::binary) << text;
  }
  report audited(const options& o = {}) {
    auto r = run(dir_.string(), o);
    EXPECT_TRUE(r) << r.error().to_string();
    return r ? *r : report{};
  }
  fs::path dir_;
};

TEST_F(HostileProject, InvalidUtf8IsReported) {
  file("lib.rs", "fn f() { let x = \"\xff\xfe\"; }");
  const auto r = audited();
  ASSERT_EQ(r.unparsed.size(), 1u);
  EXPECT_EQ(r.unparsed[0].why, "not UTF-8");
}

TEST_F(HostileProject, AGiganticFileIsReportedAndNotRead) {
  file("lib.rs", std::string(200'000, '\n'));
  options o;
  o.max_file_bytes = 100'000;
  const auto r = audited(o);
  ASSERT_EQ(r.unparsed.size(), 1u);
  EXPECT_EQ(r.unparsed[0].why, "larger than the bound");
}

TEST_F(HostileProject, DeepNestingEndsAndIsReported) {
  std::string deep = "fn f() { let x = ";
  for (int i = 0; i < 20'000; ++i) deep += '(';
  deep += '1';
  for (int i = 0; i < 20'000; ++i) deep += ')';
  file("lib.rs", deep + "; }");
  const auto r = audited();
  ASSERT_EQ(r.unparsed.size(), 1u);
  EXPECT_EQ(r.unparsed[0].why, "nested too deeply");
}

TEST_F(HostileProject, MacrosInMacrosEnd) {
  std::string text = "fn f() { ";
  for (int i = 0; i < 200; ++i) text += "vec![";
  for (int i = 0; i < 200; ++i) text += "]";
  file("lib.rs", text + "; }");
  audited();
}

TEST_F(HostileProject, LoopsOfLinksAndFifosAreNotFollowed) {
  file("src/lib.rs", "pub mod a;");
  file("src/a.rs", "pub mod b; #[path = \"lib.rs\"] pub mod again; pub fn x() {}");
  fs::create_directory_symlink(dir_, dir_ / "src" / "loop");
  fs::create_symlink("nowhere", dir_ / "src" / "b.rs");
  ASSERT_EQ(::mkfifo((dir_ / "src" / "pipe.rs").c_str(), 0600), 0);
  const auto r = audited();
  EXPECT_EQ(r.files, 2u);
}

TEST_F(HostileProject, SyntaxErrorsAreReportedWithTheirLine) {
  file("lib.rs", "fn f() {}\n\nfn g( { let = ; }\n");
  const auto r = audited();
  ASSERT_EQ(r.unparsed.size(), 1u);
  EXPECT_EQ(r.unparsed[0].line, 3u);
}

TEST_F(HostileProject, FunctionsThatCallEachOtherEnd) {
  std::string text =
      "use solana_program::entrypoint;\nentrypoint!(process_instruction);\n"
      "pub fn process_instruction(p: &Pubkey, accounts: &[AccountInfo], d: &[u8]) -> ProgramResult "
      "{ f0(accounts); f1(accounts); Ok(()) }\n";
  for (int i = 0; i < 40; ++i) {
    const auto n = [](int k) { return "f" + std::to_string(k % 40); };
    text += "fn " + n(i) + "(accounts: &[AccountInfo]) { " + n(i + 1) + "(accounts); " + n(i + 1) +
            "(accounts); " + n(i + 7) + "(accounts); let a = &accounts[0]; if !a.is_signer { panic!() } }\n";
  }
  file("lib.rs", text);
  audited();
}

TEST_F(HostileProject, HostileManifestsEnd) {
  file("Cargo.toml", "[package]\nname = \"" + std::string(100'000, 'x') +
                         "\"\n[dependencies]\nsolana-program = {" + std::string(50'000, '{') +
                         "\nself = { path = \".\" }\n");
  file("src/lib.rs", "entrypoint!(process_instruction);");
  audited();
}

TEST_F(HostileProject, NamesAreEscapedInEveryReport) {
  file("evil\x1b[2J<script>\".rs",
       "#[program] pub mod p { pub fn go(ctx: Context<G>) -> Result<()> { msg!(\"{}\", "
       "ctx.accounts.authority.key()); Ok(()) } }\n"
       "#[derive(Accounts)] pub struct G<'info> { authority: AccountInfo<'info> }\n");
  const auto r = audited();
  ASSERT_EQ(r.findings.size(), 1u);
  for (const auto& text : {to_text(r), to_json(r), to_sarif(r, "1")})
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Audit, WhatIsNotThereIsAnError) {
  if (!available()) GTEST_SKIP() << "this build has no Rust grammar";
  EXPECT_FALSE(run("/nonexistent/osvm"));
  options o;
  o.only = {"no-such-check"};
  EXPECT_FALSE(run("/", o));
}

}  // namespace
}  // namespace osvm::audit
