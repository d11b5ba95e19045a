# Where the Rust grammar for tree-sitter comes from: OSVM_TREE_SITTER_RUST (an unpacked npm package), a download that
# an earlier configure run of this checkout left, or npm's registry; the archive's SHA-512 is pinned. Sets
# OSVM_RUST_GRAMMAR (a folder) and OSVM_AUDIT_LIBRARIES, or leaves them empty and says why: `osvm audit` then answers
# "unsupported in this build". 0.24 speaks ABI 15, which Debian 12's library refuses.
include(osvm_npm)

set(OSVM_TREE_SITTER_RUST "" CACHE PATH "unpacked npm package tree-sitter-rust 0.23.3 (default: downloaded)")

function(osvm_find_rust_grammar)
  set(OSVM_RUST_GRAMMAR "" PARENT_SCOPE)
  find_path(OSVM_TREE_SITTER_INCLUDE tree_sitter/api.h)
  find_library(OSVM_TREE_SITTER_LIBRARY tree-sitter)
  if(NOT OSVM_TREE_SITTER_INCLUDE OR NOT OSVM_TREE_SITTER_LIBRARY)
    message(STATUS "audit: left out, tree-sitter is not installed (Debian: libtree-sitter-dev)")
    return()
  endif()
  if(OSVM_TREE_SITTER_RUST)
    if(NOT EXISTS ${OSVM_TREE_SITTER_RUST}/src/parser.c)
      message(FATAL_ERROR "OSVM_TREE_SITTER_RUST=${OSVM_TREE_SITTER_RUST} holds no src/parser.c")
    endif()
    set(OSVM_RUST_GRAMMAR ${OSVM_TREE_SITTER_RUST} PARENT_SCOPE)
    return()
  endif()

  osvm_npm_package(unpacked tree-sitter-rust/-/tree-sitter-rust-0.23.3.tgz
    b8b7592752b6e84b894c1309973d65b53960ee72720184e17e8b9782281fe62c4a39ab0e2f9c0dad10a9b964ec97aac370a9592bd517f9a9e714ba8ffe4721c1)
  if(NOT unpacked)
    message(STATUS "audit: left out; -D OSVM_TREE_SITTER_RUST=DIR names an unpacked tree-sitter-rust 0.23.3")
    return()
  endif()
  set(OSVM_RUST_GRAMMAR ${unpacked} PARENT_SCOPE)
endfunction()

osvm_find_rust_grammar()
set(OSVM_AUDIT_LIBRARIES "")
if(OSVM_RUST_GRAMMAR)
  set(OSVM_AUDIT_LIBRARIES tree-sitter)
endif()
