// The README's first program: `hello listen [ENDPOINT]` in one terminal, `hello send [ENDPOINT]` in another.
#include <iostream>
#include <sluice/sluice.hpp>
#include <string>

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  const std::string endpoint = argc > 2 ? argv[2] : "unix:/tmp/hello.sock";
  if (argc > 1 && argv[1] == std::string("listen")) {
    auto listener = sluice::listen(endpoint).value();
    auto channel = listener.accept().value();
    while (auto message = channel.receive()) std::cout << sluice::as_text(message->bytes()) << '\n';
    return channel.ended()->code == sluice::Errc::closed ? 0 : 1;
  }
  auto channel = sluice::connect(endpoint, 5s).value();
  for (auto text : {"one", "two", "three"}) channel.send(sluice::as_bytes(text)).value();
  channel.close(5s).value();
}
