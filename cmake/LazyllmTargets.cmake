# SPDX-License-Identifier: Apache-2.0
# Helpers that every folder's CMakeLists.txt uses: one object library per
# layer, unit tests beside the code, one public static library of them all.

add_library(lazyllm_options INTERFACE)
# Contraction is off so that equal arithmetic gives equal bits wherever it stands (row invariance).
target_compile_options(lazyllm_options INTERFACE -Wall -Wextra -Wshadow -Werror -ffp-contract=off)
target_include_directories(lazyllm_options INTERFACE
  ${PROJECT_SOURCE_DIR}/src
  ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(lazyllm_options INTERFACE
  LAZYLLM_VERSION="${PROJECT_VERSION}"
  $<$<CONFIG:Debug>:LAZYLLM_DEBUG_CHECKS=1>)
target_link_libraries(lazyllm_options INTERFACE ${LAZYLLM_UTF8PROC} ${LAZYLLM_PCRE2} ${LAZYLLM_SQLITE} ${LAZYLLM_HIREDIS})
if(LAZYLLM_SANITIZE)
  target_compile_options(lazyllm_options INTERFACE
    -fsanitize=${LAZYLLM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all
    -Wno-error)  # GCC warns of things that only the sanitizer's own code does
  target_link_options(lazyllm_options INTERFACE -fsanitize=${LAZYLLM_SANITIZE})
endif()
if(LAZYLLM_BUILD_FUZZERS)
  target_compile_options(lazyllm_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  # GCC 12 and 13 see overflows in std::string that are none (GCC bugs 105329, 105651), here or
  # there as inlining happens to go; they stay warnings.
  set(LAZYLLM_FALSE_WARNINGS -Wno-error=array-bounds -Wno-error=stringop-overflow
    -Wno-error=stringop-overread -Wno-error=restrict)
  target_compile_options(lazyllm_options INTERFACE ${LAZYLLM_FALSE_WARNINGS})
endif()

# ccache, where it is installed, keeps objects over branches and clean builds.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(lazyllm_options INTERFACE -fpch-preprocess)  # what ccache needs to see through them
  endif()
endif()

# mold, where it is installed, links the many test programs in less time.
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM AND NOT CMAKE_CROSSCOMPILING AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_link_options(-fuse-ld=mold)
endif()

# Test programs: `ninja unit_tests` builds them all. Their own code runs once, so it is compiled quickly.
if(LAZYLLM_BUILD_TESTS)
  add_custom_target(unit_tests)
endif()
function(lazyllm_unit_test TARGET)
  target_compile_options(${TARGET} PRIVATE $<$<CONFIG:Release>:-O1>)
  add_dependencies(unit_tests ${TARGET})
endfunction()

# Headers that nearly every file reads, compiled once per target: half the time of a build.
set(LAZYLLM_PRECOMPILED <algorithm> <array> <chrono> <cmath> <cstdint> <filesystem> <functional> <map>
  <memory> <optional> <span> <string> <string_view> <unordered_map> <vector> <fmt/format.h>)
set(LAZYLLM_PRECOMPILED_TESTS ${LAZYLLM_PRECOMPILED} <gmock/gmock.h> <gtest/gtest.h>)

# lazyllm_layer(NAME SOURCES a.cpp... [TESTS a_test.cpp...] [USES layer...] [LIBRARIES lib...])
function(lazyllm_layer NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;TESTS;USES;LIBRARIES" ${ARGN})
  set(target lazyllm_${NAME})
  add_library(${target} OBJECT ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE lazyllm_options ${ARG_LIBRARIES})
  target_precompile_headers(${target} PRIVATE ${LAZYLLM_PRECOMPILED})
  if(LAZYLLM_UNITY AND NOT NAME MATCHES "^(evaluation|tuning)$")  # their files each mean another JSON by Json
    # Files with flags of their own (the kernels of an instruction set) stay alone.
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  endif()
  set_property(GLOBAL APPEND PROPERTY LAZYLLM_LAYERS ${target})

  if(LAZYLLM_BUILD_TESTS AND ARG_TESTS)
    set(test_target ${target}_test)
    add_executable(${test_target} ${ARG_TESTS})
    set(objects $<TARGET_OBJECTS:${target}>)
    foreach(layer IN LISTS ARG_USES)
      list(APPEND objects $<TARGET_OBJECTS:lazyllm_${layer}>)
    endforeach()
    target_sources(${test_target} PRIVATE ${objects})
    target_compile_definitions(${test_target} PRIVATE
      LAZYLLM_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    target_link_libraries(${test_target} PRIVATE lazyllm_options ${ARG_LIBRARIES} ${LAZYLLM_MPI_LIBRARY}
      GTest::gtest GTest::gmock GTest::gtest_main Threads::Threads)
    target_precompile_headers(${test_target} PRIVATE ${LAZYLLM_PRECOMPILED_TESTS})
    lazyllm_unit_test(${test_target})
    gtest_discover_tests(${test_target} TEST_PREFIX ${NAME}. DISCOVERY_TIMEOUT 60
      PROPERTIES TIMEOUT 600)
  endif()
endfunction()

# The library `lazyllm::lazyllm`: all layers in one archive, installed with the
# public headers and a package configuration that find_package(lazyllm) finds.
function(lazyllm_public_library)
  include(CMakePackageConfigHelpers)
  get_property(layers GLOBAL PROPERTY LAZYLLM_LAYERS)
  set(objects "")
  foreach(layer IN LISTS layers)
    list(APPEND objects $<TARGET_OBJECTS:${layer}>)
  endforeach()
  add_library(lazyllm STATIC ${objects})
  add_library(lazyllm::lazyllm ALIAS lazyllm)
  # Installed, it asks for these libraries by name.
  target_link_libraries(lazyllm PUBLIC Threads::Threads
    $<BUILD_INTERFACE:${LAZYLLM_UTF8PROC}> $<INSTALL_INTERFACE:utf8proc>
    $<BUILD_INTERFACE:${LAZYLLM_PCRE2}> $<INSTALL_INTERFACE:pcre2-8>)
  if(LAZYLLM_BUILD_LIBRARY)
    target_link_libraries(lazyllm PUBLIC $<BUILD_INTERFACE:${LAZYLLM_SQLITE}> $<INSTALL_INTERFACE:sqlite3>)
    if(LAZYLLM_HIREDIS)
      target_link_libraries(lazyllm PUBLIC $<BUILD_INTERFACE:${LAZYLLM_HIREDIS}> $<INSTALL_INTERFACE:hiredis>)
    endif()
  endif()
  if(LAZYLLM_MPI)
    target_link_libraries(lazyllm PUBLIC $<BUILD_INTERFACE:MPI::MPI_CXX>)
  endif()
  if(LAZYLLM_SANITIZE)
    # Users in this tree as well: inline functions of an object without it would stand for all.
    target_compile_options(lazyllm PUBLIC $<BUILD_INTERFACE:-fsanitize=${LAZYLLM_SANITIZE}>)
    target_link_options(lazyllm PUBLIC -fsanitize=${LAZYLLM_SANITIZE})
  endif()
  target_compile_features(lazyllm PUBLIC cxx_std_20)
  target_include_directories(lazyllm PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  install(TARGETS lazyllm EXPORT lazyllmTargets COMPONENT dev)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/lazyllm DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    COMPONENT dev PATTERN server.h EXCLUDE PATTERN model_store.h EXCLUDE)  # stay in the build
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/lazyllm)
  install(EXPORT lazyllmTargets NAMESPACE lazyllm:: DESTINATION ${package_dir} COMPONENT dev)
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/lazyllmConfig.cmake.in
    ${CMAKE_BINARY_DIR}/lazyllmConfig.cmake INSTALL_DESTINATION ${package_dir})
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/lazyllmConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/lazyllmConfig.cmake
                ${CMAKE_BINARY_DIR}/lazyllmConfigVersion.cmake DESTINATION ${package_dir}
          COMPONENT dev)
endfunction()
