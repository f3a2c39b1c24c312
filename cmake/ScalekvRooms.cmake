# scalekv_room(NAME [ROOMS room...] [LIBRARIES target...] [HEADERS target...]): a static library of src/NAME/*.cc that
# sees the rooms it names (and, through them, the ones above). HEADERS are libraries without anything to link.
# scalekv_room_test(NAME) builds tests/NAME/*_test.cc into test_NAME.

set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
add_library(scalekv_options INTERFACE)
target_compile_features(scalekv_options INTERFACE cxx_std_20)
# Ours to keep clean; no business of a project that takes this one in.
if(PROJECT_IS_TOP_LEVEL)
  target_compile_options(scalekv_options INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wno-psabi
    # What GCC says of a header with an anonymous namespace; sources compiled together are no headers.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
if(SCALEKV_SANITIZE)
  target_compile_options(scalekv_options INTERFACE
    -fsanitize=${SCALEKV_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(scalekv_options INTERFACE -fsanitize=${SCALEKV_SANITIZE})
endif()

function(scalekv_room name)
  cmake_parse_arguments(PARSE_ARGV 1 room "" "" "ROOMS;LIBRARIES;HEADERS")
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cc")
  if(NOT sources)
    message(FATAL_ERROR "Room ${name} has no sources")
  endif()
  add_library(scalekv_${name} STATIC ${sources})
  # Where files are compiled together (CMAKE_UNITY_BUILD), those that are compiled once for each instruction set are not.
  foreach(source IN LISTS sources)
    file(STRINGS "${source}" targets REGEX "foreach_target" LIMIT_COUNT 1)
    if(targets)
      set_source_files_properties("${source}" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
  target_include_directories(scalekv_${name} PUBLIC "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  if(name STREQUAL kernels)
    target_compile_options(scalekv_kernels PRIVATE -fopenmp-simd)  # `#pragma omp simd`; nothing of OpenMP is linked
  endif()
  if(name STREQUAL kernels AND SCALEKV_SANITIZE)
    target_compile_options(scalekv_kernels PRIVATE -O2)  # vector code that is not inlined takes minutes
  elseif(name STREQUAL kernels)
    target_compile_options(scalekv_kernels PRIVATE $<$<CONFIG:Release>:-O3>)  # where the time of a picture goes
  endif()
  list(TRANSFORM room_ROOMS PREPEND scalekv_)
  target_link_libraries(scalekv_${name} PUBLIC scalekv_options ${room_ROOMS} ${room_LIBRARIES} ${room_HEADERS})
  set_property(GLOBAL APPEND PROPERTY SCALEKV_ROOMS scalekv_${name})
  set_property(GLOBAL APPEND PROPERTY SCALEKV_LIBRARIES ${room_LIBRARIES})
endfunction()

function(scalekv_room_test name)
  cmake_parse_arguments(PARSE_ARGV 1 test "" "" "LIBRARIES")
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${name}/*_test.cc")
  if(sources)
    add_executable(test_${name} ${sources})
    target_link_libraries(test_${name} PRIVATE scalekv_${name} ${test_LIBRARIES} test_main)
    target_include_directories(test_${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
    # Compiling a test takes far longer than running it; but kernels are compared with plain loops in the tests.
    target_compile_options(test_${name} PRIVATE $<IF:$<OR:$<CONFIG:Release>,$<STREQUAL:${name},kernels>>,-O1,-O0>)
    target_compile_definitions(test_${name} PRIVATE
      SCALEKV_SOURCE_DIR="${PROJECT_SOURCE_DIR}" SCALEKV_BINARY_DIR="${PROJECT_BINARY_DIR}")
    gtest_discover_tests(test_${name} TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60)
    add_dependencies(unit_tests test_${name})
  endif()
endfunction()
