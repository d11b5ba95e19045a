# Options and flags shared by every target. Sets no global state beyond CMAKE_* defaults.
option(OSVM_BUILD_TOOLS "C library, CLI and guest programs" ${PROJECT_IS_TOP_LEVEL})
option(OSVM_BUILD_TESTS "tests" ${PROJECT_IS_TOP_LEVEL})
option(OSVM_INSTALL "rules for cmake --install" ${PROJECT_IS_TOP_LEVEL})
option(OSVM_BUILD_PYTHON "Python extension, where pybind11 and Python's headers are installed" ${PROJECT_IS_TOP_LEVEL})
option(OSVM_UNITY "compile the sources of a folder in batches: a clean build takes half the time" OFF)
option(OSVM_WERROR "warnings are errors" OFF)
option(OSVM_FUZZ "build libFuzzer targets (clang)" OFF)
option(OSVM_COVERAGE "instrument for gcov" OFF)
set(OSVM_SANITIZE "" CACHE STRING "value for -fsanitize=, for example address,undefined")

# Build type of the sanitizer presets. GCC takes 1.6 times as long for -O2 -g with ASan and UBSan; backtraces keep lines.
set(CMAKE_C_FLAGS_SANITIZE "-O1 -g1 -DNDEBUG" CACHE STRING "flags of build type Sanitize")
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -DNDEBUG" CACHE STRING "flags of build type Sanitize")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)

find_program(OSVM_CCACHE ccache)
if(OSVM_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${OSVM_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${OSVM_CCACHE})
endif()
find_program(OSVM_MOLD mold)
if(OSVM_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_library(osvm_flags INTERFACE)
target_compile_options(osvm_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Woverloaded-virtual -Wno-missing-field-initializers
    # GCC 12 reports std::optional's unset storage as uninitialised when it is moved.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${OSVM_WERROR}>>:-Werror>)
# Narrow Asio: its implementation is compiled once, in lib/core/asio.cpp.
target_compile_definitions(osvm_flags INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_ALL_NO_LIB)
if(OSVM_SANITIZE)
  add_compile_options(-fsanitize=${OSVM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${OSVM_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options(-fno-sanitize=function)  # clang 14 cannot assemble coroutines with it
    # C programs that link the C library.
    add_link_options($<$<LINK_LANGUAGE:C>:-fsanitize-link-c++-runtime> $<$<LINK_LANGUAGE:C>:-lstdc++>)
  endif()
endif()
if(OSVM_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(OSVM_COVERAGE)
  # Guests have many threads: counters that two of them raise at once must not come out negative, which gcovr refuses.
  add_compile_options(--coverage $<$<CXX_COMPILER_ID:GNU>:-fprofile-update=atomic>)
  add_link_options(--coverage)
endif()
