# Checks: one file each, the table of all is generated.
osvm_registry(${PROJECT_BINARY_DIR}/generated/audit/checks.cpp
  FOLDER ${CMAKE_CURRENT_LIST_DIR}/checks SUFFIX check
  TYPE check HEADER audit/checks/check.hpp NAMESPACE osvm::audit TABLE all_checks)
target_sources(osvm_audit PRIVATE ${PROJECT_BINARY_DIR}/generated/audit/checks.cpp)

# The front end: tree-sitter's, or the one that says that there is none.
get_target_property(sources osvm_audit SOURCES)
if(OSVM_RUST_GRAMMAR)
  list(FILTER sources EXCLUDE REGEX "/audit/grammar_absent/")
else()
  list(FILTER sources EXCLUDE REGEX "/audit/grammar/")
endif()
set_target_properties(osvm_audit PROPERTIES SOURCES "${sources}")
if(OSVM_RUST_GRAMMAR)
  set(grammar ${OSVM_RUST_GRAMMAR}/src/parser.c ${OSVM_RUST_GRAMMAR}/src/scanner.c)
  target_sources(osvm_audit PRIVATE ${grammar})
  # Generated tables: nothing to warn about or to instrument.
  set_source_files_properties(${grammar} PROPERTIES
    COMPILE_OPTIONS "-w;-O1;-g0;-fno-sanitize=all" INCLUDE_DIRECTORIES ${OSVM_RUST_GRAMMAR}/src)
endif()
