# cmake -Dreport=PROGRAM -Dfolder=SCRATCH -P report_can_fail.cmake
#
# The report can fail: over prepared results, of which each misses something else. An exit status alone would not do (a crash
# has one, too): it must be 1, and the report must say what is wrong. Ends with the words that the ctest entry looks for.
execute_process(COMMAND ${report} --subjects OUTPUT_VARIABLE subjects RESULT_VARIABLE status)
if(NOT status STREQUAL "0")
  message(FATAL_ERROR "--subjects: ${status}")
endif()
string(REGEX REPLACE "\n$" "" subjects "${subjects}")
string(REPLACE "\n" ";" subjects "${subjects}")
set(tab "	")

# The result of one test, as results.cpp writes it.
function(append_result promise subject outcome)
  string(JOIN "${tab}" line ${promise} ${subject} Suite.Test ${outcome} 0.5 why)
  file(APPEND ${folder}/results.tsv "${line}\n")
endfunction()

# Every cell passed, but for promise 3 of the last subject, which is as told: a test's outcome, or `missing`.
function(prepare outcome)
  file(REMOVE_RECURSE ${folder})
  file(MAKE_DIRECTORY ${folder})
  foreach(subject IN LISTS subjects)
    set(last ${subject})
  endforeach()
  foreach(subject IN LISTS subjects)
    foreach(promise RANGE 1 12)
      if(NOT promise EQUAL 3 OR NOT subject STREQUAL last)
        append_result(${promise} ${subject} passed)
      elseif(NOT outcome STREQUAL "missing")
        append_result(${promise} ${subject} ${outcome})
      endif()
    endforeach()
  endforeach()
endfunction()

function(expect outcome expected status_wanted words)
  prepare(${outcome})
  file(WRITE ${folder}/expected "${expected}")
  execute_process(COMMAND ${report} ${folder} ${folder}/expected ${folder}/conformance.json
                  OUTPUT_VARIABLE said ERROR_VARIABLE said RESULT_VARIABLE status)
  if(NOT status STREQUAL status_wanted OR NOT said MATCHES "${words}")
    message(FATAL_ERROR "${outcome}: status ${status} instead of ${status_wanted}, or not \"${words}\":\n${said}")
  endif()
endfunction()

if(subjects)
  expect(passed "" 0 " 0 failed, 0 missing")
  expect(skipped "Suite.Test * always a machine can't do it\n" 0 " 1 skipped, 0 failed, 0 missing")
  expect(missing "" 1 "promise 3 .*: missing: no test ran.* 0 failed, 1 missing")
  expect(skipped "" 1 "promise 3 .*: failed: Suite.Test is skipped, which is not expected: why.* 1 failed, 0 missing")
  expect(skipped "Suite.Test * always\n" 1 "is skipped, which is not expected")  # without a reason it is no entry
  expect(failed "" 1 "promise 3 .*: failed: Suite.Test: why.* 1 failed, 0 missing")
endif()
# No cell at all is no success either.
file(REMOVE_RECURSE ${folder})
file(MAKE_DIRECTORY ${folder})
file(WRITE ${folder}/expected "")
execute_process(COMMAND ${report} ${folder} ${folder}/expected ${folder}/conformance.json OUTPUT_VARIABLE said RESULT_VARIABLE status)
if(NOT status STREQUAL "1")
  message(FATAL_ERROR "no results: status ${status}:\n${said}")
endif()
message(STATUS "the report has failed for every reason it has")
