# Each public header compiles alone, as C++20 without exceptions and RTTI, with no warning: with the compiler of this build, and
# with clang 14, the oldest that users may bring, where it is there. Included by tests/CMakeLists.txt; nothing of it is run.
file(GLOB public_headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/include/sluice/*.hpp)
set(header_sources ${CMAKE_CURRENT_SOURCE_DIR}/unit/public_headers/instantiate.cpp)
foreach(header IN LISTS public_headers)
  string(MAKE_C_IDENTIFIER ${header} name)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/public_headers/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "#include <${header}>\n" @ONLY)
  list(APPEND header_sources ${source})
endforeach()
list(TRANSFORM public_headers PREPEND ${PROJECT_SOURCE_DIR}/include/ OUTPUT_VARIABLE header_files)
set(header_options -fno-exceptions -fno-rtti -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wsign-conversion -Werror)

add_library(sluice-public-headers OBJECT ${header_sources})
target_link_libraries(sluice-public-headers PRIVATE sluice::sluice)
target_compile_options(sluice-public-headers PRIVATE ${header_options})
set_target_properties(sluice-public-headers PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)

find_program(SLUICE_CLANG_14 clang++-14)
if(SLUICE_CLANG_14)
  set(stamps "")
  foreach(source IN LISTS header_sources)
    get_filename_component(name ${source} NAME_WE)
    set(stamp ${CMAKE_CURRENT_BINARY_DIR}/public_headers/${name}.clang-14)
    add_custom_command(
      OUTPUT ${stamp}
      COMMAND ${SLUICE_CLANG_14} -std=c++20 ${header_options} -I${PROJECT_SOURCE_DIR}/include -fsyntax-only ${source}
      COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
      DEPENDS ${source} ${header_files}
      COMMENT "clang 14: ${name}"
      VERBATIM)
    list(APPEND stamps ${stamp})
  endforeach()
  add_custom_target(sluice-public-headers-clang-14 ALL DEPENDS ${stamps})
endif()
