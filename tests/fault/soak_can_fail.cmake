# cmake -Dsoak=PROGRAM -Dfolder=SCRATCH -P soak_can_fail.cmake
#
# The soak can fail: without a load, without time, and over prepared test programs, of which each has something else. An exit
# status alone would not do (a crash has one, too): it must be 1, and the record must say what is wrong.

# Runs the soak, which must end with 1 and say all of these (regular expressions).
function(expect_problems)
  cmake_parse_arguments(run "" "" "ARGUMENTS;SAYS" ${ARGN})
  execute_process(COMMAND ${soak} --scale 0.1 ${run_ARGUMENTS} OUTPUT_VARIABLE said ERROR_VARIABLE said RESULT_VARIABLE status
                  TIMEOUT 60)
  if(NOT status STREQUAL "1")
    message(FATAL_ERROR "ended with ${status} instead of 1: ${said}")
  endif()
  foreach(words IN LISTS run_SAYS)
    if(NOT said MATCHES "${words}")
      message(FATAL_ERROR "doesn't say \"${words}\": ${said}")
    endif()
  endforeach()
endfunction()

# A program in the place of all test programs, of which each iteration prints these lines; it ends with that status.
function(prepare iterations lines status)
  file(REMOVE_RECURSE ${folder})
  set(text "#!/bin/sh\n")
  foreach(iteration RANGE 1 ${iterations})
    string(APPEND text "cat <<'END'\n${lines}END\n")
  endforeach()
  foreach(name IN ITEMS programs/sluice-conformance sluice-unit-tests)
    file(WRITE ${folder}/${name} "${text}exit ${status}\n")
    file(CHMOD ${folder}/${name} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  endforeach()
endfunction()

# Two thirds of a second of repeats, and a third of kills.
set(shortly --minutes 0.016 --times 1 --load sluice-no-such-program --programs ${folder}/programs)
set(good "[ RUN      ] Suite.Good/unix\n[       OK ] Suite.Good/unix (0 ms)\n")
set(bad "[ RUN      ] Suite.Bad/unix\nit was bad\n[  FAILED  ] Suite.Bad/unix, where GetParam() = unix (0 ms)\n")
set(listed "[  FAILED  ] 1 test, listed below:\n[  FAILED  ] Suite.Bad/unix, where GetParam() = unix\n")
set(ran "[==========] 2 tests from 1 test suite ran. (0 ms total)\n")

expect_problems(ARGUMENTS --minutes 0 --load sluice-no-such-program
                SAYS "nothing has loaded the machine" "\\| without load \\|" "unit: [^\n]*: repeated only 0 times of 50"
                     "on one core: (only 0 kills|no mechanism)")
prepare(1 "${good}${bad}${ran}${listed}" 1)
expect_problems(ARGUMENTS ${shortly} --load true SAYS "what loads the machine ended before its time")
expect_problems(ARGUMENTS ${shortly} SAYS "it was bad" "SLUICE_SEED=[0-9]+: Suite.Bad/unix has failed"
                                          "\\| 2 \\| 1 \\| 1 \\| 1 \\| 0 \\|")
prepare(2 "${good}${good}${ran}" 0)
expect_problems(ARGUMENTS ${shortly} SAYS "it ran 2 times instead of 1" "\\| 2 \\| 2 \\| 4 \\| 0 \\| 0 \\|")
prepare(1 "[==========] 0 tests from 0 test suites ran. (0 ms total)\n" 0)
expect_problems(ARGUMENTS ${shortly} SAYS "no test has passed")
prepare(1 "" 7)
expect_problems(ARGUMENTS ${shortly} SAYS "it ended with status")
file(REMOVE_RECURSE ${folder})
