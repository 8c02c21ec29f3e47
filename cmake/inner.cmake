# sluice-inner: what all our own sources are compiled with (library, tool, tests), and what no user of the library sees:
#   target_link_libraries(mine PRIVATE sluice::sluice sluice-inner)
# C++23 without extensions, includes relative to src/, the warnings, the fault points.
add_library(sluice-inner INTERFACE)
target_compile_features(sluice-inner INTERFACE cxx_std_23)
target_include_directories(sluice-inner INTERFACE ${CMAKE_CURRENT_SOURCE_DIR}/src)
target_compile_options(sluice-inner INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wsign-conversion
                                              $<$<BOOL:${SLUICE_WARNINGS_AS_ERRORS}>:-Werror>)
target_compile_definitions(sluice-inner INTERFACE $<$<BOOL:${SLUICE_FAULT_POINTS}>:SLUICE_FAULT_POINTS>)
# gcc 12 at -O3 warns of std::string's own code where it inlines an assignment from a literal (GCC bug 105651).
target_compile_options(sluice-inner INTERFACE
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)
# Windows 10 and later, without the headers' macros of common names.
target_compile_definitions(sluice-inner INTERFACE
  $<$<PLATFORM_ID:Windows>:_WIN32_WINNT=0x0A00;WIN32_LEAN_AND_MEAN;NOMINMAX>)
