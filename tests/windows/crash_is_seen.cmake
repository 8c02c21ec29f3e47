# Runs the program that crashes as ctest runs tests, several times, for Wine hides a crash now and then: it must end with exactly
# the status that the guard gives.   cmake -Dcommand=EMULATOR;PROGRAM -P crash_is_seen.cmake
foreach(round RANGE 1 8)
  execute_process(COMMAND ${command} RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  if(NOT status EQUAL 99)
    message(FATAL_ERROR "A program that crashed was seen to end with ${status} in round ${round}, and not with 99.")
  endif()
endforeach()
