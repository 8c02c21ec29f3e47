# Writes the commit that is built into commit.hpp, at build time, and leaves the file alone if it hasn't changed:
#   cmake -DSOURCE=repository -DOUTPUT=commit.hpp -P commit.cmake
# Without git, or in a tarball (also one that lies inside another repository), the commit is "unknown".
set(commit "unknown")
find_program(GIT git)
if(GIT)
  set(ENV{GIT_OPTIONAL_LOCKS} 0)  # a build must not disturb a git command that runs at the same time
  execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse --show-toplevel OUTPUT_VARIABLE top RESULT_VARIABLE failed
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  file(REAL_PATH "${SOURCE}" source)
  if(NOT failed AND top STREQUAL source)
    execute_process(COMMAND ${GIT} -C ${SOURCE} describe --always --abbrev=12 --exclude=* --dirty=+changes OUTPUT_VARIABLE described
                    RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(NOT failed)
      set(commit ${described})
    endif()
  endif()
endif()
set(text "// Made by commit.cmake.\n#pragma once\n\n#include <string_view>\n\nnamespace tool {\n
inline constexpr std::string_view kCommit = \"${commit}\";\n\n}  // namespace tool\n")
set(before "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT text STREQUAL before)
  file(WRITE ${OUTPUT} "${text}")
endif()
