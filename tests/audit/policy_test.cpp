// What projects decide about findings, and the reports for people.
#include <osvm/audit/policy.hpp>
#include <osvm/audit/reports.hpp>

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

namespace osvm::audit {
namespace {

finding made(const std::string& check, const std::string& file, std::uint32_t line, severity level) {
  finding f;
  f.check = check;
  f.severity = level;
  f.program = "vault";
  f.instruction = "withdraw";
  f.message = "nothing compares it";
  f.fix = "compare it";
  f.where = {file, line, 5, line, 20};
  f.excerpt = "    pub authority: AccountInfo<'info>,\n";
  f.fingerprint = check + file;
  return f;
}

report two() {
  report r;
  r.findings = {made("OSVM-A01", "src/lib.rs", 10, severity::high),
                made("OSVM-A07", "src/other.rs", 40, severity::medium)};
  return r;
}

TEST(AuditBaseline, AcceptsWhatItWasWrittenFrom) {
  auto r = two();
  const auto accepted = parse_baseline(to_baseline(r, "seen by Ann"));
  ASSERT_TRUE(accepted) << accepted.error().to_string();
  r.findings.push_back(made("OSVM-A03", "src/lib.rs", 11, severity::high));
  apply(r, *accepted, "2026-01-01");
  EXPECT_EQ(r.count(severity::info), 1u);
  EXPECT_EQ(r.findings[0].reason, "baseline: seen by Ann");
  EXPECT_TRUE(r.unused_suppressions.empty());
}

TEST(AuditBaseline, EntriesEndAndUnusedOnesAreTold) {
  auto r = two();
  const auto accepted = parse_baseline(
      R"({"version":1,"findings":[{"fingerprint":"OSVM-A01src/lib.rs","reason":"later","until":"2026-05-31"},)"
      R"({"fingerprint":"gone","check":"OSVM-A02","file":"a.rs","reason":"old"}]})");
  ASSERT_TRUE(accepted) << accepted.error().to_string();
  auto on_the_day = r;
  apply(on_the_day, *accepted, "2026-05-31");
  EXPECT_EQ(on_the_day.count(severity::info), 1u);
  apply(r, *accepted, "2026-06-01");
  EXPECT_EQ(r.count(severity::info), 2u);
  EXPECT_EQ(r.unused_suppressions.size(), 2u);
}

TEST(AuditBaseline, RefusesWhatIsNone) {
  for (const char* text :
       {"", "[]", "{}", R"({"version":2,"findings":[]})", R"({"version":1,"findings":{}})",
        R"({"version":1,"findings":[1]})", R"({"version":1,"findings":[{"fingerprint":"x"}]})",
        R"({"version":1,"findings":[{"fingerprint":"x","reason":"y","until":"soon"}]})"})
    EXPECT_FALSE(parse_baseline(text)) << text;
}

TEST(AuditSettings, ChangeSeveritiesAndLeaveOut) {
  const auto s = parse_settings(
      "[audit]\nfail-on = \"high\"\noff = [\"OSVM-A01\"]\nignore-paths = [\"vendor/\"]\n[severity]\n"
      "OSVM-A07 = \"low\"\n");
  ASSERT_TRUE(s) << s.error().to_string();
  EXPECT_EQ(s->fail_on, severity::high);
  auto r = two();
  r.findings.push_back(made("OSVM-A03", "vendor/x.rs", 1, severity::high));
  apply(r, *s);
  ASSERT_EQ(r.findings.size(), 1u);
  EXPECT_EQ(r.findings[0].severity, severity::low);
}

TEST(AuditSettings, RefuseWhatMeansNothing) {
  for (const char* text :
       {"[audit]\nof = [\"OSVM-A01\"]\n", "[audit]\noff = [\"A01\"]\n", "[audit]\nfail-on = \"loud\"\n",
        "[severity]\nOSVM-A01 = \"loud\"\n", "nonsense\n"})
    EXPECT_FALSE(parse_settings(text)) << text;
}

TEST(AuditDiff, KeepsFindingsOnAddedLines) {
  const std::string diff =
      "diff --git a/programs/vault/src/lib.rs b/programs/vault/src/lib.rs\n--- a/programs/vault/src/lib.rs\n"
      "+++ b/programs/vault/src/lib.rs\n@@ -8,0 +9,3 @@ fn f\n+a\n+b\n+c\n@@ -50 +53 @@\n-x\n+y\n";
  auto r = two();
  const auto dropped = keep_touched(r, diff);
  ASSERT_TRUE(dropped);
  EXPECT_EQ(*dropped, 1u);
  ASSERT_EQ(r.findings.size(), 1u);
  EXPECT_EQ(r.findings[0].check, "OSVM-A01");
  auto by_evidence = two();
  by_evidence.findings[1].seen.push_back({{"src/lib.rs", 53, 1, 53, 2}, "the effect"});
  ASSERT_TRUE(keep_touched(by_evidence, diff));
  EXPECT_EQ(by_evidence.findings.size(), 2u);
  auto only_removed = two();
  ASSERT_TRUE(keep_touched(only_removed, "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -10,2 +9,0 @@\n-a\n-b\n"));
  EXPECT_TRUE(only_removed.findings.empty());
}

TEST(AuditDiff, RefusesHunksThatAreNone) {
  auto r = two();
  EXPECT_FALSE(keep_touched(r, "+++ b/src/lib.rs\n@@ what\n"));
  EXPECT_TRUE(keep_touched(r, "+++ b/src/lib.rs\n@@ -1 +4294967295,4294967295 @@\n"));
}

// Names and sources of the audited project may hold anything.
report hostile() {
  auto r = two();
  auto& f = r.findings[0];
  f.message = "</h3><script>alert(1)</script> [x](javascript:1) `code` **b** \x1b[2J\"'&";
  f.where.file = "a\"><img src=x onerror=alert(1)>.rs";
  f.excerpt = "```\n</pre><script>alert(2)</script>\n````` # h\n";
  f.instruction = "x|y";
  f.seen.push_back({{"<b>.rs", 1, 1, 1, 1}, "<i>"});
  f.suppressed = true;
  f.reason = "--> <b>";
  r.programs.push_back({.name = "<script>p</script>|", .manifest = {}});
  r.unparsed.push_back({"<u>.rs", "<why>", 1});
  return r;
}

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(AuditHtml, NothingOfTheSourcesIsMarkup) {
  const auto page = to_html(hostile(), "1<2");
  EXPECT_EQ(times(page, "<script"), 1u) << "our own";
  EXPECT_EQ(times(page, "<img"), 0u);
  EXPECT_EQ(times(page, "<b>"), 0u);
  EXPECT_EQ(times(page, "<u>"), 0u);
  EXPECT_EQ(page.find('\x1b'), std::string::npos);
  EXPECT_EQ(times(page, "<article"), 2u);
  EXPECT_EQ(times(page, "</article>"), 2u);
  EXPECT_NE(page.find("&lt;script&gt;alert(1)"), std::string::npos);
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  for (const char* load : {"src=\"", "href=\"http", "url(", "@import"})
    EXPECT_EQ(page.find(load), std::string::npos);
}

TEST(AuditMarkdown, NothingOfTheSourcesIsMarkup) {
  const auto text = to_markdown(hostile(), "1");
  // Within a fence everything is code.
  const auto open = text.find("``````rust\n"), close = text.find("\n``````\n");
  ASSERT_TRUE(open != std::string::npos && close != std::string::npos && open < close) << text;
  const auto outside = text.substr(0, open) + text.substr(close);
  for (const char* markup : {"<script", "<img", "<b>", "<u>", "](javascript", "\x1b"})
    EXPECT_EQ(outside.find(markup), std::string::npos) << markup;
}

TEST(AuditSarif, HasTheShapeThatTheSchemaDemands) {
  const auto sarif = boost::json::parse(to_sarif(hostile(), "0.1.0"));
  const auto& run_ = sarif.at("runs").at(0);
  for (const auto& rule : run_.at("tool").at("driver").at("rules").as_array())
    EXPECT_FALSE(rule.at("id").as_string().empty());
  for (const auto& result : run_.at("results").as_array()) {
    const auto level = result.at("level").as_string();
    EXPECT_TRUE(level == "error" || level == "warning" || level == "note") << level;
    EXPECT_FALSE(result.at("message").at("text").as_string().empty());
    const auto& place = result.at("locations").at(0).at("physicalLocation");
    const std::string uri(place.at("artifactLocation").at("uri").as_string());
    EXPECT_EQ(uri.find_first_of("<>\" \\^`{|}"), std::string::npos) << uri;
    EXPECT_GE(place.at("region").at("startLine").to_number<int>(), 1);
  }
}

std::string read(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// docs/checks is written from the checks: OSVM_UPDATE_DOCS=1 writes it anew.
TEST(AuditDocs, PagesAreCurrent) {
  if (!available()) GTEST_SKIP() << "NOT APPLICABLE: this build has no Rust grammar";
  const std::string docs = OSVM_AUDIT_DOCS, fixtures = OSVM_AUDIT_FIXTURES;
  const bool update = std::getenv("OSVM_UPDATE_DOCS") != nullptr;
  std::string index = "# Checks of `osvm audit`\n\n| check | severity | what it finds |\n|---|---|---|\n";
  for (const auto& c : checks()) {
    const auto example = [&](const std::string& name) {
      std::string text = read(fixtures + "/" + c.id + "/" + name + ".rs");
      if (text.empty()) text = read(fixtures + "/" + c.id + "/" + name + "/Cargo.toml");
      return text;
    };
    const auto first = [&](const std::vector<std::string>& names) {
      for (const auto& n : names)
        if (auto text = example(n); !text.empty()) return text;
      return std::string();
    };
    const auto page = to_page(
        c, first({"bad", "bad_anchor", "bad_age"}),
        first({"good", "good_anchor", "good_checked", "good_has_one", "good_constraint", "good_init"}));
    const auto path = docs + "/" + c.id + ".md";
    if (update) std::ofstream(path) << page;
    EXPECT_EQ(read(path), page) << "OSVM_UPDATE_DOCS=1 audit_test writes " << path << " anew";
    index += "| [" + c.id + "](" + c.id + ".md) " + c.name + " | " + name_of(c.severity) + " | " + c.title +
             " |\n";
  }
  if (update) std::ofstream(docs + "/README.md") << index;
  EXPECT_EQ(read(docs + "/README.md"), index);
}

}  // namespace
}  // namespace osvm::audit
