# What is installed, in parts: scalekv (the program), libscalekv0 (the shared library), libscalekv-dev (headers, the
# static library, what CMake and pkg-config read).
set(runtime "libscalekv${PROJECT_VERSION_MAJOR}")
set(config "${CMAKE_INSTALL_LIBDIR}/cmake/scalekv")

install(TARGETS scalekv_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT scalekv)
install(TARGETS scalekv_static EXPORT scalekv_static_targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libscalekv-dev)
install(EXPORT scalekv_static_targets NAMESPACE scalekv:: DESTINATION ${config} COMPONENT libscalekv-dev)
if(BUILD_SHARED_LIBS)
  install(TARGETS scalekv_shared EXPORT scalekv_targets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${runtime} NAMELINK_COMPONENT libscalekv-dev)
  install(EXPORT scalekv_targets NAMESPACE scalekv:: DESTINATION ${config} COMPONENT libscalekv-dev)
endif()
install(DIRECTORY include/scalekv DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT libscalekv-dev)

configure_package_config_file(cmake/scalekvConfig.cmake.in ${PROJECT_BINARY_DIR}/scalekvConfig.cmake
  INSTALL_DESTINATION ${config})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/scalekvConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/scalekvConfig.cmake ${PROJECT_BINARY_DIR}/scalekvConfigVersion.cmake
  cmake/ScalekvDependencies.cmake DESTINATION ${config} COMPONENT libscalekv-dev)
# Relative to the file, so that a folder that was moved still serves.
file(RELATIVE_PATH SCALEKV_PC_PREFIX "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
# No `Requires`: it would hand a program the compile flags of libraries that it never sees.
set(SCALEKV_PC_HIDDEN " -lcsv -ltbb -lhwy -lfmt -lpng -ljpeg -lz -lcrypto -lwebpmux -lwebpdemux -lwebp -lutf8proc")
if(NOT BUILD_SHARED_LIBS)
  set(SCALEKV_PC_SHOWN "${SCALEKV_PC_HIDDEN}")
  set(SCALEKV_PC_HIDDEN "")
endif()
configure_file(cmake/scalekv.pc.in ${PROJECT_BINARY_DIR}/scalekv.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/scalekv.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT libscalekv-dev)

set(parts scalekv ${runtime} libscalekv-dev)
if(TARGET scalekv_mpi)
  list(APPEND parts scalekv-mpi)
endif()
foreach(part IN LISTS parts)
  install(FILES LICENSE THIRD_PARTY_NOTICES.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${part} COMPONENT ${part})
endforeach()
