# The library that programs link: everything of the rooms but the command line's, in one file. Its own libraries are
# its own business: a program that links the shared form needs nothing else. scalekv::scalekv is the shared form where
# BUILD_SHARED_LIBS is on, else the static one; scalekv::static is always there.
get_property(rooms GLOBAL PROPERTY SCALEKV_ROOMS)
get_property(libraries GLOBAL PROPERTY SCALEKV_LIBRARIES)
list(REMOVE_ITEM rooms scalekv_distributed)  # `scalekv sample` alone
list(REMOVE_DUPLICATES libraries)
list(TRANSFORM rooms REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE objects)

function(scalekv_library name kind)
  add_library(${name} ${kind} ${objects})
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX OUTPUT_NAME scalekv)
  target_compile_features(${name} INTERFACE cxx_std_20)
  target_include_directories(${name} INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${name} PRIVATE ${libraries} ${CMAKE_DL_LIBS})
  if(SCALEKV_SANITIZE)
    target_link_options(${name} PUBLIC -fsanitize=${SCALEKV_SANITIZE})
  endif()
endfunction()

scalekv_library(scalekv_static STATIC)
set_target_properties(scalekv_static PROPERTIES EXPORT_NAME static)
add_library(scalekv::static ALIAS scalekv_static)
if(BUILD_SHARED_LIBS)
  scalekv_library(scalekv_shared SHARED)
  # Without the map, what the compiler makes of the standard library's templates would be shown, too.
  set(map "${PROJECT_SOURCE_DIR}/cmake/scalekv.map")
  target_link_options(scalekv_shared PRIVATE "LINKER:--version-script=${map}")
  if(NOT SCALEKV_SANITIZE)
    target_link_options(scalekv_shared PRIVATE LINKER:-z,defs)
  endif()
  set_target_properties(scalekv_shared PROPERTIES EXPORT_NAME scalekv LINK_DEPENDS "${map}"
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
  add_library(scalekv::scalekv ALIAS scalekv_shared)
else()
  add_library(scalekv::scalekv ALIAS scalekv_static)
endif()
