# What the sources need and a program that links the library does not: libraries of headers alone, and oneDNN, which is
# opened when it is first needed (src/kernels/onednn_library.cc). Stops where anything is missing.
find_path(DNNL_INCLUDE_DIR dnnl.hpp)
mark_as_advanced(DNNL_INCLUDE_DIR)
scalekv_need(DNNL_INCLUDE_DIR libdnnl-dev onednn-devel onednn onednn)
find_package(nlohmann_json QUIET)
scalekv_need(nlohmann_json_FOUND nlohmann-json3-dev json-devel nlohmann-json nlohmann-json)
find_package(CLI11 QUIET)
scalekv_need(CLI11_FOUND libcli11-dev cli11-devel cli11 cli11)
find_package(Eigen3 QUIET NO_MODULE)
scalekv_need(Eigen3_FOUND libeigen3-dev eigen3-devel eigen eigen)
if(SCALEKV_MISSING)
  message(FATAL_ERROR "Packages are missing. On Debian and Ubuntu `tools/install_packages.sh` installs them. By system:\n"
    "  Debian, Ubuntu        Fedora                Arch                  Homebrew${SCALEKV_MISSING}")
endif()
if(NOT TARGET dnnl::headers)
  add_library(dnnl::headers INTERFACE IMPORTED)
  set_target_properties(dnnl::headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${DNNL_INCLUDE_DIR}")
endif()
