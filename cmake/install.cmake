# The package: what `cmake --install` puts where, for users who find the library with find_package(sluice) or pkg-config. All of
# it may be moved afterwards: every path in it is relative to the file that holds it (but for folders given as absolute ones).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Until 1.0 a minor version may change everything, so its number belongs to the name that programs ask the loader for.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(sluice_abi ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  set(sluice_compatible SameMinorVersion)
else()
  set(sluice_abi ${PROJECT_VERSION_MAJOR})
  set(sluice_compatible SameMajorVersion)
endif()

# sluice_export_public_names(target): what a shared library shows of itself, and what its users are told of it. A static one hides
# the same names, so that a copy of it inside a plug-in stays inside. Position-independent, for plug-ins are.
function(sluice_export_public_names target)
  set_target_properties(${target} PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${sluice_abi} POSITION_INDEPENDENT_CODE ON
                        CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  get_target_property(type ${target} TYPE)
  if(NOT type STREQUAL "SHARED_LIBRARY")
    return()
  endif()
  target_compile_definitions(${target} PUBLIC SLUICE_SHARED PRIVATE SLUICE_BUILDING)
  if(UNIX AND NOT APPLE)
    # Takes the standard library's templates out of the list, and gives names a version: two releases may live in one process.
    set(map ${CMAKE_CURRENT_BINARY_DIR}/exports.map)
    configure_file(${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.map.in ${map} @ONLY)
    target_link_options(${target} PRIVATE LINKER:--version-script=${map})
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${map})
  endif()
endfunction()

# sluice_install_program(target): a program that finds the shared library beside it, wherever both are moved.
function(sluice_install_program target)
  get_target_property(type sluice TYPE)
  if(type STREQUAL "SHARED_LIBRARY")
    set(origin "$ORIGIN")  # the folder of the program: ld.so(8)
    if(APPLE)
      set(origin "@loader_path")  # dyld(1)
    endif()
    file(RELATIVE_PATH to_library ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
    set_target_properties(${target} PROPERTIES INSTALL_RPATH ${origin}/${to_library})
  endif()
  install(TARGETS ${target} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT sluice_runtime)
endfunction()

# sluice_make_pc(target): sluice.pc for pkg-config, which replaces pcfiledir by the folder in which it has found the file.
function(sluice_make_pc target)
  set(sluice_prefix ${CMAKE_INSTALL_PREFIX})
  if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    file(RELATIVE_PATH upwards /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
    string(REGEX REPLACE "/$" "" upwards "${upwards}")
    set(sluice_prefix "\${pcfiledir}/${upwards}")
  endif()
  # Appending an absolute path replaces what it is appended to.
  cmake_path(APPEND sluice_libdir "\${prefix}" "${CMAKE_INSTALL_LIBDIR}")
  cmake_path(APPEND sluice_includedir "\${prefix}" "${CMAKE_INSTALL_INCLUDEDIR}")
  # What the library stands on: a static one needs it at every link, a shared one brings it along. Often nothing: the threads
  # are in libc since glibc 2.34.
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "SHARED_LIBRARY")
    set(sluice_cflags "-I\${includedir} -DSLUICE_SHARED")
    set(sluice_libs "-L\${libdir} -lsluice")
    string(STRIP "Libs.private: ${CMAKE_THREAD_LIBS_INIT}" sluice_private)
  else()
    set(sluice_cflags "-I\${includedir}")
    string(STRIP "-L\${libdir} -lsluice ${CMAKE_THREAD_LIBS_INIT}" sluice_libs)
    set(sluice_private "Libs.private:")
  endif()
  configure_file(cmake/sluice.pc.in sluice.pc @ONLY)
endfunction()

# sluice_install_library(target)
function(sluice_install_library target)
  install(TARGETS ${target} EXPORT sluiceTargets
          RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT sluice_runtime
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sluice_runtime NAMELINK_COMPONENT sluice_development
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sluice_development
          INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(DIRECTORY include/sluice DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT sluice_development
          FILES_MATCHING PATTERN "*.hpp")
  install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT sluice_runtime)

  get_target_property(type ${target} TYPE)
  # CMake: lib/cmake/sluice
  set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/sluice)
  configure_package_config_file(cmake/sluiceConfig.cmake.in sluiceConfig.cmake INSTALL_DESTINATION ${folder}
                                NO_SET_AND_CHECK_MACRO)
  write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/sluiceConfigVersion.cmake COMPATIBILITY ${sluice_compatible})
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/sluiceConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/sluiceConfigVersion.cmake
          DESTINATION ${folder} COMPONENT sluice_development)
  install(EXPORT sluiceTargets NAMESPACE sluice:: DESTINATION ${folder} COMPONENT sluice_development)

  # pkg-config: lib/pkgconfig/sluice.pc
  sluice_make_pc(${target})
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/sluice.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
          COMPONENT sluice_development)
endfunction()
