// The digest of a file: XXH3-128 over its content as it streams by, as `xxhsum -H2` computes it. It finds mistakes, not
// forgery: XXH3 is no cryptographic hash.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "transfer.hpp"

namespace tool {

class Digester {
 public:
  Digester();
  ~Digester();
  Digester(Digester&&) noexcept;
  Digester& operator=(Digester&&) noexcept;

  void update(std::span<const std::byte> bytes);
  // The digest of all bytes so far.
  [[nodiscard]] transfer::Digest digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tool
