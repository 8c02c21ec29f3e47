// The file transfer's messages (tools/sluice/transfer.hpp): what is encoded comes back, the bytes of version 1 stand for ever,
// and nothing that a hostile peer sends is read beyond its end or believed.
#include "transfer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace tool::transfer {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::string_view text) {
  const auto view = std::as_bytes(std::span(text.data(), text.size()));
  return {view.begin(), view.end()};
}

// A copy that ends where its memory ends, so that a sanitizer sees a read beyond it.
std::expected<Message, std::string_view> decode_exact(const Bytes& bytes) {
  const auto memory = std::make_unique<std::byte[]>(bytes.size());
  std::ranges::copy(bytes, memory.get());
  const auto message = decode({memory.get(), bytes.size()});
  if (!message) return std::unexpected(message.error());
  return decode(bytes);  // views into what lives on
}

template <class Kind>
Kind decoded(const Bytes& bytes) {
  const auto message = decode_exact(bytes);
  EXPECT_TRUE(message.has_value()) << (message ? "" : message.error());
  if (!message || !std::holds_alternative<Kind>(*message)) {
    ADD_FAILURE() << "another kind of message";
    return {};
  }
  return std::get<Kind>(*message);
}

bool is_refused(const Bytes& bytes) { return !decode_exact(bytes).has_value(); }

Digest counting_digest() {
  Digest digest;
  for (std::size_t i = 0; i < digest.size(); ++i) digest[i] = static_cast<std::byte>(i * 17);
  return digest;
}

Bytes data_message(std::uint32_t file, std::string_view content) {
  const auto head = data_head(file);
  Bytes bytes(head.begin(), head.end());
  const Bytes rest = bytes_of(content);
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return bytes;
}

std::vector<Bytes> one_of_each() {
  return {encode(Hello{1, 3}),
          encode(Welcome{1}),
          encode(Open{1, 5, "name"}),
          data_message(1, "x"),
          encode(End{1, 5, counting_digest()}),
          encode(Confirm{1, 5, counting_digest()}),
          encode(Drop{1, "gone"}),
          encode(Refuse{1, Reason::exists, "there"})};
}

TEST(Transfer, EachMessageComesBack) {
  EXPECT_EQ(decoded<Hello>(encode(Hello{1, 3})), (Hello{1, 3}));
  EXPECT_EQ(decoded<Welcome>(encode(Welcome{7})), (Welcome{7}));
  const Bytes open = encode(Open{3, 5'000'000'000, "a name"});
  EXPECT_EQ(decoded<Open>(open), (Open{3, 5'000'000'000, "a name"}));
  EXPECT_EQ(decoded<End>(encode(End{4, 1ULL << 40, counting_digest()})), (End{4, 1ULL << 40, counting_digest()}));
  EXPECT_EQ(decoded<Confirm>(encode(Confirm{5, 0, counting_digest()})), (Confirm{5, 0, counting_digest()}));
  const Bytes drop = encode(Drop{6, "why"});
  EXPECT_EQ(decoded<Drop>(drop), (Drop{6, "why"}));
  const Bytes refuse = encode(Refuse{0, Reason::version, "why"});
  EXPECT_EQ(decoded<Refuse>(refuse), (Refuse{0, Reason::version, "why"}));
}

TEST(Transfer, DataIsAHeadAndTheContentBehindIt) {
  const Bytes bytes = data_message(0xFFFFFFFF, "content");
  const auto data = decoded<Data>(bytes);
  EXPECT_EQ(data.file, 0xFFFFFFFF);
  EXPECT_EQ(Bytes(data.content.begin(), data.content.end()), bytes_of("content"));
}

TEST(Transfer, AnUnknownSizeIsNoSize) {
  const Bytes open = encode(Open{1, std::nullopt, "stdin"});
  EXPECT_EQ(decoded<Open>(open).size, std::nullopt);
  const Bytes empty = encode(Open{1, 0, "empty"});
  EXPECT_EQ(decoded<Open>(empty).size, 0);
}

// A changed byte is a changed protocol, and raises its version.
TEST(Transfer, TheBytesOfVersionOneStand) {
  using namespace std::string_literals;
  EXPECT_EQ(encode(Hello{1, 1}), bytes_of("\1\0\0\0\0\0\0\0\x93SLXFER\n\1\0\1\0"s));
  EXPECT_EQ(encode(Welcome{1}), bytes_of("\2\0\0\0\0\0\0\0\x93SLXFER\n\1\0"s));
  EXPECT_EQ(encode(Open{2, 0x0102030405060708, "ab"}), bytes_of("\3\0\0\0\2\0\0\0\x08\7\6\5\4\3\2\1ab"s));
  EXPECT_EQ(data_message(2, "z"), bytes_of("\4\0\0\0\2\0\0\0z"s));
  Bytes summary = bytes_of("\5\0\0\0\2\0\0\0\x09\0\0\0\0\0\0\0"s);
  const Digest digest = counting_digest();
  summary.insert(summary.end(), digest.begin(), digest.end());
  EXPECT_EQ(encode(End{2, 9, digest}), summary);
  summary[0] = std::byte{6};
  EXPECT_EQ(encode(Confirm{2, 9, digest}), summary);
  EXPECT_EQ(encode(Drop{2, "no"}), bytes_of("\7\0\0\0\2\0\0\0no"s));
  EXPECT_EQ(encode(Refuse{2, Reason::write, "no"}), bytes_of("\x08\0\0\0\2\0\0\0\3\0\0\0no"s));
}

TEST(Transfer, MessagesThatAreCutOffAreRefused) {
  for (const Bytes& whole : one_of_each()) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      const auto message = decode_exact(cut);
      if (!message) continue;
      // What ends with a text is whole without it.
      EXPECT_TRUE(std::holds_alternative<Open>(*message) || std::holds_alternative<Drop>(*message) ||
                  std::holds_alternative<Refuse>(*message));
    }
  }
}

TEST(Transfer, MessagesThatCanNotBeAreRefused) {
  EXPECT_TRUE(is_refused({}));
  EXPECT_TRUE(is_refused(Bytes(kHeadSize)));
  EXPECT_TRUE(is_refused(bytes_of("GET / HTTP/1.1\r\n\r\n")));
  EXPECT_TRUE(is_refused(data_message(1, ""))) << "a piece without content moves nothing";
  EXPECT_TRUE(is_refused(data_message(0, "x"))) << "no file has the number 0";
  EXPECT_TRUE(is_refused(encode(Open{0, 1, "x"})));
  EXPECT_TRUE(is_refused(encode(Hello{2, 1})));
  EXPECT_TRUE(is_refused(encode(Hello{0, 1})));
  Bytes long_summary = encode(End{1, 1, counting_digest()});
  long_summary.push_back({});
  EXPECT_TRUE(is_refused(long_summary));
  Bytes unknown = encode(Drop{1, "x"});
  unknown[0] = std::byte{9};
  EXPECT_TRUE(is_refused(unknown));
}

TEST(Transfer, LaterVersionsMayAddToTheGreeting) {
  Bytes hello = encode(Hello{1, 9});
  hello.resize(hello.size() + 100, std::byte{0xFF});
  EXPECT_EQ(decoded<Hello>(hello), (Hello{1, 9}));
}

TEST(Transfer, VersionsMeetOrDoNot) {
  EXPECT_EQ(common_version({1, 1}), 1);
  EXPECT_EQ(common_version({1, 9}), 1);
  EXPECT_EQ(common_version({2, 9}), std::nullopt);
}

TEST(Transfer, TextsAreCutWhenWrittenAndRefusedWhenTooLong) {
  const std::string endless(5000, 'x');
  const Bytes refuse = encode(Refuse{1, Reason::write, endless});
  EXPECT_EQ(decoded<Refuse>(refuse).text.size(), kLongestText);
  Bytes longer = encode(Drop{1, endless});
  longer.push_back(std::byte{'x'});
  EXPECT_TRUE(is_refused(longer));
}

TEST(Transfer, RandomBytesAreNeverReadBeyondTheirEnd) {
  std::mt19937 random(20240611);
  const std::vector<Bytes> seeds = one_of_each();
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = seeds[random() % seeds.size()];
    bytes.resize(random() % (bytes.size() + 8));
    for (unsigned flips = random() % 4; flips > 0 && !bytes.empty(); --flips)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    (void)decode_exact(bytes);
  }
}

TEST(Transfer, NamesWithAPathOrControlCharactersAreRefused) {
  using namespace std::string_literals;
  const std::vector<std::string> refused{
      "",       ".",         "..",     "/",    "/etc/passwd", "../up",   "a/b",         "a\\b",
      "..\\up", "new\nline", "bell\a", "\x7f", "nul\0byte"s,  "\x1b[2J", "\xC2\x9B[2J", std::string(256, 'x')};
  for (const std::string& name : refused) EXPECT_TRUE(name_problem(name).has_value()) << printable(name);
  const std::vector<std::string> taken{"a",         "...",      "..a", ".hidden", "two words",
                                       "größe.txt", "\xff\xfe", "-",   "a:b",     std::string(255, 'x')};
  for (const std::string& name : taken) EXPECT_FALSE(name_problem(name).has_value()) << name;
}

TEST(Transfer, PrintableTextHasNoControlCharacters) {
  EXPECT_EQ(printable("plain größe"), "plain größe");
  EXPECT_EQ(printable("\x1b[2J\n!\xC2\x9B.\xC2"), "?[2J?!?.\xC2");
}

TEST(Transfer, DigestsAreThirtyTwoDigits) { EXPECT_EQ(hexadecimal(counting_digest()), "00112233445566778899aabbccddeeff"); }

}  // namespace
}  // namespace tool::transfer
