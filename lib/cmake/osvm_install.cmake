# Installs headers, static libraries and the CMake package (component `development`), so that another project says
# find_package(osvm) and links osvm::osvm or single modules. Include it after every module has been added.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

get_property(modules GLOBAL PROPERTY OSVM_MODULES)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/osvm)

foreach(module ${modules})
  set_target_properties(osvm_${module} PROPERTIES EXPORT_NAME ${module})
  install(TARGETS osvm_${module} EXPORT osvm_targets COMPONENT development
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endforeach()
set_target_properties(osvm_all PROPERTIES EXPORT_NAME osvm)
install(TARGETS osvm_all EXPORT osvm_targets COMPONENT development)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/osvm DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
  FILES_MATCHING PATTERN "*.hpp")
install(EXPORT osvm_targets NAMESPACE osvm:: DESTINATION ${package_dir} COMPONENT development)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/osvmConfig.cmake.in ${PROJECT_BINARY_DIR}/osvmConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/osvmConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/osvmConfig.cmake ${PROJECT_BINARY_DIR}/osvmConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT development)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)
