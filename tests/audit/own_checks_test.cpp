#include <osvm/audit/own_checks.hpp>
#include <osvm/audit/reports.hpp>

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace osvm::audit {
namespace {

report two_instructions() {
  report r;
  program_summary p;
  p.name = "vault";
  p.rows.push_back({.name = "withdraw",
                    .where = {"src/lib.rs", 5, 1, 5, 9},
                    .accounts = {{.name = "vault",
                                  .type = "Account<Vault>",
                                  .writable = true,
                                  .owner = true,
                                  .bound_to = {"owner"},
                                  .where = {"src/lib.rs", 20, 5, 20, 30}},
                                 {.name = "owner", .type = "Signer", .signer = true},
                                 {.name = "helper",
                                  .type = "UncheckedAccount",
                                  .writable = true,
                                  .where = {"src/lib.rs", 22, 5, 22, 30}}},
                    .calls = {{.program = "helper", .what = "invoke", .pinned = false}}});
  p.rows.push_back({.name = "look",
                    .where = {"src/lib.rs", 9, 1, 9, 9},
                    .accounts = {{.name = "vault", .type = "Account<Vault>"}}});
  r.programs.push_back(p);
  return r;
}

std::vector<std::string> found(const std::string& when) {
  auto r = two_instructions();
  const auto own = parse_own_checks(
      "{\"checks\":[{\"id\":\"ACME-1\",\"title\":\"T\",\"severity\":\"high\",\"message\":"
      "\"{instruction}.{account}\",\"when\":" +
      when + "}]}");
  EXPECT_TRUE(own) << own.error().to_string();
  if (!own) return {};
  EXPECT_TRUE(add_own_findings(r, *own));
  std::vector<std::string> out;
  for (const auto& f : r.findings) out.push_back(f.message);
  std::sort(out.begin(), out.end());
  return out;
}

using names = std::vector<std::string>;

TEST(OwnChecks, EveryConditionNarrows) {
  EXPECT_EQ(found("{\"account\":\"*\"}").size(), 4u);
  EXPECT_EQ(found("{\"instruction\":\"with*\"}").size(), 3u);
  EXPECT_EQ(found("{\"type\":\"*Vault>\"}"), (names{"look.vault", "withdraw.vault"}));
  EXPECT_EQ(found("{\"type\":\"*Vault\"}"), names{});
  EXPECT_EQ(found("{\"signer\":true}"), names{"withdraw.owner"});
  EXPECT_EQ(found("{\"writable\":true,\"owner\":false}"), names{"withdraw.helper"});
  EXPECT_EQ(found("{\"writable\":true,\"bound\":false}"), names{"withdraw.helper"});
  EXPECT_EQ(found("{\"bound\":true}"), names{"withdraw.vault"});
  EXPECT_EQ(found("{\"account\":\"vault\",\"calls\":\"inv*\",\"pinned\":false}"), names{"withdraw.vault"});
  EXPECT_EQ(found("{\"account\":\"vault\",\"pinned\":true}"), names{});
  EXPECT_EQ(found("{\"program\":\"other\"}"), names{});
  EXPECT_EQ(found("{\"account\":\"*a*l*\"}"), (names{"look.vault", "withdraw.vault"}));
}

TEST(OwnChecks, AFunctionJudgesAndItsRuleIsInSarif) {
  auto r = two_instructions();
  const own_check mine{{.id = "ACME-2",
                        .name = "calls",
                        .title = "t",
                        .rationale = "r",
                        .fix = "f",
                        .cwe = 829,
                        .severity = severity::critical},
                       [](const program_summary&, const instruction_row& in, const account_row& a) {
                         return in.calls.empty() || a.signer ? std::nullopt
                                                             : std::optional<std::string>("calls");
                       }};
  ASSERT_TRUE(add_own_findings(r, {&mine, 1}));
  ASSERT_EQ(r.findings.size(), 2u);
  EXPECT_EQ(r.findings[0].where.line, 20u);
  EXPECT_NE(r.findings[0].fingerprint, r.findings[1].fingerprint);
  EXPECT_EQ(r.count(severity::critical), 2u);
  const auto sarif = boost::json::parse(to_sarif(r, "1"));
  const auto& run_ = sarif.at("runs").at(0);
  const auto index = run_.at("results").at(0).at("ruleIndex").to_number<std::size_t>();
  EXPECT_EQ(run_.at("tool").at("driver").at("rules").at(index).at("id"), "ACME-2");
}

TEST(OwnChecks, ACommentSuppresses) {
  auto r = two_instructions();
  r.unused_suppressions = {"src/lib.rs:21: ACME-1", "src/lib.rs:3: OSVM-A01"};
  const auto own = parse_own_checks(
      "{\"checks\":[{\"id\":\"ACME-1\",\"title\":\"T\",\"severity\":\"high\",\"when\":{\"account\":"
      "\"helper\"}}]}");
  ASSERT_TRUE(own && add_own_findings(r, *own));
  ASSERT_EQ(r.findings.size(), 1u);
  EXPECT_TRUE(r.findings[0].suppressed);
  EXPECT_EQ(r.unused_suppressions, std::vector<std::string>{"src/lib.rs:3: OSVM-A01"});
}

TEST(OwnChecks, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "own checks"},
      {"[]", "checks"},
      {"{\"checks\":[{}]}", "check 1: id"},
      {"{\"checks\":[{\"id\":\"A\",\"title\":\"t\",\"severity\":\"awful\"}]}", "severity"},
      {"{\"checks\":[{\"id\":\"A\",\"title\":\"t\",\"severity\":\"low\"}]}", "when"},
      {"{\"checks\":[{\"id\":\"A\",\"title\":\"t\",\"severity\":\"low\",\"when\":{}}]}", "every account"},
      {"{\"checks\":[{\"id\":\"A\",\"title\":\"t\",\"severity\":\"low\",\"when\":{\"singer\":true}}]}",
       "when.singer"},
      {"{\"checks\":[{\"id\":\"A\",\"title\":\"t\",\"severity\":\"low\",\"when\":{\"signer\":\"yes\"}}]}",
       "when.signer"},
      {"{\"checks\":[{\"id\":\"A\",\"titel\":\"t\"}]}", "titel"},
  };
  for (const auto& [text, why] : cases) {
    const auto own = parse_own_checks(text);
    ASSERT_FALSE(own) << text;
    EXPECT_NE(own.error().to_string().find(why), std::string::npos) << own.error().to_string();
  }
  for (const char* id : {"OSVM-A01", ""}) {
    auto r = two_instructions();
    const own_check taken{{.id = id}, {}};
    EXPECT_FALSE(add_own_findings(r, {&taken, 1}));
  }
}

}  // namespace
}  // namespace osvm::audit
