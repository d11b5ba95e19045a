// How often a fault is repeated: a few times in every run of the tests, often in the slow ones.
#pragma once

#include <cstdlib>

namespace osvm::test {

inline int rounds(int few, int many) {
  const char* all = std::getenv("OSVM_TEST_ALL");
  return all && *all ? many : few;
}

}  // namespace osvm::test
