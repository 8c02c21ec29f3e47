// sluice-test-stranger: a peer of `sluice send` or `sluice receive` that says what it is told, true or not.
//
//   sluice-test-stranger listen|connect ENDPOINT WORD...
//
// Each word is done in turn; what is received is printed, a line a message:
//   hello[=LOWEST-HIGHEST]  welcome[=VERSION]  raw=TEXT           say it
//   file=NUMBER             the number that the following messages carry (1 at first)
//   open=NAME  huge=NAME    begins a file; huge announces 2^63 bytes
//   data=TEXT  zeros=BYTES  pieces of content
//   end  end=lie  end=short     with the right digest, a wrong one, a wrong size
//   confirm=lie  refuse=TEXT  drop=TEXT
//   receive                 waits for a message and prints it, or why there is none
//   pause                   prints "paused" and waits for a line on standard input
//   die                     SIGKILL
// At the end the channel is closed.
#include <charconv>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <optional>
#include <sluice/sluice.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "digest.hpp"
#include "transfer.hpp"

namespace {

namespace transfer = tool::transfer;
using std::chrono::seconds;

// No test waits longer for anything.
constexpr seconds kPatience{20};

template <class Integer>
Integer number_from(std::string_view text) {
  Integer number{};
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

struct Printer {
  void operator()(const transfer::Hello& hello) const { std::cout << "hello " << hello.lowest << ' ' << hello.highest; }
  void operator()(const transfer::Welcome& welcome) const { std::cout << "welcome " << welcome.version; }
  void operator()(const transfer::Open& open) const { std::cout << "open " << open.file << ' ' << open.name; }
  void operator()(const transfer::Data& data) const { std::cout << "data " << data.file << ' ' << data.content.size(); }
  void operator()(const transfer::End& end) const { std::cout << "end " << end.file << ' ' << end.size; }
  void operator()(const transfer::Confirm& confirm) const {
    std::cout << "confirm " << confirm.file << ' ' << confirm.size << ' ' << transfer::hexadecimal(confirm.digest);
  }
  void operator()(const transfer::Drop& drop) const { std::cout << "drop " << drop.file << ' ' << drop.text; }
  void operator()(const transfer::Refuse& refuse) const {
    std::cout << "refuse " << refuse.file << ' ' << static_cast<std::uint32_t>(refuse.reason) << ' ' << refuse.text;
  }
};

class Stranger {
 public:
  explicit Stranger(sluice::Channel channel) : channel_(std::move(channel)) {}

  void obey(std::string_view word) {
    const std::size_t equals = word.find('=');
    const std::string_view verb = word.substr(0, equals);
    const std::string_view text = equals == std::string_view::npos ? std::string_view{} : word.substr(equals + 1);
    if (verb == "file") {
      file_ = number_from<std::uint32_t>(text);
    } else if (verb == "receive") {
      receive();
    } else if (verb == "pause") {
      std::cout << "paused" << std::endl;
      std::string line;
      std::getline(std::cin, line);
    } else if (verb == "die") {
      (void)std::raise(SIGKILL);
    } else {
      speak(verb, text);
    }
  }

  void close() { (void)channel_.close(kPatience); }

 private:
  void speak(std::string_view verb, std::string_view text) {
    if (verb == "hello") {
      const std::size_t dash = text.find('-');
      say(transfer::encode(text.empty() ? transfer::Hello{}
                                        : transfer::Hello{number_from<std::uint16_t>(text.substr(0, dash)),
                                                          number_from<std::uint16_t>(text.substr(dash + 1))}));
    } else if (verb == "welcome") {
      say(transfer::encode(text.empty() ? transfer::Welcome{} : transfer::Welcome{number_from<std::uint16_t>(text)}));
    } else if (verb == "raw") {
      say(sluice::as_bytes(text));
    } else if (verb == "open" || verb == "huge") {
      size_ = 0;
      digester_ = {};
      const std::uint64_t announced = verb == "huge" ? std::uint64_t{1} << 63 : 4;
      say(transfer::encode(transfer::Open{file_, announced, text}));
    } else if (verb == "data") {
      piece(text);
    } else if (verb == "zeros") {
      piece(std::string(number_from<std::size_t>(text), '\0'));
    } else if (verb == "end") {
      say(transfer::encode(
          transfer::End{file_, text == "short" ? size_ - 1 : size_, text == "lie" ? transfer::Digest{} : digest()}));
    } else if (verb == "confirm") {
      say(transfer::encode(transfer::Confirm{file_, size_, text == "lie" ? transfer::Digest{} : digest()}));
    } else if (verb == "refuse") {
      say(transfer::encode(transfer::Refuse{file_, transfer::Reason::write, text}));
    } else if (verb == "drop") {
      say(transfer::encode(transfer::Drop{file_, text}));
    } else {
      std::cout << "unknown word: " << verb << std::endl;
    }
  }

  void piece(std::string_view content) {
    digester_.update(sluice::as_bytes(content));
    size_ += content.size();
    report(channel_.send({transfer::data_head(file_), sluice::as_bytes(content)}, kPatience));
  }

  void say(std::span<const std::byte> bytes) { report(channel_.send(bytes, kPatience)); }

  static void report(const sluice::Result<void>& sent) {
    if (!sent) std::cout << "not sent: " << sluice::name(sent.error().code) << std::endl;
  }

  void receive() {
    const auto message = channel_.receive(kPatience);
    if (!message) {
      std::cout << "ended " << sluice::name(message.error().code) << std::endl;
      return;
    }
    if (const auto decoded = transfer::decode(message->bytes())) {
      std::visit(Printer{}, *decoded);
    } else {
      std::cout << "garbage: " << decoded.error();
    }
    std::cout << std::endl;
  }

  [[nodiscard]] transfer::Digest digest() const { return digester_.digest(); }

  sluice::Channel channel_;
  std::uint32_t file_{1};
  std::uint64_t size_{0};
  tool::Digester digester_;
};

sluice::Result<sluice::Channel> meet(std::string_view role, std::string_view endpoint) {
  if (role == "listen") {
    auto listener = sluice::listen(endpoint);
    return listener ? listener->accept(kPatience) : listener.error();
  }
  sluice::Options options;
  options.wait_for_listener = true;
  return sluice::connect(endpoint, kPatience, options);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  if (words.size() < 2) return 2;
  auto channel = meet(words[0], words[1]);
  if (!channel) {
    std::cout << sluice::describe(channel.error(), words[1]) << std::endl;
    return 1;
  }
  Stranger stranger(*std::move(channel));
  for (std::size_t i = 2; i < words.size(); ++i) stranger.obey(words[i]);
  stranger.close();
  return 0;
}
