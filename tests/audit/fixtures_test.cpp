// Every check fires on its own bad fixtures and is silent on the good ones: a check without both does not
// pass.
#include <osvm/audit/audit.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

namespace osvm::audit {
namespace {

namespace fs = std::filesystem;

std::size_t fired(const fs::path& what, const std::string& check) {
  options o;
  if (check.starts_with("OSVM-X")) o.profile = profile::offchain;
  const auto r = run(what.string(), o);
  EXPECT_TRUE(r) << what << ": " << r.error().to_string();
  if (!r) return 0;
  EXPECT_TRUE(r->unparsed.empty()) << what << ": " << r->unparsed[0].why;
  return static_cast<std::size_t>(
      std::count_if(r->findings.begin(), r->findings.end(),
                    [&](const finding& f) { return f.check == check && !f.suppressed; }));
}

std::set<fs::path> children(const fs::path& dir) {
  std::set<fs::path> out;
  for (const auto& e : fs::directory_iterator(dir)) out.insert(e.path());
  return out;
}

TEST(AuditFixtures, EveryCheckHasGoodAndBadOnes) {
  if (!available()) GTEST_SKIP() << "this build has no Rust grammar";
  for (const auto& c : checks()) {
    const fs::path dir = fs::path(OSVM_AUDIT_FIXTURES) / c.id;
    ASSERT_TRUE(fs::is_directory(dir)) << c.id << " has no fixtures";
    bool bad = false, good = false;
    for (const auto& f : children(dir)) {
      bad = bad || f.filename().string().starts_with("bad");
      good = good || f.filename().string().starts_with("good");
    }
    EXPECT_TRUE(bad && good) << c.id;
    EXPECT_FALSE(c.rationale.empty() || c.fix.empty() || c.title.empty() || c.cwe == 0) << c.id;
  }
}

TEST(AuditFixtures, FireOnBadAndAreSilentOnGood) {
  if (!available()) GTEST_SKIP() << "this build has no Rust grammar";
  std::set<std::string> known;
  for (const auto& c : checks()) known.insert(c.id);
  for (const auto& dir : children(OSVM_AUDIT_FIXTURES)) {
    const std::string id = dir.filename().string();
    EXPECT_TRUE(known.contains(id)) << id << " is no check";
    for (const auto& f : children(dir)) {
      if (f.filename().string().starts_with("bad"))
        EXPECT_GE(fired(f, id), 1u) << f << " must be found";
      else
        EXPECT_EQ(fired(f, id), 0u) << f << " is correct";
    }
  }
}

TEST(AuditFixtures, TwoRunsSayTheSame) {
  if (!available()) GTEST_SKIP() << "this build has no Rust grammar";
  const auto once = run(OSVM_AUDIT_FIXTURES, {.threads = 1});
  const auto again = run(OSVM_AUDIT_FIXTURES, {.threads = 3});
  ASSERT_TRUE(once && again);
  EXPECT_GT(once->findings.size(), 10u);
  EXPECT_EQ(to_json(*once), to_json(*again));
  EXPECT_EQ(to_sarif(*once, "1.2.3"), to_sarif(*again, "1.2.3"));
}

}  // namespace
}  // namespace osvm::audit
