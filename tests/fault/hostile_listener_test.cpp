// Promise 7, from the other side: a listener that is none. The victim connects.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <functional>

#include "hostile.hpp"

namespace sluice_test {
namespace {

// Stands where a listener of this endpoint would. What a real one left beside its socket (the record of its name) stays there.
class HostileListener : public HostileTest {
 protected:
  std::string place() {
    std::string door;
    std::map<std::filesystem::path, std::string> records;
    {
      auto real = listen();
      door = find_door(scratch().folder(), real.endpoint());
      for (const auto& entry : std::filesystem::directory_iterator(scratch().folder())) {
        if (!entry.is_regular_file()) continue;
        std::ifstream file(entry.path());
        records[entry.path()] = std::string(std::istreambuf_iterator<char>(file), {});
      }
    }
    for (const auto& [record, text] : records) {
      std::ofstream(record) << text;
      records_.push_back(record);
    }
    return door;
  }
  void TearDown() override {
    for (const auto& record : records_) std::filesystem::remove(record);
    HostileTest::TearDown();
  }

 private:
  std::vector<std::filesystem::path> records_;
};
INSTANTIATE_TEST_SUITE_P(Promise7, HostileListener, testing::ValuesIn(subjects()), label_of);

using Answer = std::function<void(RawSocket&)>;

Wire offer_of(const std::vector<std::uint64_t>& numbers, std::uint64_t said) {
  Wire wire;
  wire.u64(raw_header(RawKind::control, static_cast<std::uint32_t>(16 + 8 * numbers.size())))
      .u32(word::kOffer)
      .u32(0)
      .u64(said);
  for (const auto number : numbers) wire.u64(number);
  return wire;
}

void greet(RawSocket& socket) {
  (void)socket.receive_hello();
  (void)socket.send(RawHello{}.wire());
}

struct Case {
  const char* what;
  Answer answer;
};

std::vector<Case> cases() {
  const auto after_hello = [](const Wire& wire) {
    return [=](RawSocket& socket) {
      greet(socket);
      (void)socket.send(wire);
    };
  };
  return {
      {"garbage", [](RawSocket& socket) { (void)socket.send(Wire{}.random(5000, 3)); }},
      {"another magic",
       [](RawSocket& socket) {
         RawHello hello;
         hello.magic = "HTTP/1.1";
         (void)socket.send(hello.wire());
       }},
      {"4 GiB of hello",
       [](RawSocket& socket) {
         RawHello hello;
         hello.size = 0xFFFFFFF8U;
         (void)socket.send(hello.wire());
       }},
      {"hang-up at once", [](RawSocket&) {}},
      {"hang-up after the hello", [](RawSocket& socket) { greet(socket); }},
      {"a message instead of the offer", after_hello(Wire{}.u64(raw_header(RawKind::data, 16)).zeros(16))},
      {"a frame of 64 MiB", after_hello(Wire{}.u64(raw_header(RawKind::control, (1U << 26) - 1)))},
      {"an unknown word", after_hello(raw_control(99))},
      {"an offer that says more numbers than come", after_hello(offer_of({1, 2}, 1'000'000))},
      {"an offer of nine numbers", after_hello(offer_of(std::vector<std::uint64_t>(9, 1), 9))},
      {"a refusal with an unknown code",
       after_hello(Wire{}.u64(raw_header(RawKind::control, 32)).u32(word::kRefuse).u32(200).u64(~0ULL).u64(1).u64(2))},
      {"a refusal with code 0",
       after_hello(Wire{}.u64(raw_header(RawKind::control, 32)).u32(word::kRefuse).u32(0).u64(0).u64(0).u64(0))},
      {"a refusal cut short", after_hello(Wire{}.u64(raw_header(RawKind::control, 16)).u32(word::kRefuse).u32(11).u64(0))},
  };
}

TEST_P(HostileListener, GarbageInTheHandshake) {
  if (answered()) return;
  auto& victim = start_peer();
  const std::string door = place();
  const std::uint64_t memory = resident_bytes(victim.pid());
  for (const auto& each : cases()) {
    SCOPED_TRACE(each.what);
    RawListener listener(door);
    const auto connecting = victim.start("connect deadline=5000");
    auto socket = listener.accept();
    ASSERT_TRUE(socket);
    each.answer(*socket);
    if (std::string_view(each.what).starts_with("hang-up")) socket->close();
    const Reply connected = victim.finish(connecting);
    EXPECT_FALSE(connected.done) << connected;
    EXPECT_NE(connected.code, "timed_out") << connected;
    EXPECT_NE(connected.code, "no_answer") << connected;
  }
  expect_grown_less(victim, memory, std::uint64_t{8} << 20);
}

TEST_P(HostileListener, SilenceEndsAtTheDeadline) {
  if (answered()) return;
  auto& victim = start_peer();
  RawListener listener(place());
  for (const bool says_hello : {false, true}) {
    const auto connecting = victim.start("connect deadline=200");
    auto socket = listener.accept();
    ASSERT_TRUE(socket);
    if (says_hello) greet(*socket);
    EXPECT_FAILED(victim.finish(connecting), Errc::timed_out);
  }
}

// Numbers and handles that are not what the mechanism offers: none, too many, of other kinds.
TEST_P(HostileListener, OffersThatAreNone) {
  if (answered()) return;
  auto& victim = start_peer();
  const std::string door = place();
  const std::vector<std::vector<std::uint64_t>> numbers{{},
                                                        {0, 0},
                                                        {~std::uint64_t{0}, ~std::uint64_t{0}},
                                                        {65'536 + 2 * 65'536, 65'536},
                                                        {65'536 + (std::uint64_t{2} << 30), std::uint64_t{1} << 30},
                                                        {1},
                                                        {1, 2, 3}};
  const std::size_t files_offered[] = {0, 1, 2, 3, 4, 8};
  int offers = 0;
  for (const auto& said : numbers) {
    for (const std::size_t count : files_offered) {
      // An offer without numbers is right where the connection is the channel's own; files that come with it are discarded.
      if (!traits().lobby && said.empty()) continue;
      for (int kind = 0; kind < 3; ++kind) {
        if (count == 0 && kind > 0) break;
        SCOPED_TRACE(std::to_string(said.size()) + " numbers, " + std::to_string(count) + " files of kind " +
                     std::to_string(kind));
        RawListener listener(door);
        const auto connecting = victim.start("connect deadline=5000");
        auto socket = listener.accept();
        ASSERT_TRUE(socket);
        greet(*socket);
        Files files;
        for (std::size_t at = 0; at < count; ++at) {
          if (kind == 0) files.add(open("/dev/null", O_RDWR | O_CLOEXEC));
          if (kind == 1) files.add(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
          if (kind == 2) {
            files.add(memfd_create("offered", MFD_CLOEXEC));
            ASSERT_EQ(ftruncate(files[at], 65'536 * 3), 0);
          }
        }
        (void)socket->send(offer_of(said, said.size()), files);
        const Reply connected = victim.finish(connecting);
        EXPECT_FALSE(connected.done) << connected;
        EXPECT_NE(connected.code, "timed_out") << connected;
        ++offers;
      }
    }
  }
  note("offers", static_cast<std::uint64_t>(offers));
  const Reply leaked = victim.call("leaked-descriptors");
  EXPECT_EQ(leaked.number("count"), 0U) << leaked;
}

// Regions of memory without a name, which nobody can cut under its mapping.
std::vector<Subject> sealed_regions() {
  auto all = strangers_with(sluice::Shape::region);
  std::erase_if(all, [](const Subject& subject) {
    const auto traits = row_of(subject).traits;
    return traits.truncatable || !traits.handles;
  });
  return all;
}

class HostileMemory : public HostileListener {};
INSTANTIATE_TEST_SUITE_P(Promise7, HostileMemory, testing::ValuesIn(sealed_regions()), label_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(HostileMemory);

// Everything is right but the seals. With them it is taken, which shows that nothing else is wrong.
TEST_P(HostileMemory, ThatCanBeCutIsNoOffer) {
  constexpr std::uint64_t kCapacity = 65'536;
  constexpr std::uint64_t kSize = 65'536 + 2 * kCapacity;
  auto& victim = start_peer();
  const std::string door = place();
  for (const int seals : {0, F_SEAL_GROW, F_SEAL_SHRINK, F_SEAL_GROW | F_SEAL_SHRINK}) {
    SCOPED_TRACE(seals);
    RawListener listener(door);
    const auto connecting = victim.start("connect deadline=5000");
    auto socket = listener.accept();
    ASSERT_TRUE(socket);
    greet(*socket);
    Files files;
    files.add(memfd_create("offered", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(ftruncate(files[0], kSize), 0);
    const auto head = Wire{}.text("SLUICERG").u32(0).u32(65'536).u64(kCapacity);
    ASSERT_EQ(pwrite(files[0], head.bytes().data(), head.bytes().size(), 0), static_cast<ssize_t>(head.bytes().size()));
    ASSERT_EQ(fcntl(files[0], F_ADD_SEALS, seals), 0);
    std::array<int, 2> bell{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bell.data()), 0);
    files.add(bell[0]);
    Files ours;
    ours.add(bell[1]);
    ASSERT_TRUE(socket->send(offer_of({kSize, kCapacity}, 2), files));
    const Reply connected = victim.finish(connecting);
    if (seals == (F_SEAL_GROW | F_SEAL_SHRINK)) {
      EXPECT_DONE(connected);
      EXPECT_EQ(connected.text("shape"), "region");
      EXPECT_DONE(victim.call("destroy"));
    } else {
      EXPECT_FAILED(connected, Errc::protocol_error);
    }
  }
  EXPECT_EQ(victim.call("leaked-descriptors").number("count"), 0U);
}

}  // namespace
}  // namespace sluice_test
