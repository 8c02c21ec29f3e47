// A forked child closes the library's descriptors and no others, and what it destroys there disturbs nobody.
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <vector>

#include "links/system.hpp"
#include "unit/os_support.hpp"

namespace sluice::inline v0::test {
namespace {

int open_null() { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }

TEST(OsDescriptor, ClosesWhenItGoes) {
  const int number = open_null();
  {
    const links::Descriptor descriptor{number};
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(OsDescriptor, AForkedChildHasTheLibrarysClosedAndOthersOpen) {
  const links::Descriptor ours{open_null()};
  links::Descriptor moved_from{open_null()};
  const links::Descriptor moved{std::move(moved_from)};
  const int others = open_null();
  Child child([&] {
    return is_open(static_cast<int>(ours.native())) || is_open(static_cast<int>(moved.native())) || !is_open(others) ? 1 : 0;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(is_open(static_cast<int>(ours.native())));
  EXPECT_TRUE(is_open(static_cast<int>(moved.native())));
  ::close(others);
}

TEST(OsDescriptor, AClosedOneIsForgotten) {
  links::Descriptor descriptor{open_null()};
  const int number = static_cast<int>(descriptor.native());
  descriptor.reset();
  ASSERT_EQ(::dup2(STDERR_FILENO, number), number);  // a stranger's now
  Child child([&] { return is_open(number) ? 0 : 1; });
  EXPECT_EQ(child.wait(), 0);
  ::close(number);
}

TEST(OsDescriptor, DestroyedInAChildItClosesNothingThatTheChildHasOpened) {
  links::Descriptor descriptor{open_null()};
  const int number = static_cast<int>(descriptor.native());
  Child child([&] {
    if (::dup2(STDERR_FILENO, number) != number) return 1;
    descriptor.reset();
    return is_open(number) ? 0 : 2;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(is_open(number));
}

TEST(OsDescriptor, AChildOpensItsOwnAndItsChildrenHaveTheseClosed) {
  const links::Descriptor parents{open_null()};
  Child child([&] {
    const links::Descriptor childs{open_null()};
    Child grandchild([&] { return is_open(static_cast<int>(childs.native())) ? 1 : 0; });
    return grandchild.wait() == 0 && is_open(static_cast<int>(childs.native())) ? 0 : 1;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST(OsDescriptor, TheGenerationDiffersInAChild) {
  const auto ours = links::process_generation();
  Child child([&] { return links::process_generation() == ours ? 1 : 0; });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(links::process_generation(), ours);
}

TEST(OsDescriptor, NumbersBeyondTheFirstPageAreKnownToo) {
  constexpr int kHigh = 10'000;  // the registry's first page ends at 8,192
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit raised{kHigh + 2, std::max<rlim_t>(kHigh + 2, limit.rlim_max)};
  if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) GTEST_SKIP() << "RLIMIT_NOFILE allows " << limit.rlim_max << " only";
  const int low = open_null();
  const links::Descriptor high{::fcntl(low, F_DUPFD_CLOEXEC, kHigh)};
  ::close(low);
  ASSERT_GE(high.native(), kHigh);
  Child child([&] { return is_open(static_cast<int>(high.native())) ? 1 : 0; });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(is_open(static_cast<int>(high.native())));
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

TEST(OsSystem, TellsProcessorsAndItsName) {
  EXPECT_GE(links::usable_processors(), 1U);
  EXPECT_EQ(links::this_system(), "linux");
}

TEST(OsSystem, RandomBytesDiffer) {
  std::array<std::byte, 16> one{};
  std::array<std::byte, 16> other{};
  ASSERT_TRUE(links::random_bytes(one));
  ASSERT_TRUE(links::random_bytes(other));
  EXPECT_NE(one, other);
}

}  // namespace
}  // namespace sluice::inline v0::test
