// A loan in a forked child.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <sluice/sluice.hpp>
#include <string>

#include "unit/connected_ends.hpp"

namespace {

using sluice_test::connect_ends;
using sluice_test::kPatience;

std::string code_of(const auto& result) { return result ? "ok" : std::string(name(result.error().code)); }

class LoansAndForks : public sluice_test::OverShapes {};

TEST_P(LoansAndForks, AForkedChildTouchesNothing) {
  auto ends = connect_ends(GetParam());
  auto loan = ends.first.loan(6, kPatience).value();
  std::ranges::copy(sluice::as_bytes("parent"), loan.bytes().begin());
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refuses =
        code_of(ends.first.loan(1)) == "misuse" && code_of(loan.attach({})) == "misuse" && code_of(loan.commit()) == "misuse";
    ::_exit(refuses ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(code_of(loan.commit()), "ok");
  const auto message = ends.second.receive(kPatience);
  ASSERT_TRUE(message) << describe(message.error());
  EXPECT_EQ(sluice::as_text(message->bytes()), "parent");
}

INSTANTIATE_TEST_SUITE_P(Shapes, LoansAndForks, sluice_test::every_shape(), sluice_test::name_of_shape);

}  // namespace
