// A plug-in: a shared object with a static copy of the library inside.
#include "plugin.hpp"

#include <optional>

namespace {

using namespace std::chrono_literals;

std::optional<sluice::Channel> channel;

std::string connect(const std::string& endpoint) {
  auto connected = sluice::connect(endpoint, 10s);
  if (!connected) return describe(connected.error(), endpoint);
  channel.emplace(*std::move(connected));
  return {};
}

std::string echo() {
  auto message = channel->receive(10s);
  if (!message) return describe(message.error());
  const auto sent = channel->send(message->bytes(), 10s);
  return sent ? std::string() : describe(sent.error());
}

std::string in_forked_child() {
  const auto sent = channel->send(sluice::as_bytes("from the child"), sluice::Deadline::now());
  if (!sent && sent.error().code == sluice::Errc::misuse) return {};
  return "the channel can be used in a forked child";
}

constexpr PlugIn kPlugIn{
    .copy = [] { return static_cast<const void*>(&sluice::to_error_code({}).category()); },
    .code = [](sluice::Errc code) { return sluice::to_error_code({code, sluice::Step::none, 0, 0, 0}); },
    .condition = [](sluice::Errc code) { return make_error_condition(code); },
    .fail = [](sluice::Errc code) { sluice::Result<void>(code).value(); },
    .connect = connect,
    .echo = echo,
    .in_forked_child = in_forked_child,
    .drop = [] { channel.reset(); },
};

}  // namespace

const PlugIn* plug_in() { return &kPlugIn; }
