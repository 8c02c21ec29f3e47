// What a plug-in with a copy of the library inside (plugin.cpp) gives its host (host.cpp).
#pragma once

#include <sluice/sluice.hpp>

struct PlugIn {
  const void* (*copy)();  // an address inside its copy of the library
  std::error_code (*code)(sluice::Errc);
  std::error_condition (*condition)(sluice::Errc);
  void (*fail)(sluice::Errc);  // throws BadResultAccess
  // One channel of its own to the host: connect() and what may be done with it then. Each gives an empty string, or what
  // failed.
  std::string (*connect)(const std::string& endpoint);
  std::string (*echo)();  // receives a message and sends it back
  std::string (*in_forked_child)();
  void (*drop)();
};

extern "C" const PlugIn* plug_in();
