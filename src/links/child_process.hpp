// ChildProcess: a process that this one has started, and reaps. Defined once for each system in os/.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <sluice/process.hpp>
#include <sluice/result.hpp>

#include "links/descriptor.hpp"
#include "links/tether.hpp"
#include "links/waiter.hpp"

namespace sluice::inline v0::links {

class ChildProcess {
 public:
  struct Start {
    std::span<const std::string> argv;         // [0]: the program, a path or a name that is looked for in PATH
    std::string_view left_out;                 // variables of ours whose names begin so are left out
    std::span<const std::string> environment;  // "NAME=VALUE", besides ours
    std::span<const Descriptor> handles;       // inherited under the same numbers; nothing else of Sluice's is
  };
  // Returns when the program has taken the place of this one's copy. Signals are as a new program wants them: none blocked,
  // none ignored. Errors (Step::spawn): misuse (argv is empty), not_found, access_denied, not_supported (not a program of this
  // system), limit_reached, out_of_memory.
  static Result<ChildProcess> start(const Start& start);

  [[nodiscard]] std::int64_t id() const noexcept { return id_; }
  // How it ended, once. would_block: it still runs. not_found: it was reaped elsewhere.
  [[nodiscard]] Result<Exit> reap() const noexcept;
  // Ends it; success if it has ended already. access_denied: it has become another user's.
  [[nodiscard]] Result<void> kill() const noexcept;
  // Waits for its end, which has to be near (kill() has succeeded), and reaps it.
  void wait_and_reap() const noexcept;
  // Readable once it has ended.
  [[nodiscard]] Waitable waitable() const noexcept { return {process_.native()}; }
  // Severed once it has ended; independent of this object. limit_reached: no descriptors left.
  [[nodiscard]] Result<std::unique_ptr<Tether>> tether() const;

 private:
  ChildProcess(Descriptor process, std::int64_t id) noexcept : process_(std::move(process)), id_(id) {}

  Descriptor process_;
  std::int64_t id_;
};

}  // namespace sluice::inline v0::links
