# The system-call table: one family per file of syscalls/families/.
osvm_registry(${PROJECT_BINARY_DIR}/generated/unikernel/syscall_families.cpp
  FOLDER ${CMAKE_CURRENT_LIST_DIR}/syscalls/families SUFFIX family
  TYPE syscall_family HEADER unikernel/syscalls/syscall.hpp NAMESPACE osvm::unikernel TABLE syscall_families)
foreach(target osvm_unikernel osvm_unikernel_controls)
  if(TARGET ${target})
    target_sources(${target} PRIVATE ${PROJECT_BINARY_DIR}/generated/unikernel/syscall_families.cpp)
  endif()
endforeach()

# The guests' vDSO: its own link with plain flags, whatever the preset, then embedded as data.
set(vdso_dir ${CMAKE_CURRENT_LIST_DIR}/vdso)
set(vdso_so ${PROJECT_BINARY_DIR}/generated/unikernel/vdso.so)
add_custom_command(OUTPUT ${vdso_so}
  COMMAND ${CMAKE_C_COMPILER} -O2 -fPIC -shared -nostdlib -nostartfiles -fno-stack-protector -fno-asynchronous-unwind-tables
          -fcf-protection=none -ffreestanding -fvisibility=hidden -fuse-ld=bfd -I${vdso_dir} ${vdso_dir}/vdso.c -o ${vdso_so}
          -Wl,-soname,linux-vdso.so.1 -Wl,--hash-style=both -Wl,--version-script=${vdso_dir}/vdso.map
          -Wl,-T,${vdso_dir}/vdso.ld -Wl,-z,max-page-size=4096 -Wl,-z,norelro -Wl,--build-id=none -Wl,-s
  DEPENDS ${vdso_dir}/vdso.c ${vdso_dir}/vdso.map ${vdso_dir}/vdso.ld ${vdso_dir}/clock_page.hpp VERBATIM)
set_source_files_properties(${vdso_dir}/embed.S PROPERTIES
  COMPILE_DEFINITIONS "OSVM_VDSO_FILE=\"${vdso_so}\"" OBJECT_DEPENDS ${vdso_so})
