// What a session says, byte for byte, to a peer that is written by hand.
#include <gtest/gtest.h>

#include "core/session.hpp"
#include "unit/fake_links.hpp"
#include "unit/hex.hpp"

namespace {

using sluice_test::hex;
using sluice_test::to_hex;

constexpr std::string_view kAsk = "10 00 00 14 | 00 00 00 00 | 10 00 00 00 | 00 00 00 00 | 00 00 00 00 00 00 00 00";
constexpr std::string_view kTaken = "10 00 00 14 | 00 00 00 00 | 11 00 00 00 | 00 00 00 00 | 00 00 00 00 00 00 00 00";
constexpr std::string_view kGoodbye = "10 00 00 14 | 00 00 00 00 | 13 00 00 00 | 00 00 00 00 | 00 00 00 00 00 00 00 00";

class SessionWire : public testing::Test {
 public:
  [[nodiscard]] sluice::core::Session session() const {
    return sluice::core::Session{{.link = std::make_unique<sluice_test::FakeStream>(wire_),
                                  .handles = nullptr,
                                  .tether = std::make_unique<sluice::links::NoTether>(),
                                  .peer = {},
                                  .traits = {},
                                  .max_incoming = 1000,
                                  .max_outgoing = 1000,
                                  .max_incoming_handles = 0,
                                  .max_outgoing_handles = 0}};
  }
  void peer_sends(std::string_view text) const {
    const auto bytes = hex(text);
    wire_->incoming.insert(wire_->incoming.end(), bytes.begin(), bytes.end());
  }
  [[nodiscard]] std::string sent() const { return to_hex(wire_->outgoing); }

 private:
  std::shared_ptr<sluice_test::StreamWire> wire_ = std::make_shared<sluice_test::StreamWire>();
};

TEST_F(SessionWire, AQuestionIsAnswered) {
  auto session = this->session();
  peer_sends(kAsk);
  EXPECT_EQ(session.receive(sluice::Deadline::now()).error().code, sluice::Errc::would_block);
  EXPECT_EQ(sent(), to_hex(hex(kTaken)));
}

// It may be gone by then, and over tcp what comes to nobody resets the connection under what it still had to read.
TEST_F(SessionWire, AQuestionBehindTheGoodbyeIsNotAnswered) {
  auto session = this->session();
  peer_sends(kAsk);
  EXPECT_EQ(session.close(sluice::Deadline::now()).error().code, sluice::Errc::would_block);
  EXPECT_EQ(sent(), to_hex(hex(kGoodbye)));
}

}  // namespace
