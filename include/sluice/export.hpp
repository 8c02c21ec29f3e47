// Which names the users of the library see. All others are hidden, and in a static library these are hidden, too: a copy of
// Sluice inside a plug-in stays inside it, and never mixes with another copy in the same process.
//
//   SLUICE_API       stands before every function that users call and is not defined in a header, and every class that has some
//   SLUICE_LOCAL     stands before the members of such a class that only the library calls
//   SLUICE_SHARED    is defined where the library is a shared one; by the CMake target and by pkg-config
//   SLUICE_BUILDING  is defined where the library itself is compiled; by its own build
//
// The names that a shared library exports are listed in tests/package/exported-symbols.
#pragma once

#if !defined(SLUICE_SHARED)
#define SLUICE_API
#define SLUICE_LOCAL
#elif defined(_MSC_VER) && defined(SLUICE_BUILDING)
#define SLUICE_API __declspec(dllexport)
#define SLUICE_LOCAL
#elif defined(_MSC_VER)
#define SLUICE_API __declspec(dllimport)
#define SLUICE_LOCAL
#elif defined(_WIN32) && defined(SLUICE_BUILDING)
#define SLUICE_API [[gnu::dllexport]]
#define SLUICE_LOCAL
#elif defined(_WIN32)
#define SLUICE_API [[gnu::dllimport]]
#define SLUICE_LOCAL
#else
#define SLUICE_API [[gnu::visibility("default")]]
#define SLUICE_LOCAL [[gnu::visibility("hidden")]]
#endif
