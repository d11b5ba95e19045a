# osvm_unity(<target> [EXCEPT <files...>])
#   With OSVM_UNITY, compiles the C++ sources of one folder in batches (small folders of a target together): more
#   than half of a unit's cost is its headers. A name at file scope must then be the only one of its batch; presets
#   without OSVM_UNITY show that each file still stands alone. EXCEPT: files that join no batch.
function(osvm_unity target)
  cmake_parse_arguments(U "" "" "EXCEPT" ${ARGN})
  if(NOT OSVM_UNITY)
    return()
  endif()
  set(batch 12)
  set(small 6)
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "\\.cpp$")
  set(folders "")
  foreach(source ${sources})
    cmake_path(GET source FILENAME file)
    if(NOT file IN_LIST U_EXCEPT)
      cmake_path(GET source PARENT_PATH folder)
      string(MD5 key "${folder}")
      list(APPEND folders ${key})
      list(APPEND in_${key} ${source})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES folders)
  set(rest "")
  foreach(key ${folders})
    list(LENGTH in_${key} count)
    if(count LESS small)
      list(APPEND rest ${in_${key}})
    else()
      osvm_unity_group("${key}" ${batch} ${in_${key}})
    endif()
  endforeach()
  osvm_unity_group(rest ${batch} ${rest})
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
endfunction()

function(osvm_unity_group name batch)
  set(count 0)
  foreach(source ${ARGN})
    math(EXPR chunk "${count} / ${batch}")
    math(EXPR count "${count} + 1")
    string(SUBSTRING ${name} 0 4 short)
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${short}_${chunk})
  endforeach()
endfunction()

# osvm_add_module(<name> DEPENDS <modules...> [LINK <public libs>] [PRIVATE <private libs>] [TESTABLE]
#                 [UNITY [ALONE <files>]])
#   sources: lib/<name>/**/*.cpp; public headers: include/osvm/<name>/; target osvm_<name>, alias osvm::<name>.
#   TESTABLE also builds osvm_<name>_controls with OSVM_TEST_CONTROLS: the same sources with a switch for each
#   security rule, so that a test can show that the attack works when exactly that rule is off. Never installed.
#   UNITY: large enough for osvm_unity() to pay; ALONE names the files that join no other.
function(osvm_add_module name)
  cmake_parse_arguments(M "TESTABLE;UNITY" "" "DEPENDS;LINK;PRIVATE;ALONE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/lib/${name}/*.cpp ${PROJECT_SOURCE_DIR}/lib/${name}/*.S)
  if(NOT sources)  # a module that is headers only, so far: give the archive one empty unit
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/${name}_empty.cpp CONTENT "")
    set(sources ${PROJECT_BINARY_DIR}/generated/${name}_empty.cpp)
  endif()
  set(flags_scope PUBLIC)
  if(NOT PROJECT_IS_TOP_LEVEL)  # our warnings are not the business of the project around us
    set(flags_scope PRIVATE)
  endif()
  set(variants osvm_${name})
  if(M_TESTABLE AND OSVM_BUILD_TESTS)
    list(APPEND variants osvm_${name}_controls)
  endif()
  foreach(target ${variants})
    add_library(${target} STATIC ${sources})
    target_include_directories(${target}
      PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
      PRIVATE ${PROJECT_SOURCE_DIR}/lib ${PROJECT_BINARY_DIR}/generated)
    list(TRANSFORM M_DEPENDS PREPEND osvm_ OUTPUT_VARIABLE deps)
    target_link_libraries(${target} PUBLIC ${deps} ${M_LINK} Threads::Threads PRIVATE ${M_PRIVATE})
    target_link_libraries(${target} ${flags_scope} $<BUILD_INTERFACE:osvm_flags>)
    target_compile_features(${target} PUBLIC cxx_std_20)
    # A consumer must see Asio as the library was compiled with it.
    target_compile_definitions(${target} PUBLIC BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
    if(target MATCHES "_controls$")
      target_compile_definitions(${target} PUBLIC OSVM_TEST_CONTROLS)
      target_compile_options(${target} PRIVATE $<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:CXX>>:-O1>)
    endif()
    if(M_UNITY)
      osvm_unity(${target} EXCEPT ${M_ALONE})
    endif()
  endforeach()
  add_library(osvm::${name} ALIAS osvm_${name})
  set_property(GLOBAL APPEND PROPERTY OSVM_MODULES ${name})
  if(EXISTS ${PROJECT_SOURCE_DIR}/lib/${name}/module.cmake)
    include(${PROJECT_SOURCE_DIR}/lib/${name}/module.cmake)
  endif()
endfunction()

# osvm_registry(<out.cpp> FOLDER <dir> TYPE <type> HEADER <header> NAMESPACE <ns> TABLE <name>)
#   One file in FOLDER defines one constant `extern const TYPE <file stem>_<suffix>`; this writes the table of all.
#   No self-registering statics: the linker drops them from static libraries.
function(osvm_registry out)
  cmake_parse_arguments(R "" "FOLDER;TYPE;HEADER;NAMESPACE;TABLE;SUFFIX" "" ${ARGN})
  file(GLOB files CONFIGURE_DEPENDS ${R_FOLDER}/*.cpp)
  set(decls "")
  set(rows "")
  foreach(f ${files})
    get_filename_component(stem ${f} NAME_WE)
    string(APPEND decls "extern const ${R_TYPE} ${stem}_${R_SUFFIX};\n")
    string(APPEND rows "    &${stem}_${R_SUFFIX},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT
"// Generated by osvm_registry() from the files of one folder. Do not edit.
#include \"${R_HEADER}\"

namespace ${R_NAMESPACE} {
${decls}
static const ${R_TYPE}* const ${R_TABLE}_rows[] = {
${rows}};
std::span<const ${R_TYPE}* const> ${R_TABLE}() noexcept { return ${R_TABLE}_rows; }
}
")
endfunction()

# osvm_add_test(<name> SOURCES ... LINK ... [LABELS ...] [TIMEOUT s] [ALONE <sources that join no batch>])
#   LABELS: unit, kvm (needs /dev/kvm), peer (needs another program), fault; slow: only in `make test-all`;
#   asan: `make test` runs it under ASan and UBSan too (parsers, system-call layer).
function(osvm_add_test name)
  cmake_parse_arguments(T "" "TIMEOUT" "SOURCES;LINK;LABELS;ALONE" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 60)
  endif()
  add_executable(${name} ${T_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/lib
    ${PROJECT_BINARY_DIR}/generated)
  target_link_libraries(${name} PRIVATE ${T_LINK} GTest::gtest_main osvm_flags)
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)  # two thirds of -O3's time; assertions run once
  list(LENGTH T_SOURCES count)
  if(count GREATER 1)
    osvm_unity(${name} EXCEPT ${T_ALONE})
  endif()
  if("asan" IN_LIST T_LABELS)  # what `make test` also runs under ASan and UBSan
    if(NOT TARGET asan_tests)
      add_custom_target(asan_tests)
    endif()
    add_dependencies(asan_tests ${name})
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "${T_LABELS}")
endfunction()
