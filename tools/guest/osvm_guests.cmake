# osvm_add_guest(): static Linux programs that run inside VMs, built by plain compiler commands, so that no preset
# (sanitizers, coverage, link flags) changes what a guest is. Output: build/<preset>/guest/<name>; OSVM_GUEST_DIR is
# that folder and the target `osvm_guests` makes them all.
set(OSVM_GUEST_DIR ${PROJECT_BINARY_DIR}/guest CACHE INTERNAL "folder of the guest programs")
file(MAKE_DIRECTORY ${OSVM_GUEST_DIR})
if(NOT TARGET osvm_guests)
  add_custom_target(osvm_guests ALL)
endif()

find_program(OSVM_GUEST_CC NAMES gcc cc REQUIRED)
find_program(OSVM_GUEST_CXX NAMES g++ c++ REQUIRED)
find_program(OSVM_GUEST_MUSL_CC NAMES musl-gcc)
find_path(OSVM_GUEST_MUSL_LIB rcrt1.o PATHS /usr/lib/x86_64-linux-musl /usr/local/musl/lib NO_DEFAULT_PATH)
find_program(OSVM_GUEST_GO NAMES go HINTS /usr/local/go/bin)
find_program(OSVM_GUEST_RUSTC NAMES rustc HINTS $ENV{HOME}/.cargo/bin)

function(osvm_guest_command name)
  cmake_parse_arguments(G "" "" "COMMAND;DEPENDS" ${ARGN})
  add_custom_command(OUTPUT ${OSVM_GUEST_DIR}/${name} COMMAND ${G_COMMAND} DEPENDS ${G_DEPENDS}
    COMMENT "Guest program ${name}" VERBATIM)
  add_custom_target(guest_${name} DEPENDS ${OSVM_GUEST_DIR}/${name})
  add_dependencies(osvm_guests guest_${name})
endfunction()

# osvm_add_guest(<name> <source> [HEADERS ...] [FLAGS ...] [VARIANTS glibc pie musl musl_pie])
#   glibc makes <name>, the others <name>_<variant>.
function(osvm_add_guest name source)
  cmake_parse_arguments(G "" "" "HEADERS;FLAGS;VARIANTS" ${ARGN})
  if(NOT G_VARIANTS)
    set(G_VARIANTS glibc)
  endif()
  get_filename_component(source ${source} ABSOLUTE)
  set(inputs ${source})
  foreach(h ${G_HEADERS})
    list(APPEND inputs ${CMAKE_CURRENT_SOURCE_DIR}/${h})
  endforeach()
  if(source MATCHES "\\.cpp$")
    set(compiler ${OSVM_GUEST_CXX})
    set(flags -std=c++20)
  else()
    set(compiler ${OSVM_GUEST_CC})
    set(flags -std=c11)
  endif()
  set(lib ${OSVM_GUEST_MUSL_LIB})
  list(APPEND flags -O2 -Wall -Wextra -Wno-misleading-indentation ${G_FLAGS})
  foreach(variant ${G_VARIANTS})
    set(out ${OSVM_GUEST_DIR}/${name}_${variant})
    if(variant STREQUAL "glibc")
      osvm_guest_command(${name} DEPENDS ${inputs}
        COMMAND ${compiler} -static -pthread ${flags} -o ${OSVM_GUEST_DIR}/${name} ${source})
    elseif(variant STREQUAL "pie")
      osvm_guest_command(${name}_pie DEPENDS ${inputs}
        COMMAND ${compiler} ${flags} -static-pie -fPIE -pthread -o ${out} ${source})
    elseif(NOT OSVM_GUEST_MUSL_CC OR NOT lib)
      message(STATUS "Guest program ${name}_${variant}: skipped, musl-gcc is not installed (package musl-tools)")
    elseif(variant STREQUAL "musl")
      osvm_guest_command(${name}_musl DEPENDS ${inputs}
        COMMAND ${OSVM_GUEST_MUSL_CC} ${flags} -static -o ${out} ${source})
    else()
      # musl-gcc's specs turn -static-pie into a dynamic program, so the link is spelled out.
      add_custom_command(OUTPUT ${out}.o COMMAND ${OSVM_GUEST_MUSL_CC} ${flags} -fPIE -c -o ${out}.o ${source}
        DEPENDS ${inputs} VERBATIM)
      osvm_guest_command(${name}_musl_pie DEPENDS ${out}.o
        COMMAND ${OSVM_GUEST_CC} -static-pie -nostdlib -nostartfiles ${lib}/rcrt1.o ${lib}/crti.o ${out}.o -L${lib}
          -Wl,--start-group -lc -lgcc -Wl,--end-group ${lib}/crtn.o -o ${out})
    endif()
  endforeach()
endfunction()

