// Which sanitizer a test is built with: gcc defines a macro, clang has a feature.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define SLUICE_TEST_UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_TEST_UNDER_ASAN 1
#endif
#endif
#if !defined(SLUICE_TEST_UNDER_ASAN)
#define SLUICE_TEST_UNDER_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define SLUICE_TEST_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLUICE_TEST_UNDER_TSAN 1
#endif
#endif
#if !defined(SLUICE_TEST_UNDER_TSAN)
#define SLUICE_TEST_UNDER_TSAN 0
#endif
