# sluice_precompile(TARGET [HEADER...]): with SLUICE_PRECOMPILE, the headers that nearly all sources read are read once for a target.
# Only where time is dear: elsewhere a source that includes too little must not compile.
option(SLUICE_PRECOMPILE "Read the standard library's headers once for each target" OFF)

function(sluice_precompile target)
  if(SLUICE_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE ${ARGN} <algorithm> <atomic> <chrono> <expected> <functional> <map> <memory> <mutex>
                              <optional> <span> <string> <system_error> <thread> <variant> <vector>)
  endif()
endfunction()
