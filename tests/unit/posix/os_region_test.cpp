// A region that a peer offers is mapped only if it is what it is said to be; memory is backed before it is written.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <chrono>

#include "os/handles.hpp"
#include "os/shared_region.hpp"
#include "unit/os_support.hpp"

namespace sluice::inline v0::test {
namespace {

constexpr std::size_t kCapacity = links::kMinRingCapacity;

links::Descriptor new_object() { return links::Descriptor{::memfd_create("sluice-test", MFD_CLOEXEC)}; }

bool is_readable(links::Waitable waitable) {
  auto waiter = links::Waiter::create();
  std::array<links::Ready, 1> ready;
  return waiter && waiter->add(waitable, {.readable = true}, 0) && waiter->wait(ready, Deadline::now()).value_or(0) == 1;
}

// What a hostile peer could offer: the genuine parts, each of which a test replaces.
class OsRegionOffer : public testing::Test {
 protected:
  OsRegionOffer() {
    const auto size = links::region_size(kCapacity);
    offer_.numbers = {size, kCapacity};
    offer_.handles.push_back(new_object());
    auto bells = os::Doorbell::create().value();
    offer_.handles.push_back(std::move(bells.second).release());
    EXPECT_EQ(::ftruncate(object(), static_cast<off_t>(size)), 0);
  }
  [[nodiscard]] int object() const { return static_cast<int>(offer_.handles[0].native()); }
  Errc take() { return code_of(os::SharedRegion::take(std::move(offer_))); }

  links::Offer offer_;
};

TEST_F(OsRegionOffer, AGenuineOneIsTaken) { EXPECT_EQ(take(), Errc{}); }

TEST_F(OsRegionOffer, MissingOrSurplusPartsAreRefused) {
  offer_.numbers.push_back(0);
  EXPECT_EQ(take(), Errc::protocol_error);
}

TEST_F(OsRegionOffer, TooFewHandlesAreRefused) {
  offer_.handles.pop_back();
  EXPECT_EQ(take(), Errc::protocol_error);
}

TEST_F(OsRegionOffer, AnEmptyOneIsRefused) {
  offer_ = {};
  EXPECT_EQ(take(), Errc::protocol_error);
}

TEST_F(OsRegionOffer, ATruncatedObjectIsRefused) {
  ASSERT_EQ(::ftruncate(object(), 4096), 0);
  EXPECT_EQ(take(), Errc::protocol_error);
}

TEST_F(OsRegionOffer, AnObjectThatIsTooLargeIsRefused) {
  ASSERT_EQ(::ftruncate(object(), static_cast<off_t>(links::region_size(kCapacity) + 1)), 0);
  EXPECT_EQ(take(), Errc::protocol_error);
}

TEST_F(OsRegionOffer, CapacitiesThatAreNoneAreRefused) {
  for (const std::uint64_t capacity :
       {std::uint64_t{0}, std::uint64_t{4096}, std::uint64_t{kCapacity + 8}, std::uint64_t{3 * kCapacity},
        std::uint64_t{1} << 31U, std::uint64_t{1} << 62U, ~std::uint64_t{0}}) {
    links::Offer offer;
    offer.numbers = {links::region_size(capacity), capacity};
    for (int i = 0; i < 2; ++i) offer.handles.push_back(new_object());
    EXPECT_EQ(code_of(os::SharedRegion::take(std::move(offer))), Errc::protocol_error) << capacity;
  }
}

TEST_F(OsRegionOffer, ASizeThatDoesNotFollowFromTheCapacityIsRefused) {
  offer_.numbers[0] = links::region_size(2 * kCapacity);
  ASSERT_EQ(::ftruncate(object(), static_cast<off_t>(offer_.numbers[0])), 0);
  EXPECT_EQ(take(), Errc::protocol_error);
}

TEST_F(OsRegionOffer, AFileOfAnotherFileSystemIsRefused) {
  const std::string name = testing::TempDir() + "sluice-region-" + std::to_string(::getpid());
  offer_.handles[0] = links::Descriptor{::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  ASSERT_TRUE(offer_.handles[0]);
  ::unlink(name.c_str());
  ASSERT_EQ(::ftruncate(object(), static_cast<off_t>(offer_.numbers[0])), 0);
  EXPECT_FALSE(os::is_shared_memory(offer_.handles[0], offer_.numbers[0])) << "unless the folder for tests is a tmpfs";
  EXPECT_EQ(take(), Errc::protocol_error);
}

TEST_F(OsRegionOffer, AnObjectThatCanOnlyBeReadIsRefused) {
  const std::string again = "/proc/self/fd/" + std::to_string(object());
  offer_.handles[0] = links::Descriptor{::open(again.c_str(), O_RDONLY | O_CLOEXEC)};
  EXPECT_EQ(take(), Errc::protocol_error);
}

TEST_F(OsRegionOffer, AnObjectThatIsSealedAgainstWritingIsRefused) {
  const auto size = static_cast<off_t>(offer_.numbers[0]);
  offer_.handles[0] = links::Descriptor{::memfd_create("sluice-test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  ASSERT_EQ(::ftruncate(object(), size), 0);
  ASSERT_EQ(::fcntl(object(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  EXPECT_EQ(take(), Errc::protocol_error);
}

TEST_F(OsRegionOffer, ABellThatIsNoneIsRefused) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const links::Descriptor reading{ends[0]};
  offer_.handles[1] = links::Descriptor{ends[1]};
  EXPECT_EQ(take(), Errc::protocol_error);
}

TEST_F(OsRegionOffer, AHandleThatIsNoneIsRefused) {
  offer_.handles[1].reset();
  EXPECT_EQ(take(), Errc::protocol_error);
}

TEST(OsRegion, BothEndsSeeOneMemoryAndRingEachOther) {
  auto maker = os::SharedRegion::make(new_object(), kCapacity);
  ASSERT_TRUE(maker);
  auto offer = (*maker)->offer();
  ASSERT_TRUE(offer);
  auto taker = os::SharedRegion::take(*std::move(offer));
  ASSERT_TRUE(taker);
  EXPECT_TRUE((*maker)->is_maker());
  EXPECT_FALSE((*taker)->is_maker());
  ASSERT_EQ((*maker)->memory().size(), links::region_size(kCapacity));
  ASSERT_EQ((*taker)->memory().size(), links::region_size(kCapacity));
  (*maker)->memory().back() = std::byte{42};
  EXPECT_EQ((*taker)->memory().back(), std::byte{42});
  EXPECT_FALSE(is_readable((*taker)->bell()));
  (*maker)->ring();
  (*maker)->ring();
  EXPECT_TRUE(is_readable((*taker)->bell()));
  EXPECT_FALSE(is_readable((*maker)->bell()));
  EXPECT_TRUE((*taker)->silence());
  EXPECT_FALSE(is_readable((*taker)->bell()));
  EXPECT_TRUE((*taker)->silence());  // a silent one stays so, and nobody waits
  (*taker)->ring();
  EXPECT_TRUE(is_readable((*maker)->bell()));
}

TEST(OsRegion, ABellWhoseOtherEndIsGoneSaysSo) {
  auto maker = os::SharedRegion::make(new_object(), kCapacity);
  auto taker = os::SharedRegion::take((*maker)->offer().value());
  ASSERT_TRUE(taker);
  EXPECT_EQ(code_of((*maker)->offer()), Errc::misuse) << "it is handed over once";
  (*taker)->ring();
  taker->reset();
  EXPECT_TRUE((*maker)->silence());
  EXPECT_TRUE(is_readable((*maker)->bell()));
  EXPECT_FALSE((*maker)->silence());
  (*maker)->ring();  // into the void, without a signal
}

// What the peer holds of the bell is an open file of its own: no mode of that file makes our calls wait.
TEST(OsRegion, AFullBellStillRingsAndNobodyWaitsWhateverThePeerDoesToItsEnd) {
  auto maker = os::SharedRegion::make(new_object(), kCapacity);
  auto offer = (*maker)->offer();
  const int theirs = static_cast<int>(offer->handles[1].native());
  ASSERT_EQ(::fcntl(theirs, F_SETFL, ::fcntl(theirs, F_GETFL) & ~O_NONBLOCK), 0);
  constexpr int kMoreThanFit = 100'000;
  for (int i = 0; i < kMoreThanFit; ++i) (*maker)->ring();
  EXPECT_TRUE((*maker)->silence());
  const links::Descriptor shared{::fcntl(theirs, F_DUPFD_CLOEXEC, 0)};
  auto taker = os::SharedRegion::take(*std::move(offer));
  EXPECT_TRUE(is_readable((*taker)->bell()));
  EXPECT_TRUE((*taker)->silence());
  // The maker handed over an end that it may have kept: then both share that file.
  ASSERT_EQ(::fcntl(static_cast<int>(shared.native()), F_SETFL, 0), 0);
  EXPECT_TRUE((*taker)->silence());
  for (int i = 0; i < kMoreThanFit; ++i) (*taker)->ring();
}

std::size_t backed_bytes(int object) {
  struct stat status{};
  EXPECT_EQ(::fstat(object, &status), 0);
  constexpr std::size_t kBlock = 512;  // st_blocks counts these (stat(3type))
  return static_cast<std::size_t>(status.st_blocks) * kBlock;
}

TEST(OsRegion, OnlyTheBeginningIsBackedAtFirstAndTheRestWhenItIsReserved) {
  constexpr std::size_t kLarge = 16 * kCapacity;
  links::Descriptor object = new_object();
  const links::Descriptor second{::fcntl(static_cast<int>(object.native()), F_DUPFD_CLOEXEC, 0)};
  const int number = static_cast<int>(second.native());
  auto region = os::SharedRegion::make(std::move(object), kLarge);
  ASSERT_TRUE(region);
  EXPECT_EQ(backed_bytes(number), links::kRegionHead + 2 * kCapacity);
  (*region)->memory()[links::kRegionHead] = std::byte{1};
  ASSERT_TRUE((*region)->reserve(links::kRegionHead, kLarge));
  EXPECT_GE(backed_bytes(number), links::kRegionHead + kLarge);
  EXPECT_EQ((*region)->memory()[links::kRegionHead], std::byte{1}) << "what is there stays";
  EXPECT_EQ(code_of((*region)->reserve(links::kRegionHead, 2 * kLarge + 1)), Errc::misuse);
  EXPECT_EQ(code_of((*region)->reserve(~std::size_t{0}, 2)), Errc::misuse);
}

TEST(OsRegion, CapacitiesAreRoundedUpWithinTheirLimits) {
  EXPECT_EQ(os::SharedRegion::capacity_for(0).value(), std::size_t{4} << 20U);
  EXPECT_EQ(os::SharedRegion::capacity_for(1).value(), links::kMinRingCapacity);
  EXPECT_EQ(os::SharedRegion::capacity_for(100'000).value(), 131'072U);
  EXPECT_EQ(os::SharedRegion::capacity_for(links::kMaxRingCapacity).value(), links::kMaxRingCapacity);
  const auto refused = os::SharedRegion::capacity_for(links::kMaxRingCapacity + 1);
  EXPECT_EQ(code_of(refused), Errc::limit_reached);
}

TEST(OsRegion, AnotherSizeThanTheProcessMayWriteIsALimitAndNoSignal) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small{4096, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto region = os::SharedRegion::make(new_object(), kCapacity);
  ::setrlimit(RLIMIT_FSIZE, &limit);
  EXPECT_EQ(code_of(region), Errc::limit_reached);
}

}  // namespace
}  // namespace sluice::inline v0::test
