#include <osvm/audit/audit.hpp>

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

namespace osvm::audit {
namespace {

namespace fs = std::filesystem;

constexpr const char* program =
    "#[program]\npub mod p {\n    pub fn go(ctx: Context<G>) -> Result<()> {\n"
    "        msg!(\"{}\", ctx.accounts.authority.key());\n        Ok(())\n    }\n}\n"
    "#[derive(Accounts)]\npub struct G<'info> {\n";

class AuditReport : public testing::Test {
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
  report audited(const std::string& text) {
    std::ofstream(dir_ / "lib.rs", std::ios::binary) << text;
    auto r = run(dir_.string());
    EXPECT_TRUE(r);
    return r ? *r : report{};
  }
  fs::path dir_;
};

TEST_F(AuditReport, FindingsHaveSpanExcerptAndEvidence) {
  const auto r = audited(std::string(program) + "    authority: AccountInfo<'info>,\n}\n");
  ASSERT_EQ(r.findings.size(), 1u);
  const auto& f = r.findings[0];
  EXPECT_EQ(f.check, "OSVM-A01");
  EXPECT_EQ(f.where.file, "lib.rs");
  EXPECT_EQ(f.where.line, 10u);
  EXPECT_EQ(f.where.column, 5u);
  EXPECT_EQ(f.excerpt, "    authority: AccountInfo<'info>,\n");
  EXPECT_EQ(f.instruction, "go");
  EXPECT_EQ(f.account, "authority");
  EXPECT_EQ(r.count(severity::high), 1u);
  EXPECT_NE(to_text(r).find("authority: AccountInfo<'info>,\n   |     ^^^^"), std::string::npos)
      << to_text(r);
}

TEST_F(AuditReport, FingerprintSurvivesMovedLines) {
  const auto a = audited(std::string(program) + "    authority: AccountInfo<'info>,\n}\n");
  const auto b =
      audited("// one more line\n\n" + std::string(program) + "    authority:   AccountInfo<'info>,\n}\n");
  ASSERT_EQ(a.findings.size(), 1u);
  ASSERT_EQ(b.findings.size(), 1u);
  EXPECT_EQ(a.findings[0].fingerprint, b.findings[0].fingerprint);
  EXPECT_NE(a.findings[0].where.line, b.findings[0].where.line);
}

TEST_F(AuditReport, SuppressionNeedsAReasonAndAFinding) {
  const std::string line = "    authority: AccountInfo<'info>,\n}\n";
  const auto suppressed =
      audited(std::string(program) + "    // osvm-ignore[OSVM-A01]: read only, anyone may look\n" + line);
  ASSERT_EQ(suppressed.findings.size(), 1u);
  EXPECT_TRUE(suppressed.findings[0].suppressed);
  EXPECT_EQ(suppressed.findings[0].reason, "read only, anyone may look");
  EXPECT_EQ(suppressed.count(severity::info), 0u);
  const auto without = audited(std::string(program) + "    // osvm-ignore[OSVM-A01]\n" + line);
  EXPECT_EQ(without.count(severity::info), 1u);
  const auto unused = audited(std::string(program) + "    // osvm-ignore[OSVM-A03]: not what fires\n" + line);
  EXPECT_EQ(unused.count(severity::info), 1u);
  EXPECT_EQ(unused.unused_suppressions.size(), 1u);
}

TEST_F(AuditReport, JsonAndSarifAreJsonOfTheRightShape) {
  const auto r = audited(std::string(program) + "    authority: AccountInfo<'info>,\n}\n");
  const auto json = boost::json::parse(to_json(r));
  EXPECT_EQ(json.at("findings").as_array().size(), 1u);
  const auto sarif = boost::json::parse(to_sarif(r, "0.1.0"));
  EXPECT_EQ(sarif.at("version").as_string(), "2.1.0");
  const auto& run_ = sarif.at("runs").as_array().at(0);
  const auto& rules = run_.at("tool").at("driver").at("rules").as_array();
  EXPECT_EQ(rules.size(), checks().size());
  const auto& result = run_.at("results").as_array().at(0);
  const auto index = result.at("ruleIndex").to_number<std::size_t>();
  EXPECT_EQ(rules.at(index).at("id"), result.at("ruleId"));
  EXPECT_EQ(result.at("locations")
                .as_array()
                .at(0)
                .at("physicalLocation")
                .at("region")
                .at("startLine")
                .to_number<int>(),
            10);
  for (const auto& rule : rules) {
    const double score = std::stod(std::string(rule.at("properties").at("security-severity").as_string()));
    EXPECT_GT(score, 0.0);
    EXPECT_LE(score, 10.0);
  }
}

}  // namespace
}  // namespace osvm::audit
