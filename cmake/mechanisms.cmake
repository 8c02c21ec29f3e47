# Which mechanisms are built in, read from the rows of the table, and their factories.
#
# sluice_add_mechanisms(target system): for each row of src/mechanisms/table.cpp whose systems contain `system` and for which
# src/mechanisms/NAME.cpp exists, compiles that file and NAME_*.cpp into `target`. From the same rows it makes factories.cpp,
# which defines links::find_mechanism(), and sets the global property SLUICE_MECHANISMS to their names. A changed table, a new
# or a deleted file configures anew.

# Mechanisms whose file is not written for that system yet, though it is for another one: there they are not built in.
set(sluice_unwritten_windows local unix pipe shm)

set(sluice_table ${CMAKE_CURRENT_SOURCE_DIR}/src/mechanisms/table.cpp)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${sluice_table})

function(sluice_add_mechanisms target system)
  set(folder ${CMAKE_CURRENT_SOURCE_DIR}/src/mechanisms)
  file(GLOB written CONFIGURE_DEPENDS RELATIVE ${folder} ${folder}/*.cpp)
  file(STRINGS ${sluice_table} rows REGEX "^ *{\"[a-z]+\", \"[a-z ]+\", ")
  set(declarations "")
  set(cases "")
  set(built "")
  foreach(row IN LISTS rows)
    string(REGEX MATCH "{\"([a-z]+)\", \"([a-z ]+)\", " unused "${row}")
    set(name ${CMAKE_MATCH_1})
    string(REPLACE " " ";" systems "${CMAKE_MATCH_2}")
    if(NOT system IN_LIST systems OR NOT "${name}.cpp" IN_LIST written OR name IN_LIST sluice_unwritten_${system})
      continue()
    endif()
    list(APPEND built ${name})
    string(APPEND declarations "const links::Mechanism& ${name}_mechanism();\n")
    string(APPEND cases "  if (name == \"${name}\") return &mechanism::${name}_mechanism();\n")
    foreach(file IN LISTS written)
      if(file STREQUAL "${name}.cpp" OR file MATCHES "^${name}_")
        target_sources(${target} PRIVATE ${folder}/${file})
      endif()
    endforeach()
  endforeach()
  configure_file(${CMAKE_CURRENT_SOURCE_DIR}/cmake/factories.cpp.in factories.cpp @ONLY)
  target_sources(${target} PRIVATE ${folder}/table.cpp ${CMAKE_CURRENT_BINARY_DIR}/factories.cpp)
  set_property(GLOBAL PROPERTY SLUICE_MECHANISMS ${built})
  message(STATUS "Mechanisms built in: ${built}")
endfunction()
