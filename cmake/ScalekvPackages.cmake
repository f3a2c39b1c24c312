# `make package`: Debian packages of the release that builds them, one a part, with debug symbols apart.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR scalekv)
set(CPACK_PACKAGE_CONTACT "scalekv maintainers <maintainers@scalekv.invalid>" CACHE STRING "Maintainer of the packages")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "text to image with Infinity models on CPUs")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL scalekv ${runtime} libscalekv-dev)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION graphics)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_DEBUGINFO_PACKAGE ON)

# oneDNN is opened as it runs, which dpkg-shlibdeps cannot see: the package that holds it here.
file(STRINGS "${DNNL_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h" major REGEX "define DNNL_VERSION_MAJOR")
string(REGEX MATCH "[0-9]+$" major "${major}")
execute_process(COMMAND dpkg-query -S "*/libdnnl.so.${major}" OUTPUT_VARIABLE owner ERROR_QUIET)
string(REGEX MATCH "^[^:]+" onednn "${owner}")

function(scalekv_package part section depends summary text)
  string(TOUPPER "${part}" name)
  set(CPACK_DEBIAN_${name}_PACKAGE_NAME ${part} PARENT_SCOPE)
  set(CPACK_DEBIAN_${name}_PACKAGE_SECTION ${section} PARENT_SCOPE)
  set(CPACK_DEBIAN_${name}_PACKAGE_DEPENDS "${depends}" PARENT_SCOPE)
  set(CPACK_COMPONENT_${name}_DESCRIPTION "${summary}\n${text}" PARENT_SCOPE)
endfunction()

set(about "Draws pictures from prompts with the Infinity family of visual\nautoregressive models, with a key/value cache held to a tenth of its size\n(ScaleKV).")
scalekv_package(scalekv graphics "${onednn}" "text to image with Infinity models on CPUs"
  "${about}\nThis package holds the program and a small model of its own.")
scalekv_package(${runtime} libs "${onednn}" "text to image with Infinity models on CPUs (library)"
  "${about}\nThis package holds the shared library.")
scalekv_package(libscalekv-dev libdevel "${runtime} (= ${PROJECT_VERSION})"
  "text to image with Infinity models on CPUs (development)"
  "${about}\nThis package holds headers, the static library, and files for CMake and\npkg-config.")
if(TARGET scalekv_mpi)
  list(APPEND CPACK_COMPONENTS_ALL scalekv-mpi)
  scalekv_package(scalekv-mpi graphics "scalekv (= ${PROJECT_VERSION})"
    "text to image with Infinity models on CPUs (MPI)"
    "${about}\nThis package lets \"mpirun scalekv sample\" share a list of prompts among\nprocesses and machines.")
endif()
include(CPack)
