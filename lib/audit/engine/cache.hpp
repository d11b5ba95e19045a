// Results of crates by what they were made from. A crate whose sources, dependencies in the project,
// manifests, rules and settings are the same is neither parsed nor judged again; what its report says is the
// same either way.
#pragma once

#include <osvm/audit/finding.hpp>

#include <optional>

#include "audit/project/project.hpp"

namespace osvm::audit {

// What one crate adds to a report, before suppressions.
struct crate_result {
  bool program = false;
  program_summary summary;
  std::vector<finding> findings;
};

// A folder of files, one for each result. Other programs that write there decide what is reported: it belongs
// to the user alone. Safe for several processes at once; not for several threads.
class result_cache final {
 public:
  // `folder` is made. `rules`: a digest of everything beside the sources that a result depends on.
  result_cache(std::string folder, std::string rules);

  bool holds(const project& p, const crate& c);
  // After holds(): fills in what parsing would have.
  void restore(project& p, crate& c);
  // Of a crate that was restored.
  crate_result take(const crate& c);
  void store(const project& p, const crate& c, const crate_result& r);

 private:
  struct entry;
  std::string key_of(const project& p, const crate& c) const;
  void prune() const;
  std::string folder_, rules_;
  std::map<const crate*, std::string> keys_;
  std::map<const crate*, std::shared_ptr<entry>> held_;
};

}  // namespace osvm::audit
