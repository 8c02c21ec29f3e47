// AbstractName: a Unix socket's name that is no file (unix(7), "Address format": abstract). The system knows it as long as the
// socket that has it is open, so there is nothing to take over from the dead and nothing to clean up; everybody in the same
// network namespace can try to connect, and can take a name that is free: who it is tells peer_of().
#pragma once

#include <string>
#include <string_view>

#include <sluice/result.hpp>

#include "links/descriptor.hpp"

namespace sluice::inline v0::os {

class AbstractName {
 public:
  // The name without its '@'. invalid_endpoint: it is empty or has a NUL in it (`step`), or is longer than an address takes
  // (Step::bind_name; first: its length, second: the limit).
  static Result<AbstractName> of(std::string_view name, Step step);

  // A new socket that has the name. address_in_use (Step::take_name): an open one has it, whoever's.
  [[nodiscard]] Result<links::Descriptor> bind() const;
  // As SocketFile::connect().
  [[nodiscard]] Result<links::Descriptor> connect() const;

 private:
  explicit AbstractName(std::string_view name) : name_(name) {}

  std::string name_;
};

}  // namespace sluice::inline v0::os
