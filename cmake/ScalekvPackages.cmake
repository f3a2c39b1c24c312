# `make package`: Debian packages for the release that builds them, one a part, with debug symbols apart. A package of
# one release cannot be installed on another: its libraries have other names there.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR scalekv)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each part has its own
set(CPACK_PACKAGE_CONTACT "scalekv maintainers <maintainers@scalekv.invalid>" CACHE STRING "Maintainer of the packages")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL scalekv ${runtime} libscalekv-dev)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION graphics)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_DEBUGINFO_PACKAGE ON)
set(CPACK_PRE_BUILD_SCRIPTS "${PROJECT_SOURCE_DIR}/packaging/debian/prepare.cmake")
cmake_host_system_information(RESULT system QUERY DISTRIB_INFO)
set(CPACK_DEBIAN_PACKAGE_RELEASE "1~${system_ID}${system_VERSION_ID}")

# oneDNN is opened as it runs, which dpkg-shlibdeps cannot see: the package that holds it here.
find_program(DPKG_QUERY dpkg-query)
mark_as_advanced(DPKG_QUERY)
if(DPKG_QUERY)
  execute_process(COMMAND ${DPKG_QUERY} -S "*/${SCALEKV_ONEDNN_SONAME}" OUTPUT_VARIABLE owner ERROR_QUIET)
  string(REGEX MATCH "^[^:]+" onednn "${owner}")
endif()

# scalekv_package(PART SECTION DEPENDS SUMMARY TEXT): what the package of a part says of itself.
function(scalekv_package part section depends summary text)
  string(TOUPPER "${part}" name)
  set(CPACK_DEBIAN_${name}_PACKAGE_NAME ${part} PARENT_SCOPE)
  set(CPACK_DEBIAN_${name}_PACKAGE_SECTION ${section} PARENT_SCOPE)
  set(CPACK_DEBIAN_${name}_PACKAGE_DEPENDS "${depends}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${name}_DESCRIPTION "${summary}\nDraws pictures from prompts with the Infinity family of visual
autoregressive models, with a key/value cache held to a tenth of its size
(ScaleKV).\n.\n${text}" PARENT_SCOPE)
endfunction()

set(same_version "${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}")
scalekv_package(scalekv graphics "${onednn}" "text to image with Infinity models on CPUs"
  "This package holds the program and a small model of its own.")
scalekv_package(${runtime} libs "${onednn}" "text to image with Infinity models on CPUs (library)"
  "This package holds the shared library.")
scalekv_package(libscalekv-dev libdevel "${runtime} (= ${same_version})"
  "text to image with Infinity models on CPUs (development)"
  "This package holds headers, the static library, and files for CMake and\npkg-config.")
set(CPACK_DEBIAN_LIBSCALEKV-DEV_DEBUGINFO_PACKAGE OFF)
string(TOUPPER ${runtime} name)
set(CPACK_DEBIAN_${name}_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/packaging/debian/triggers")
if(TARGET scalekv_mpi)
  list(APPEND CPACK_COMPONENTS_ALL scalekv-mpi)
  scalekv_package(scalekv-mpi graphics "scalekv (= ${same_version})" "text to image with Infinity models on CPUs (MPI)"
    "With this package, mpirun scalekv sample shares a list of prompts among\nprocesses and machines.")
endif()
include(CPack)
