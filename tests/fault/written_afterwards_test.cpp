// Promise 7 for received messages that lie in a ring: a peer that keeps writing into one that was taken already. Who has asked
// for views sees it, as Message::shared() says; who trusts nobody (the option `untrusted`) judges what has come.
#include "hostile.hpp"
#include "raw_region.hpp"

namespace sluice_test {
namespace {

class WrittenAfterwards : public HostileTest {};
INSTANTIATE_TEST_SUITE_P(Promise7, WrittenAfterwards, testing::ValuesIn(strangers_with(sluice::Shape::region)), label_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WrittenAfterwards);

TEST_P(WrittenAfterwards, ChangesAViewAndNoPrivateCopy) {
  constexpr std::size_t kSize = 64;
  constexpr std::size_t kHeader = 8;
  const auto content = stream({kSize}).message(0);
  auto& victim = start_peer();
  for (const bool is_untrusted : {false, true}) {
    SCOPED_TRACE(is_untrusted ? "untrusted" : "as a view");
    listen_as_victim(victim, is_untrusted ? "untrusted=1" : "");
    auto connected = connect_rightly(victim);
    RawRegion region(connected.offer);
    const auto write = [&](auto word_at) {
      for (std::size_t at = 0; at < kSize; at += sizeof(std::uint64_t))
        region.store(RawRegion::kHead + kHeader + at, word_at(at));
    };
    write([&](std::size_t at) { return load_u64(content, at); });
    region.header(kHeader + kSize, 0);
    region.header(0, raw_header(RawKind::data, kSize));
    region.ring();
    ASSERT_DONE(victim.call("receive hold=1 size=64 deadline=5000"));
    const std::string look = "check-held size=64 shared=" + std::to_string(is_untrusted ? 0 : 1);
    EXPECT_DONE(victim.call(look));
    write([](std::size_t) { return ~std::uint64_t{0}; });
    const Reply looked = victim.call(look);
    if (is_untrusted) {
      EXPECT_DONE(looked);
    } else {
      EXPECT_EQ(looked.code, "wrong_content") << "a view shows it: it was written where the message lies";
    }
    EXPECT_DONE(victim.call("release"));
    EXPECT_DONE(victim.call("destroy"));
    EXPECT_DONE(victim.call("close-listener"));
  }
}

}  // namespace
}  // namespace sluice_test
