// Every expression below a node, outer ones first.
#pragma once

#include "audit/syntax/ast.hpp"

namespace osvm::audit {

template <class F>
void walk(const node* n, const F& f, unsigned depth = 0) {
  if (n == nullptr || depth > 256) return;
  f(*n);
  for (const auto* k : n->kids) walk(k, f, depth + 1);
}

}  // namespace osvm::audit
