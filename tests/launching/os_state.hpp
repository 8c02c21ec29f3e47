// State of this process that a test changes and gives back.
#pragma once

#include <signal.h>

#include <initializer_list>

namespace sluice_test {

class BlockedSignals {
 public:
  BlockedSignals(std::initializer_list<int> signals) {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : signals) sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

class IgnoredSignal {
 public:
  explicit IgnoredSignal(int number) : number_(number), before_(::signal(number, SIG_IGN)) {}
  IgnoredSignal(const IgnoredSignal&) = delete;
  IgnoredSignal& operator=(const IgnoredSignal&) = delete;
  ~IgnoredSignal() { ::signal(number_, before_); }

 private:
  int number_;
  sighandler_t before_;
};

}  // namespace sluice_test
