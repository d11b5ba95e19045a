// Security rules by name. In the library they are compile-time truths. The test variant of this module
// (OSVM_TEST_CONTROLS) makes each a switch, so that a test can show that its attack succeeds when exactly
// that rule is off.
#pragma once

namespace osvm::net {

#ifdef OSVM_TEST_CONTROLS
struct rule_set {
  bool verify_chain = true;  // the server's certificate leads to a trusted authority
  bool verify_name = true;   // and is for the name that was connected to
};
inline rule_set rules;  // of the test's process
#else
struct rule_set {
  static constexpr bool verify_chain = true, verify_name = true;
};
inline constexpr rule_set rules;
#endif

}  // namespace osvm::net
