# Each public header compiles alone, as C++20, with no warning, both with exceptions and RTTI and without them: with the compiler
# of this build, and with clang 14, the oldest that users may bring, where it is there. Included by tests/CMakeLists.txt; nothing of
# it is run.
file(GLOB public_headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/include/sluice/*.hpp)
set(header_sources ${CMAKE_CURRENT_SOURCE_DIR}/unit/public_headers/instantiate.cpp)
foreach(header IN LISTS public_headers)
  string(MAKE_C_IDENTIFIER ${header} name)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/public_headers/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "#include <${header}>\n" @ONLY)
  list(APPEND header_sources ${source})
endforeach()
list(TRANSFORM public_headers PREPEND ${PROJECT_SOURCE_DIR}/include/ OUTPUT_VARIABLE header_files)
set(header_options -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wsign-conversion -Werror)
set(header_options_with "")
set(header_options_without -fno-exceptions -fno-rtti)

foreach(variant IN ITEMS with without)
  set(target sluice-public-headers-${variant}-exceptions)
  add_library(${target} OBJECT ${header_sources})
  target_link_libraries(${target} PRIVATE sluice::sluice)
  target_compile_options(${target} PRIVATE ${header_options} ${header_options_${variant}})
  set_target_properties(${target} PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
endforeach()

find_program(SLUICE_CLANG_14 clang++-14)
if(SLUICE_CLANG_14 AND NOT CMAKE_CROSSCOMPILING)
  set(stamps "")
  foreach(source IN LISTS header_sources)
    get_filename_component(name ${source} NAME_WE)
    set(stamp ${CMAKE_CURRENT_BINARY_DIR}/public_headers/${name}.clang-14)
    set(command ${SLUICE_CLANG_14} -std=c++20 ${header_options} -I${PROJECT_SOURCE_DIR}/include -fsyntax-only ${source})
    add_custom_command(
      OUTPUT ${stamp}
      COMMAND ${command} ${header_options_with}
      COMMAND ${command} ${header_options_without}
      COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
      DEPENDS ${source} ${header_files}
      COMMENT "clang 14: ${name}"
      VERBATIM)
    list(APPEND stamps ${stamp})
  endforeach()
  add_custom_target(sluice-public-headers-clang-14 ALL DEPENDS ${stamps})
endif()
