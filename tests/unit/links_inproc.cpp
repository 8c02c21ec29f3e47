// What inproc does beyond the contracts of the links: names, clients that vanish, options, the region's token, and nothing
// left behind.
#include <algorithm>
#include <array>
#include <filesystem>
#include <span>
#include <string_view>
#include <thread>

#include "links/mechanism.hpp"
#include "os/self.hpp"
#include "unit/links_pair.hpp"

namespace sluice::inline v0::test {
namespace {

class Inproc : public testing::Test {
 protected:
  void SetUp() override {
    mechanism_ = links::find_mechanism("inproc");
    if (mechanism_ == nullptr) GTEST_SKIP() << "not built in";
  }
  [[nodiscard]] static links::Place place(std::string where, std::vector<std::pair<std::string, std::string>> options = {}) {
    return {std::move(where), std::move(options), Allow::same_user};
  }

  const links::Mechanism* mechanism_{nullptr};
};

// Reads one byte: would_block, 0 at the end, 1.
Result<std::size_t> read_byte(links::StreamLink& link) {
  std::array<std::byte, 1> byte{};
  const std::span<std::byte> room{byte};
  return link.read(std::span{&room, 1});
}

TEST_F(Inproc, ANameIsTakenAsLongAsItsListenerLives) {
  auto first = mechanism_->listen(place("taken"));
  ASSERT_TRUE(is_ok(first));
  EXPECT_EQ((*first)->where(), "taken");
  EXPECT_TRUE(fails_with(Errc::address_in_use, mechanism_->listen(place("taken", {{"link", "stream"}}))));
  EXPECT_TRUE(is_ok(mechanism_->listen(place("another"))));
  first->reset();
  EXPECT_TRUE(is_ok(mechanism_->listen(place("taken"))));
}

TEST_F(Inproc, ADialerFindsTheListenerOfTheMoment) {
  auto dialer = mechanism_->dial(place("later"));
  ASSERT_TRUE(is_ok(dialer));
  EXPECT_TRUE(fails_with(Errc::not_found, (*dialer)->connect()));
  auto acceptor = mechanism_->listen(place("later"));
  ASSERT_TRUE(is_ok(acceptor));
  EXPECT_TRUE(stays_unreadable((*acceptor)->waitable()));
  EXPECT_TRUE(fails_with(Errc::would_block, (*acceptor)->accept()));
  auto connected = (*dialer)->connect();
  ASSERT_TRUE(is_ok(connected));
  EXPECT_TRUE(becomes_readable((*acceptor)->waitable()));
  auto accepted = (*acceptor)->accept();
  ASSERT_TRUE(is_ok(accepted));
  EXPECT_TRUE(stays_unreadable((*acceptor)->waitable()));
  for (const auto* meeting : {&*connected, &*accepted}) {
    EXPECT_TRUE(meeting->one_process);
    EXPECT_TRUE(is_ok(meeting->vouched));
    ASSERT_NE(meeting->tether, nullptr);
    EXPECT_NE(meeting->private_link, nullptr);
    EXPECT_TRUE(meeting->peer.process_id.has_value());
    EXPECT_EQ(meeting->peer.user_id, os::this_process().user_id);
  }
  acceptor->reset();
  EXPECT_TRUE(fails_with(Errc::not_found, (*dialer)->connect()));
}

TEST_F(Inproc, AClientThatVanishedBeforeItWasAcceptedIsNoErrorOfTheListener) {
  auto acceptor = mechanism_->listen(place("vanished"));
  auto dialer = mechanism_->dial(place("vanished"));
  ASSERT_TRUE(is_ok((*dialer)->connect()));
  auto meeting = (*acceptor)->accept();
  ASSERT_TRUE(is_ok(meeting));
  const auto end = read_byte(*std::get<0>(meeting->link));
  ASSERT_TRUE(is_ok(end));
  EXPECT_EQ(*end, 0U);
}

TEST_F(Inproc, ClientsThatWaitSeeTheEndOfTheirListener) {
  auto acceptor = mechanism_->listen(place("given-up", {{"link", "stream"}}));
  auto dialer = mechanism_->dial(place("given-up"));
  auto meeting = (*dialer)->connect();
  ASSERT_TRUE(is_ok(meeting));
  EXPECT_TRUE(fails_with(Errc::would_block, read_byte(*std::get<0>(meeting->link))));
  acceptor->reset();
  const auto end = read_byte(*std::get<0>(meeting->link));
  ASSERT_TRUE(is_ok(end));
  EXPECT_EQ(*end, 0U);
}

TEST_F(Inproc, TooManyWaitingClientsAreToldToTryAgain) {
  auto acceptor = mechanism_->listen(place("crowded", {{"link", "packets"}}));
  auto dialer = mechanism_->dial(place("crowded"));
  std::vector<links::Meeting> clients;
  while (clients.size() < 1000) {
    auto client = (*dialer)->connect();
    if (!client) {
      EXPECT_TRUE(fails_with(Errc::would_block, client));
      break;
    }
    clients.push_back(*std::move(client));
  }
  EXPECT_GE(clients.size(), 64U);
  EXPECT_LT(clients.size(), 1000U);
  EXPECT_FALSE((*dialer)->waitable());
  ASSERT_TRUE(is_ok((*acceptor)->accept()));
  EXPECT_TRUE(is_ok((*dialer)->connect()));
}

TEST_F(Inproc, OptionsOutOfRangeAreNamed) {
  const std::vector<std::pair<std::string, std::string>> broken{{"link", "pigeon"},   {"packet", "127"},
                                                                {"packet", "2M"},     {"depth", "0"},
                                                                {"deliver", "never"}, {"send", "perhaps"},
                                                                {"chop", "0"},        {"outbox", "1x"},
                                                                {"buffer", ""},       {"backed", "-1"},
                                                                {"packet", "512MM"},  {"unheard", "of"},
                                                                {"depth", "99999"},   {"buffer", "99999999999999999999"}};
  for (const auto& option : broken) {
    const auto listening = mechanism_->listen(place("options", {{"link", "stream"}, option}));
    ASSERT_TRUE(fails_with(Errc::invalid_endpoint, listening)) << option.first << '=' << option.second;
    EXPECT_EQ(listening.error().step, Step::check_options);
    EXPECT_EQ(listening.error().first, 1);
    EXPECT_TRUE(fails_with(Errc::invalid_endpoint, mechanism_->dial(place("options", {{"link", "stream"}, option}))));
  }
  EXPECT_TRUE(fails_with(Errc::invalid_endpoint, mechanism_->listen(place(""))));
  EXPECT_TRUE(fails_with(Errc::invalid_endpoint, mechanism_->dial(place(""))));
}

TEST_F(Inproc, TheListenersOptionsHoldAndTheClientsMustAgree) {
  auto acceptor = mechanism_->listen(place("agree", {{"link", "packets"}, {"packet", "512"}}));
  ASSERT_TRUE(is_ok(acceptor));
  auto silent = (*mechanism_->dial(place("agree")))->connect();
  ASSERT_TRUE(is_ok(silent));
  EXPECT_EQ(std::get<1>(silent->link)->max_packet(), 512U);
  EXPECT_TRUE(is_ok((*mechanism_->dial(place("agree", {{"packet", "512"}, {"link", "packets"}})))->connect()));
  EXPECT_TRUE(fails_with(Errc::misuse, (*mechanism_->dial(place("agree", {{"link", "packets"}})))->connect()));
  EXPECT_TRUE(fails_with(Errc::misuse, (*mechanism_->dial(place("agree", {{"link", "stream"}})))->connect()));
}

TEST_F(Inproc, TheProbeHasAPlaceOfItsOwn) {
  EXPECT_NE(mechanism_->probe_where("a1"), mechanism_->probe_where("a2"));
  EXPECT_TRUE(is_ok(mechanism_->listen(place(mechanism_->probe_where("a1")))));
}

// Two meetings for a region, nothing offered yet.
class InprocOffer : public Inproc {
 protected:
  void SetUp() override {
    Inproc::SetUp();
    if (IsSkipped()) return;
    auto acceptor = mechanism_->listen(place("offers"));
    auto dialer = mechanism_->dial(place("offers"));
    for (auto& side : sides_) {
      side.taking = (*dialer)->connect().value().private_link;
      side.making = (*acceptor)->accept().value().private_link;
    }
  }
  struct Sides {
    std::unique_ptr<links::PrivateLink> making;
    std::unique_ptr<links::PrivateLink> taking;
  };
  [[nodiscard]] static links::Offer offer(std::vector<std::uint64_t> numbers) {
    links::Offer made;
    made.numbers = std::move(numbers);
    return made;
  }
  std::array<Sides, 2> sides_;
};

TEST_F(InprocOffer, CarriesNumbersOnlyAndIsTakenOnce) {
  auto made = sides_[0].making->make(0);
  ASSERT_TRUE(is_ok(made));
  EXPECT_TRUE(made->handles.empty());
  EXPECT_TRUE(is_ok(sides_[0].taking->take(offer(made->numbers))));
  EXPECT_TRUE(fails_with(Errc::protocol_error, sides_[0].taking->take(offer(made->numbers))));
}

TEST_F(InprocOffer, GarbageIsAProtocolError) {
  const auto made = sides_[0].making->make(0).value();
  const std::uint64_t token = made.numbers.at(0);
  const std::uint64_t size = made.numbers.at(1);
  for (const auto& numbers : std::vector<std::vector<std::uint64_t>>{
           {}, {token}, {token + 1, size}, {0, 0}, {token, size, 0}, {~token, ~size}, {token, size + 1}}) {
    EXPECT_TRUE(fails_with(Errc::protocol_error, sides_[0].taking->take(offer(numbers))));
  }
}

TEST_F(InprocOffer, IsForItsOwnMeetingAlone) {
  const auto made = sides_[0].making->make(0).value();
  EXPECT_TRUE(fails_with(Errc::protocol_error, sides_[1].taking->take(offer(made.numbers))));
  EXPECT_TRUE(is_ok(sides_[0].taking->take(offer(made.numbers))));
}

TEST_F(InprocOffer, EndsWithWhoMadeIt) {
  const auto made = sides_[0].making->make(0).value();
  sides_[0].making.reset();
  EXPECT_TRUE(fails_with(Errc::protocol_error, sides_[0].taking->take(offer(made.numbers))));
}

TEST_F(Inproc, ReservingEndsAtWhatIsBacked) {
  const auto met = meet({"inproc", {{"link", "region"}, {"backed", "100K"}}});
  ASSERT_TRUE(is_ok(met));
  auto& link = met->connecting.region();
  EXPECT_TRUE(is_ok(link.reserve(0, 60 << 10)));
  const auto refused = met->listening.region().reserve(0, 60 << 10);
  ASSERT_TRUE(fails_with(Errc::limit_reached, refused));
  EXPECT_EQ(refused.error().step, Step::reserve_memory);
  EXPECT_TRUE(is_ok(met->listening.region().reserve(0, 40 << 10)));
  EXPECT_TRUE(fails_with(Errc::limit_reached, link.reserve(0, 1)));
  EXPECT_TRUE(fails_with(Errc::misuse, link.reserve(link.memory().size(), 1)));
}

TEST_F(Inproc, EveryThirdPacketOfUnknownOutcomeComesTwice) {
  const auto met = meet({"inproc", {{"link", "packets"}, {"send", "unknown"}}});
  ASSERT_TRUE(is_ok(met));
  for (int i = 0; i < 6; ++i) {
    const auto bytes = pattern(1, static_cast<std::uint32_t>(i));
    const std::span<const std::byte> part{bytes};
    const links::OutgoingPacket packet{std::span{&part, 1}};
    ASSERT_TRUE(is_ok(met->connecting.packets().send({&packet, 1})));
  }
  std::array<links::Packet, 16> packets;
  const auto count = met->listening.packets().receive(packets);
  ASSERT_TRUE(is_ok(count));
  ASSERT_EQ(*count, 8U);
  EXPECT_TRUE(std::ranges::equal(packets[2].bytes.bytes(), packets[3].bytes.bytes()));
  EXPECT_TRUE(std::ranges::equal(packets[6].bytes.bytes(), packets[7].bytes.bytes()));
}

TEST_F(Inproc, NothingIsLeftOpen) {
  const auto count_open = [] {
    const std::filesystem::directory_iterator open{"/proc/self/fd"};
    return std::distance(begin(open), end(open));
  };
  const auto before = count_open();
  for (const Shape shape : {Shape::stream, Shape::packets, Shape::region}) {
    for (const auto& subject : subjects(shape)) {
      if (subject.mechanism != "inproc") continue;
      ASSERT_TRUE(is_ok(meet(subject)));
    }
  }
  // Couriers end on threads of their own.
  EXPECT_TRUE(becomes_true([&] { return count_open() == before; })) << before << ' ' << count_open();
}

TEST_F(Inproc, ListenersAndClientsOnManyThreadsMeet) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 25;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([this, thread] {
      for (int round = 0; round < kRounds; ++round) {
        const auto where = "busy-" + std::to_string(thread);
        auto acceptor = mechanism_->listen(place(where));
        ASSERT_TRUE(is_ok(acceptor));
        auto client = (*mechanism_->dial(place(where)))->connect();
        ASSERT_TRUE(is_ok(client));
        auto server = (*acceptor)->accept();
        ASSERT_TRUE(is_ok(server));
        auto offer = server->private_link->make(0);
        ASSERT_TRUE(is_ok(offer));
        ASSERT_TRUE(is_ok(client->private_link->take(*std::move(offer))));
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace sluice::inline v0::test
