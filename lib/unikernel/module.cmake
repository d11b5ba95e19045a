# The system-call table: one family per file of syscalls/families/.
osvm_registry(${PROJECT_BINARY_DIR}/generated/unikernel/syscall_families.cpp
  FOLDER ${CMAKE_CURRENT_LIST_DIR}/syscalls/families SUFFIX family
  TYPE syscall_family HEADER unikernel/syscalls/syscall.hpp NAMESPACE osvm::unikernel TABLE syscall_families)
foreach(target osvm_unikernel osvm_unikernel_controls)
  if(TARGET ${target})
    target_sources(${target} PRIVATE ${PROJECT_BINARY_DIR}/generated/unikernel/syscall_families.cpp)
  endif()
endforeach()
