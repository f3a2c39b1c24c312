# find_package(scalekv) for other projects: libraries, public headers and the package file.
get_property(rooms GLOBAL PROPERTY SCALEKV_ROOMS)
# The command line's own; whoever uses the library need not have MPI.
list(REMOVE_ITEM rooms scalekv_distributed)
install(TARGETS scalekv scalekv_options ${rooms} EXPORT scalekv_targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/scalekv DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT scalekv_targets NAMESPACE scalekv:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/scalekv)
configure_package_config_file(cmake/scalekvConfig.cmake.in ${PROJECT_BINARY_DIR}/scalekvConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/scalekv)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/scalekvConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/scalekvConfig.cmake ${PROJECT_BINARY_DIR}/scalekvConfigVersion.cmake
  cmake/ScalekvDependencies.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/scalekv)
