#include <osvm/audit/audit.hpp>
#include <osvm/audit/reports.hpp>

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <set>

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

// An instruction with a signer that decides, and a call of a program of the caller's choice.
constexpr const char* with_calls =
    "#[program]\npub mod p {\n    pub fn pay(ctx: Context<Pay>, data: Vec<u8>) -> Result<()> {\n"
    "        ctx.accounts.vault.paid = true;\n"
    "        let call = Instruction { program_id: ctx.accounts.helper.key(), accounts: vec![], data };\n"
    "        invoke(&call, &[ctx.accounts.owner.to_account_info()])?;\n        Ok(())\n    }\n}\n"
    "#[derive(Accounts)]\npub struct Pay<'info> {\n    #[account(mut, has_one = owner)]\n"
    "    pub vault: Account<'info, Vault>,\n    pub owner: Signer<'info>,\n    pub helper: "
    "AccountInfo<'info>,\n}\n"
    "#[account]\npub struct Vault {\n    pub owner: Pubkey,\n    pub paid: bool,\n}\n";

TEST_F(AuditReport, RowsSayWhatIsProvenAndWhoCallsWhom) {
  const auto r = audited(with_calls);
  ASSERT_EQ(r.programs.size(), 1u);
  ASSERT_EQ(r.programs[0].rows.size(), 1u);
  const auto& row = r.programs[0].rows[0];
  EXPECT_EQ(row.name, "pay");
  EXPECT_EQ(row.where.line, 3u);
  ASSERT_EQ(row.accounts.size(), 3u);
  const auto& vault = row.accounts[0];
  EXPECT_EQ(vault.name, "vault");
  EXPECT_EQ(vault.type, "Account<Vault>");
  EXPECT_TRUE(vault.writable && vault.owner);
  EXPECT_FALSE(vault.signer || vault.created || vault.closed);
  EXPECT_EQ(vault.bound_to, std::vector<std::string>{"owner"});
  EXPECT_TRUE(row.accounts[1].signer);
  EXPECT_FALSE(row.accounts[2].owner || row.accounts[2].address);
  ASSERT_EQ(row.calls.size(), 1u);
  EXPECT_EQ(row.calls[0].program, "helper");
  EXPECT_FALSE(row.calls[0].pinned);
  ASSERT_EQ(row.authorities.size(), 1u);
  EXPECT_EQ(row.authorities[0].authority, "owner");
  EXPECT_EQ(row.authorities[0].over, "vault");
  const auto html = to_html(r, "1");
  EXPECT_NE(html.find("class=\"unpinned\""), std::string::npos);
  EXPECT_NE(html.find(r.made_from.sources), std::string::npos);
}

TEST_F(AuditReport, TheSameSourcesGiveTheSameDigests) {
  const auto a = audited(with_calls), b = audited(with_calls);
  EXPECT_EQ(a.made_from.sources, b.made_from.sources);
  EXPECT_EQ(a.made_from.sources.size(), 32u);
  EXPECT_NE(a.made_from.sources, audited(std::string(with_calls) + "\n").made_from.sources);
}

// What a foreign project may put into names, comments and reasons.
report hostile_report() {
  report r;
  r.root = "/tmp/\"#let x = 1\n";
  finding f;
  f.check = "OSVM-A01";
  f.severity = severity::high;
  f.message = "`\" #read(\"/etc/passwd\") \\` <script>alert(1)</script> [x](javascript:1) {{fix}}";
  f.fix = "$ # _ * @label <lab>";
  f.excerpt = "let s = \"\\\" #sys\";\n";
  f.where = {"a\"b.rs", 3, 1, 3, 9};
  f.suppressed = false;
  r.findings.push_back(f);
  program_summary p;
  p.name = "x\" y'z";
  p.instructions = 1;
  p.rows.push_back({.name = "go\"); #panic(",
                    .where = {},
                    .accounts = {{.name = "</text><script>", .type = "T<'x>"}},
                    .calls = {{.program = "\"); #evil(", .what = "x", .pinned = false}}});
  r.programs.push_back(p);
  return r;
}

// Outside of string literals the source holds nothing that the project wrote.
TEST_F(AuditReport, TypstKeepsForeignTextInLiterals) {
  const auto source = to_typst(hostile_report(), "1.0");
  bool inside = false;
  std::string outside;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '"' && !(inside && source[i - 1] == '\\' && source[i - 2] != '\\')) inside = !inside;
    if (inside && source[i] == '\\') {
      ++i;
      continue;
    }
    if (!inside) outside += source[i];
  }
  EXPECT_FALSE(inside);
  for (const char* word : {"passwd", "#panic", "#evil", "script", "@label", "#sys"})
    EXPECT_EQ(outside.find(word), std::string::npos) << word;
}

TEST_F(AuditReport, HtmlDrawingsEscapeNames) {
  const auto html = to_html(hostile_report(), "1.0");
  EXPECT_EQ(html.find("<script>alert"), std::string::npos);
  EXPECT_EQ(html.find("</text><script>"), std::string::npos);
}

TEST_F(AuditReport, TemplatesEscapeByWhatTheyMake) {
  const auto r = hostile_report();
  const std::string t =
      "{{version}} {{#findings}}{{number}} {{#isHigh}}H "
      "{{/isHigh}}{{#isLow}}L{{/isLow}}{{message}}{{/findings}}";
  const auto html = by_template(r, "7", t, kind_of_template("mine.html.mustache"));
  ASSERT_TRUE(html) << html.error().to_string();
  EXPECT_TRUE(html->starts_with("7 1 H `&quot; #read")) << *html;
  EXPECT_EQ(html->find("<script>"), std::string::npos);
  EXPECT_NE(html->find("{{fix}}"), std::string::npos) << "values are no templates";
  const auto markdown = by_template(r, "7", t, kind_of_template("mine.md"));
  ASSERT_TRUE(markdown);
  EXPECT_NE(markdown->find("\\[x\\]\\(javascript:1\\)"), std::string::npos) << *markdown;
  const auto quoted =
      by_template(r, "7", "\"{{#findings}}{{message}}{{/findings}}\"", kind_of_template("mine.typ"));
  ASSERT_TRUE(quoted);
  EXPECT_NE(quoted->find("\\\" #read(\\\"/etc"), std::string::npos) << *quoted;
  const auto plain =
      by_template(r, "7", "{{#findings}}{{message}}{{/findings}}", kind_of_template("mine.txt"));
  ASSERT_TRUE(plain);
  EXPECT_NE(plain->find("<script>"), std::string::npos);
}

TEST_F(AuditReport, BrokenTemplatesAreRefused) {
  EXPECT_FALSE(by_template({}, "1", "{{#findings}}", template_kind::text));
  EXPECT_FALSE(by_template({}, "1", "{{/findings}}", template_kind::text));
  EXPECT_FALSE(by_template({}, "1", "{{unclosed", template_kind::text));
  const auto large = by_template({}, "1", std::string((1u << 20) + 1, 'x'), template_kind::text);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, errc::limit_exceeded);
}

TEST_F(AuditReport, PagesAreJsonWithEveryPart) {
  const auto pages = boost::json::parse(to_pages(audited(with_calls), "1.0"));
  std::set<std::string> kinds;
  for (const auto& b : pages.at("blocks").as_array()) kinds.insert(std::string(b.at("kind").as_string()));
  for (const char* kind : {"heading", "paragraph", "link", "finding", "code", "table", "list", "drawing"})
    EXPECT_TRUE(kinds.contains(kind)) << kind;
}

TEST_F(AuditReport, JsonComesBackAsItWas) {
  for (const auto& r : {audited(with_calls), hostile_report()}) {
    const auto again = parse_report(to_json(r));
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_EQ(to_json(*again), to_json(r));
    EXPECT_EQ(to_sarif(*again, "1"), to_sarif(r, "1"));
  }
}

TEST_F(AuditReport, AForeignReportIsRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "a report"},
      {"[]", "no object"},
      {"{\"findings\":{}}", "findings is no array"},
      {"{\"findings\":[1]}", "finding is no object"},
      {"{\"findings\":[{\"check\":1}]}", "check is no string"},
      {"{\"findings\":[{\"check\":\"x\",\"severity\":\"awful\",\"confidence\":\"strong\"}]}", "awful"},
      {"{\"findings\":[{\"severity\":\"low\",\"confidence\":\"strong\",\"location\":{\"line\":-1}}]}",
       "line"},
      {"{\"files\":1e99}", "files"},
      {"{\"programs\":[{\"anchor\":\"yes\"}]}", "anchor"},
  };
  for (const auto& [text, why] : cases) {
    const auto r = parse_report(text);
    ASSERT_FALSE(r) << text;
    EXPECT_NE(r.error().to_string().find(why), std::string::npos) << r.error().to_string();
  }
  EXPECT_FALSE(parse_report(std::string(100'000, '[')));
}

TEST_F(AuditReport, ACommentStaysBelowWhatGithubTakes) {
  report r;
  for (int i = 0; i < 5000; ++i) {
    finding f;
    f.check = "OSVM-A01";
    f.severity = severity::high;
    f.message = "| a | b\n\n<img src=x> " + std::to_string(i);
    f.where = {"src/lib.rs", 1, 1, 1, 2};
    r.findings.push_back(f);
  }
  const auto comment = to_comment(r, "1");
  EXPECT_LT(comment.size(), 65'536u);
  EXPECT_NE(comment.find("more are in the full report"), std::string::npos);
  EXPECT_EQ(comment.find("<img"), std::string::npos);
  EXPECT_EQ(comment.find("| a | b"), std::string::npos);
}

}  // namespace
}  // namespace osvm::audit
