// The handshake: the bytes that each side sends, as docs/protocol.md draws them, and what it makes of hostile ones.
#include <array>
#include <functional>
#include <optional>
#include <string_view>

#include <gtest/gtest.h>

#include "core/handshake.hpp"
#include "core/record.hpp"
#include "unit/fake_links.hpp"
#include "unit/hex.hpp"
#include "unit/random.hpp"

namespace {

using namespace sluice;
using namespace sluice::core;
using sluice_test::FakeStream;
using sluice_test::hex;
using sluice_test::StreamWire;
using sluice_test::to_hex;
using Role = Handshake::Role;

constexpr std::string_view kHello =
    "53 4c 55 49 43 45 0d 0a | 00 00 | 00 00 | 50 00 00 00"
    "00 00 00 00 00 00 00 00 | 00 00 00 00 00 00 00 00"
    "00 10 00 00 00 00 00 00"  // largest message: 4096
    "a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 aa ab ac ad ae af"
    "01 | 08 | 00 00 00 00 00 00"
    "01 00 | 0c 00 | 73 6c 75 69 63 65 20 30 2e 31 2e 30";
constexpr std::string_view kHelloWithHandles =  // accepts 7
    "53 4c 55 49 43 45 0d 0a | 00 00 | 00 00 | 48 00 00 00"
    "00 00 00 00 00 00 00 00 | 00 00 00 00 00 00 00 00"
    "00 10 00 00 00 00 00 00"
    "a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 aa ab ac ad ae af"
    "01 | 08 | 00 00 00 00 00 00"
    "02 00 | 04 00 | 07 00 00 00";
constexpr std::string_view kOffer = "10 00 00 14 | 00 00 00 00 | 01 00 00 00 | 00 00 00 00 | 00 00 00 00 00 00 00 00";
constexpr std::string_view kOfferOfTwo =
    "20 00 00 14 | 00 00 00 00 | 01 00 00 00 | 00 00 00 00 | 02 00 00 00 00 00 00 00"
    "11 00 00 00 00 00 00 00 | 88 77 66 55 44 33 22 11";
constexpr std::string_view kReady = "10 00 00 14 | 00 00 00 00 | 03 00 00 00 | 00 00 00 00 | 00 00 00 00 00 00 00 00";
// limit_reached (11) while making queues (13), EMFILE (24); 65536 needed, 819200 the limit
constexpr std::string_view kRefuse =
    "20 00 00 14 | 00 00 00 00 | 02 00 00 00 | 0b 00 00 00 | 18 00 00 00 0d 00 00 00"
    "00 00 01 00 00 00 00 00 | 00 80 0c 00 00 00 00 00";

// A private link that offers two numbers, and wants to see these two.
class TwoNumbers final : public links::PrivateLink {
 public:
  Result<links::Offer> make(std::size_t) override { return links::Offer{{0x11, 0x1122'3344'5566'7788}, {}}; }
  Result<void> take(links::Offer offer) override {
    if (offer.numbers != std::vector<std::uint64_t>{0x11, 0x1122'3344'5566'7788}) return {Errc::protocol_error, Step::offer};
    return {};
  }
  links::AnyLink link() override { return std::make_unique<FakeStream>(std::make_shared<StreamWire>()); }
};

class NoMoreQueues final : public links::PrivateLink {
 public:
  Result<links::Offer> make(std::size_t) override { return Error{Errc::limit_reached, Step::make_queues, 24, 65'536, 819'200}; }
  Result<void> take(links::Offer) override { return {}; }
  links::AnyLink link() override { return std::make_unique<FakeStream>(std::make_shared<StreamWire>()); }
};

// A private link that its mechanism can do without; `why`: the connecting side does.
class MayStay final : public links::PrivateLink {
 public:
  explicit MayStay(std::uint32_t why = 0) : why_(why) {}
  Result<links::Offer> make(std::size_t) override { return links::Offer{{0x11, 0x1122'3344'5566'7788}, {}}; }
  Result<void> take(links::Offer) override {
    if (why_ != 0) fallback_ = "not here";
    return {};
  }
  links::AnyLink link() override { return std::make_unique<FakeStream>(std::make_shared<StreamWire>()); }
  [[nodiscard]] std::string_view fallback() const override { return fallback_; }
  [[nodiscard]] std::uint32_t refusal() const override { return why_; }
  [[nodiscard]] bool stay(std::uint32_t why) override {
    if (why == 5) fallback_ = "not there";
    return why == 5;
  }

 private:
  std::uint32_t why_;
  std::string_view fallback_;
};

struct Side {
  std::shared_ptr<StreamWire> wire = std::make_shared<StreamWire>();
  links::Row row{"fake", "", "", "", links::Meet::accept, Reach::this_process, {}, ""};
  std::optional<Handshake> handshake;

  explicit Side(Role role, std::unique_ptr<links::PrivateLink> private_link = nullptr, const Result<void>& vouched = {},
                std::function<Result<Peer>()> vouch_again = {}) {
    links::Meeting meeting;
    meeting.link = std::make_unique<FakeStream>(wire);
    meeting.tether = std::make_unique<links::NoTether>();
    meeting.private_link = std::move(private_link);
    meeting.vouched = vouched;
    meeting.vouch_again = std::move(vouch_again);
    Limits limits;
    limits.max_message = 4096;
    handshake.emplace(role, std::move(meeting), row, limits);
  }
  // Over a link that carries handles.
  Side(Role role, std::size_t max_handles) {
    wire->carries_handles = true;
    links::Meeting meeting;
    meeting.link = std::make_unique<FakeStream>(wire);
    meeting.tether = std::make_unique<links::NoTether>();
    Limits limits;
    limits.max_message = 4096;
    limits.max_handles = max_handles;
    handshake.emplace(role, std::move(meeting), row, limits);
  }
  void peer_sends(std::string_view bytes) const {
    const auto more = hex(bytes);
    wire->incoming.insert(wire->incoming.end(), more.begin(), more.end());
  }
  // Steps; expects that it now waits for the peer.
  void expect_waits() {
    const auto step = handshake->step();
    ASSERT_FALSE(step);
    EXPECT_EQ(step.error().code, Errc::would_block);
  }
  // What was sent since the last look, the random channel id replaced by the golden one.
  [[nodiscard]] std::string sent() {
    auto out = std::exchange(wire->outgoing, {});
    if (out.size() >= kHelloFixedSize && out[0] == std::byte{'S'}) {
      for (std::size_t i = 0; i < 16; ++i) out[40 + i] = static_cast<std::byte>(0xA0 + i);
    }
    return to_hex(out);
  }
};

// What this build says, with the golden channel id (hello_test.cpp has its bytes).
std::string our_hello_bytes(Part part = Part::connects) {
  std::array<std::byte, 16> id{};
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(0xA0 + i);
  return to_hex(encode(our_hello(4096, id, 0, part)));
}

std::string listeners_hello_and(std::string_view more) { return our_hello_bytes(Part::listens) + " " + to_hex(hex(more)); }

static_assert(static_cast<int>(Errc::limit_reached) == 11 && static_cast<int>(Step::make_queues) == 13, "kRefuse");

TEST(HandshakeBytes, TheConnectingSideSendsItsHelloThenReady) {
  Side side{Role::connecting};
  side.expect_waits();
  EXPECT_EQ(side.sent(), our_hello_bytes());
  side.peer_sends(kHello);
  side.expect_waits();
  EXPECT_EQ(side.sent(), "");
  side.peer_sends(kOffer);
  const auto established = side.handshake->step();
  ASSERT_TRUE(established);
  EXPECT_EQ(side.sent(), to_hex(hex(kReady)));
  EXPECT_EQ(established->max_outgoing, 4096U);
}

TEST(HandshakeBytes, TheListenersSideAnswersWithItsHelloAndAnOffer) {
  Side side{Role::listening};
  side.expect_waits();
  EXPECT_EQ(side.sent(), "") << "it speaks second";
  side.peer_sends(kHello);
  side.expect_waits();
  EXPECT_EQ(side.sent(), listeners_hello_and(kOffer));
  side.peer_sends(kReady);
  EXPECT_TRUE(side.handshake->step());
}

// Nobody knows who connects: the adopted end says hello at once, and plays what the other doesn't.
TEST(HandshakeBytes, AnAdoptedEndPlaysTheOtherPart) {
  Side meets_one_that_connects{Role::adopting};
  meets_one_that_connects.expect_waits();
  EXPECT_EQ(meets_one_that_connects.sent(), our_hello_bytes(Part::either));
  meets_one_that_connects.peer_sends(kHello);
  meets_one_that_connects.expect_waits();
  EXPECT_EQ(meets_one_that_connects.sent(), to_hex(hex(kOffer))) << "no second hello";
  meets_one_that_connects.peer_sends(kReady);
  EXPECT_TRUE(meets_one_that_connects.handshake->step());

  Side meets_one_that_listens{Role::adopting};
  meets_one_that_listens.expect_waits();
  EXPECT_EQ(meets_one_that_listens.sent(), our_hello_bytes(Part::either));
  std::array<std::byte, 16> id{};
  meets_one_that_listens.peer_sends(to_hex(encode(our_hello(4096, id, 0, Part::listens))) + std::string{kOffer});
  EXPECT_TRUE(meets_one_that_listens.handshake->step());
  EXPECT_EQ(meets_one_that_listens.sent(), to_hex(hex(kReady)));

  for (const auto fill : {std::byte{0x00}, std::byte{0xFF}}) {  // below and above any id of ours
    Side meets_one_that_was_adopted{Role::adopting};
    meets_one_that_was_adopted.expect_waits();
    (void)meets_one_that_was_adopted.sent();
    id.fill(fill);
    meets_one_that_was_adopted.peer_sends(to_hex(encode(our_hello(4096, id, 0, Part::either))));
    meets_one_that_was_adopted.expect_waits();
    EXPECT_EQ(meets_one_that_was_adopted.sent(), fill == std::byte{0} ? to_hex(hex(kOffer)) : "");
  }
}

TEST(HandshakeBytes, OurOwnHelloIsNoPeers) {
  for (const auto role : {Role::connecting, Role::adopting}) {
    Side side{role};
    side.expect_waits();
    const auto said = std::exchange(side.wire->outgoing, {});
    side.wire->incoming.insert(side.wire->incoming.end(), said.begin(), said.end());
    const auto step = side.handshake->step();
    ASSERT_FALSE(step);
    EXPECT_EQ(step.error().code, Errc::protocol_error);
  }
}

// Where the link carries handles, both hellos say how many with one message are accepted; 0 is not said.
TEST(HandshakeBytes, HandlesAreAgreedOnWhereTheLinkCarriesThem) {
  for (const auto role : {Role::connecting, Role::listening}) {
    Side side{role, 3};
    side.peer_sends(kHelloWithHandles);
    side.peer_sends(role == Role::listening ? kReady : kOffer);
    const auto established = side.handshake->step();
    ASSERT_TRUE(established);
    EXPECT_TRUE(established->traits.handles);
    EXPECT_EQ(established->max_incoming_handles, 3U);
    EXPECT_EQ(established->max_outgoing_handles, 7U);
    const std::string sent = side.sent();
    EXPECT_NE(sent.find(to_hex(hex("02 00 | 04 00 | 03 00 00 00"))), std::string::npos) << sent;
  }
}

TEST(HandshakeBytes, HandlesAreNotAgreedOnWhereItCarriesNone) {
  Side side{Role::listening};
  side.peer_sends(kHelloWithHandles);
  side.peer_sends(kReady);
  const auto established = side.handshake->step();
  ASSERT_TRUE(established);
  EXPECT_FALSE(established->traits.handles);
  EXPECT_EQ(established->max_incoming_handles, 0U);
  EXPECT_EQ(side.sent(), listeners_hello_and(kOffer));
}

TEST(HandshakeBytes, AnOfferCarriesTheNumbersOfAPrivateLink) {
  Side listening{Role::listening, std::make_unique<TwoNumbers>()};
  listening.peer_sends(kHello);
  listening.expect_waits();
  EXPECT_EQ(listening.sent(), listeners_hello_and(kOfferOfTwo));

  Side connecting{Role::connecting, std::make_unique<TwoNumbers>()};
  connecting.peer_sends(std::string(kHello) + std::string(kOfferOfTwo));
  ASSERT_TRUE(connecting.handshake->step());
  EXPECT_EQ(connecting.sent(), our_hello_bytes() + " " + to_hex(hex(kReady)));
}

// Who can't take what was offered says so with `ready`: both stay on the connection, and say why.
TEST(HandshakeBytes, AReadyThatSaysNoLeavesBothOnTheConnection) {
  constexpr std::string_view kNo = "10 00 00 14 | 00 00 00 00 | 03 00 00 00 | 05 00 00 00 | 00 00 00 00 00 00 00 00";
  Side connecting{Role::connecting, std::make_unique<MayStay>(5)};
  connecting.peer_sends(std::string(kHello) + std::string(kOfferOfTwo));
  const auto here = connecting.handshake->step();
  ASSERT_TRUE(here);
  EXPECT_EQ(connecting.sent(), our_hello_bytes() + " " + to_hex(hex(kNo)));
  EXPECT_EQ(here->traits.fallback, "not here");
  EXPECT_EQ(here->traits.shape, Shape::stream);

  Side listening{Role::listening, std::make_unique<MayStay>()};
  listening.peer_sends(std::string(kHello) + std::string(kNo) + " 61");
  const auto there = listening.handshake->step();
  ASSERT_TRUE(there);
  EXPECT_EQ(there->traits.fallback, "not there");
  EXPECT_EQ(listening.wire->taken, listening.wire->incoming.size() - 1) << "what follows is the session's";
}

TEST(HandshakeBytes, AReadyThatSaysNoWhereNobodyMayIsAProtocolError) {
  const auto code_of = [](std::unique_ptr<links::PrivateLink> link, std::string_view number) {
    Side side{Role::listening, std::move(link)};
    side.peer_sends(std::string(kHello) + "10 00 00 14 | 00 00 00 00 | 03 00 00 00 |" + std::string(number) +
                    "| 00 00 00 00 00 00 00 00");
    const auto step = side.handshake->step();
    return step ? Errc{} : step.error().code;
  };
  EXPECT_EQ(code_of(nullptr, "05 00 00 00"), Errc::protocol_error) << "nothing was offered";
  EXPECT_EQ(code_of(std::make_unique<TwoNumbers>(), "05 00 00 00"), Errc::protocol_error) << "it can't do without";
  EXPECT_EQ(code_of(std::make_unique<MayStay>(), "06 00 00 00"), Errc::protocol_error) << "a reason that there is none of";
  EXPECT_EQ(code_of(std::make_unique<MayStay>(), "00 00 00 00"), Errc{});
}

TEST(HandshakeBytes, ARefusalCarriesTheWholeError) {
  Side listening{Role::listening, std::make_unique<NoMoreQueues>()};
  listening.peer_sends(kHello);
  const auto refused = listening.handshake->step();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::limit_reached);
  EXPECT_EQ(listening.sent(), listeners_hello_and(kRefuse));

  Side connecting{Role::connecting};
  connecting.peer_sends(std::string(kHello) + std::string(kRefuse));
  const auto told = connecting.handshake->step();
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().code, Errc::limit_reached);
  EXPECT_EQ(told.error().step, Step::make_queues);
  EXPECT_EQ(told.error().os_code, 24);
  EXPECT_EQ(told.error().first, 65'536);
  EXPECT_EQ(told.error().second, 819'200);
}

TEST(HandshakeBytes, AStrangerIsRefusedBeforeAByteOfItIsRead) {
  Side side{Role::listening, nullptr, {Errc::access_denied, Step::identify_peer}};
  side.peer_sends(kHello);
  const auto refused = side.handshake->step();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::access_denied);
  EXPECT_EQ(side.wire->taken, 0U);
}

// Who is there is asked again, once, when the hello has come, on both sides; what the system then says of the peer counts.
TEST(HandshakeBytes, WhoHasSaidHelloAndIsNobodysHasGone) {
  Side side{Role::listening, nullptr, {}, [] { return Error{Errc::would_block, Step::identify_peer, 0, 0, 0}; }};
  side.expect_waits();
  side.peer_sends(kHello);
  const auto step = side.handshake->step();
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().code, Errc::peer_died);
}

TEST(HandshakeBytes, WhoHasSaidHelloIsAskedOfTheSystemAgain) {
  for (const auto role : {Role::listening, Role::connecting}) {
    int asked = 0;
    Side side{role, nullptr, {}, [&asked]() -> Result<Peer> {
                ++asked;
                return Peer{.process_id = {}, .user_id = 7};
              }};
    side.expect_waits();
    side.peer_sends(kHello.substr(0, 24));
    side.expect_waits();
    EXPECT_EQ(asked, 0) << "nobody has said anything yet";
    side.peer_sends(kHello.substr(24));
    side.expect_waits();
    EXPECT_EQ(asked, 1);
    side.peer_sends(role == Role::listening ? kReady : kOffer);
    const auto established = side.handshake->step();
    ASSERT_TRUE(established);
    EXPECT_EQ(established->peer.user_id, 7);
    EXPECT_EQ(asked, 1);
  }
}

TEST(HandshakeBytes, AStrangerWhoHasTakenThePlaceOfThePeerIsRefusedAtItsHello) {
  const auto stranger = []() -> Result<Peer> { return Error{Errc::access_denied, Step::identify_peer, 0, 7, 1000}; };
  Side listening{Role::listening, nullptr, {}, stranger};
  listening.peer_sends(kHello);
  const auto refused = listening.handshake->step();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::access_denied);
  EXPECT_TRUE(listening.sent().starts_with(our_hello_bytes(Part::listens))) << "and is told why";

  Side connecting{Role::connecting, nullptr, {}, stranger};
  connecting.peer_sends("53 4c 55 49 43 45 0d 0b" + std::string(kHello.substr(24)));  // no hello: that is not even looked at
  const auto denied = connecting.handshake->step();
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, Errc::access_denied);
}

// A listener that refuses has gone when its hello is read: its reason is heard, and no offer of somebody who has gone is taken.
TEST(HandshakeBytes, OfAListenerThatHasGoneOnlyTheReasonIsHeard) {
  const auto gone = []() -> Result<Peer> { return Error{Errc::peer_died, Step::identify_peer, 0, 0, 0}; };
  Side refused{Role::connecting, nullptr, {}, gone};
  refused.peer_sends(std::string(kHello) + std::string(kRefuse));
  const auto why = refused.handshake->step();
  ASSERT_FALSE(why);
  EXPECT_EQ(why.error().code, Errc::limit_reached);

  Side offered{Role::connecting, nullptr, {}, gone};
  offered.peer_sends(std::string(kHello) + std::string(kOffer));
  const auto died = offered.handshake->step();
  ASSERT_FALSE(died);
  EXPECT_EQ(died.error().code, Errc::peer_died);
}

TEST(HandshakeBytes, WhatFollowsTheHandshakeIsLeftToTheSession) {
  Side side{Role::connecting};
  side.peer_sends(std::string(kHello) + std::string(kOffer) + "05 00 00 04 | 00 00 00 00 | 68 65 6c 6c 6f");
  ASSERT_TRUE(side.handshake->step());
  EXPECT_EQ(side.wire->incoming.size() - side.wire->taken, 13U);
}

// ---- hostile -------------------------------------------------------------------------------------------------------------

struct Dialogue {
  Role role;
  std::string_view peer;  // everything that the peer sends
  std::unique_ptr<links::PrivateLink> (*private_link)();
};

std::unique_ptr<links::PrivateLink> none() { return nullptr; }
std::unique_ptr<links::PrivateLink> two_numbers() { return std::make_unique<TwoNumbers>(); }

std::vector<Dialogue> dialogues() {
  static const std::string listener = std::string(kHello) + std::string(kReady);
  static const std::string connector = std::string(kHello) + std::string(kOffer);
  static const std::string in_lobby = std::string(kHello) + std::string(kOfferOfTwo);
  static const std::string refused = std::string(kHello) + std::string(kRefuse);
  return {{Role::listening, listener, none},
          {Role::listening, listener, two_numbers},
          {Role::connecting, connector, none},
          {Role::connecting, in_lobby, two_numbers},
          {Role::connecting, refused, none}};
}

TEST(HandshakeBytes, EveryPrefixWaitsAndEveryEarlyEndIsADeath) {
  for (const auto& [role, peer, private_link] : dialogues()) {
    const auto whole = hex(peer);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      Side side{role, private_link()};
      side.wire->incoming.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      side.wire->chunk = 7;
      side.expect_waits();
      side.wire->ends = true;
      const auto end = side.handshake->step();
      ASSERT_FALSE(end);
      EXPECT_EQ(end.error().code, Errc::peer_died) << size;
    }
  }
}

TEST(HandshakeBytes, EveryChangedByteIsReadOrRefused) {
  for (const auto& [role, peer, private_link] : dialogues()) {
    const auto whole = hex(peer);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (const unsigned flip : sluice_test::kFlips) {
        Side side{role, private_link()};
        side.wire->incoming = whole;
        side.wire->incoming[at] ^= static_cast<std::byte>(flip);
        side.wire->ends = true;
        const auto end = side.handshake->step();
        if (end || at >= 80 + 8 + 4) continue;  // a refusal says what it wants
        ASSERT_TRUE(end.error().code == Errc::protocol_error || end.error().code == Errc::peer_died ||
                    end.error().code == Errc::limit_reached)
            << at << ' ' << flip;
      }
    }
  }
}

TEST(HandshakeBytes, WhatNoPeerSendsIsAProtocolError) {
  struct Case {
    Role role;
    std::string_view behind_hello;
  };
  for (const auto& [role, behind_hello] : {
           Case{Role::listening, kOffer},  // out of turn
           Case{Role::connecting, kReady},
           Case{Role::listening, "05 00 00 04 | 00 00 00 00 | 68 65 6c 6c 6f"},  // data before ready
           Case{Role::connecting, "f9 0f 00 14 | 00 00 00 00"},                  // more than a handshake may have
           Case{Role::connecting, "ff ff ff 17 | 00 00 00 00"},
           Case{Role::connecting, "08 00 00 14 | 00 00 00 00 | 01 00 00 00 | 00 00 00 00"},  // less than a control word
           Case{Role::connecting, kOfferOfTwo},                                              // numbers, but nothing private
           Case{Role::connecting, "10 00 00 14 | 00 00 00 00 | 01 00 00 00 | 00 00 00 00 | 01 00 00 00 00 00 00 00"},
           Case{Role::connecting, "10 00 00 14 | 00 00 00 00 | 02 00 00 00 | 0b 00 00 00 | 00 00 00 00 00 00 00 00"},
       }) {
    Side side{role};
    side.peer_sends(std::string(kHello) + std::string(behind_hello));
    const auto step = side.handshake->step();
    ASSERT_FALSE(step) << behind_hello;
    EXPECT_EQ(step.error().code, Errc::protocol_error) << behind_hello;
  }
}

TEST(HandshakeBytes, AnOtherVersionGetsOurHelloAndTheReason) {
  Side side{Role::listening};
  side.peer_sends(kHello);
  side.wire->incoming[8] = side.wire->incoming[10] = std::byte{2};
  const auto step = side.handshake->step();
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().code, Errc::protocol_error);
  EXPECT_EQ(step.error().first, 0x0002'0002);
  EXPECT_EQ(step.error().second, 0);
  EXPECT_EQ(side.sent(), listeners_hello_and("20 00 00 14 | 00 00 00 00 | 02 00 00 00 | 0c 00 00 00 | 00 00 00 00 0b 00 00 00"
                                             "02 00 02 00 00 00 00 00 | 00 00 00 00 00 00 00 00"));
}

}  // namespace
