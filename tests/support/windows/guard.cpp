#include "guard.hpp"

// clang-format off: the order matters
#include <winsock2.h>
#include <windows.h>
// clang-format on

#include <cstdio>

namespace sluice_test {
namespace {

LONG WINAPI end_crashed(EXCEPTION_POINTERS* what) {
  std::fprintf(stderr, "crashed: exception %08lx at %p\n", what->ExceptionRecord->ExceptionCode,
               what->ExceptionRecord->ExceptionAddress);
  std::fflush(stderr);
  ::TerminateProcess(::GetCurrentProcess(), kCrashed);
  return EXCEPTION_EXECUTE_HANDLER;
}

// The job's one handle is never closed: the system does that when this process has ended, and then ends the others.
void enter_job() {
  const HANDLE job = ::CreateJobObjectW(nullptr, nullptr);
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
  limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
  const bool is_made = job != nullptr &&
                       ::SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits) != 0 &&
                       ::AssignProcessToJobObject(job, ::GetCurrentProcess()) != 0;
  if (!is_made) std::fprintf(stderr, "no job for the processes of this test: error %lu\n", ::GetLastError());
}

}  // namespace

void guard_this_process() {
  (void)std::setvbuf(stdout, nullptr, _IONBF, 0);  // there is no buffering by lines ("setvbuf", _IOLBF)
  ::SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
  (void)::SetUnhandledExceptionFilter(end_crashed);
  enter_job();
}

}  // namespace sluice_test
