// Conversations: what `sluice listen` and `sluice connect` do. Messages of one or many channels are printed, and what stands on
// the input is sent, on one thread: a WaitSet of channels, the listener, standard input and the programs that were started.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include <sluice/sluice.hpp>

#include "command.hpp"
#include "report.hpp"
#include "streams.hpp"
#include "wording.hpp"

namespace tool {

struct ConversationOptions {
  std::string endpoint;
  Form form{Form::lines};
  Clients clients{Clients::one};
  std::optional<std::string> command;  // --exec: for each channel, instead of the standard streams
  std::optional<double> timeout;       // seconds that a listener waits for a client
};

inline constexpr int kMessagesPerTurn = 64;  // of one channel, or of the input; then the others get their turn

// One channel, and how far its two directions are.
class Conversation {
 public:
  Conversation(sluice::Channel channel, Form form) noexcept : channel_(std::move(channel)), form_(form) {}

  [[nodiscard]] sluice::Channel& channel() noexcept { return channel_; }

  // The next message to be sent; the last one has to be through (needs_message()).
  void give(std::shared_ptr<const std::string> message) noexcept { pending_ = std::move(message); }
  // No further message will be given.
  void end_input() noexcept { input_ended_ = true; }
  [[nodiscard]] bool needs_message() const noexcept { return !pending_ && !input_ended_ && !is_over(); }
  [[nodiscard]] bool has_pending() const noexcept { return pending_ && !is_over(); }
  // Nobody wants what is still received.
  void stop_listening() noexcept { listens_ = false; }
  // What was received, as it is printed; taken by the caller.
  [[nodiscard]] std::string& received() noexcept { return received_; }
  // Nothing more will be received.
  [[nodiscard]] bool has_heard_all() const noexcept { return !listens_; }

  // Moves what can be moved without waiting.
  void move();
  // What is to be waited for at the channel; nothing: it need not be waited for at all.
  [[nodiscard]] std::optional<sluice::Want> want() const noexcept;
  // Its channel has ended, says the WaitSet: both ways, if nothing was wanted of it.
  void look_at_end(bool is_both_ways);
  // Both directions have ended, or it has failed.
  [[nodiscard]] bool is_over() const noexcept { return failure_ || (finished_ && !listens_); }

  // What follows once it is over. The peer may still have to take what was sent, and to say its goodbye: that is waited for
  // until a deadline, by close(), or step by step where others must not wait for this one.
  void part(sluice::Deadline until) noexcept { parts_until_ = until; }
  [[nodiscard]] const std::optional<sluice::Deadline>& parts_until() const noexcept { return parts_until_; }
  // Moves what can be moved without waiting: true once there is nothing to wait for any more, or the deadline has passed.
  [[nodiscard]] bool has_parted();
  void close();

  // How it has ended; nothing: well.
  [[nodiscard]] std::optional<sluice::Error> failure() const noexcept { return failure_ ? failure_ : lost_; }
  [[nodiscard]] std::uint64_t most() const noexcept { return channel_.traits().max_message; }

  // Of an own program; null: the standard streams are meant.
  std::unique_ptr<Program> program;
  std::unique_ptr<Splitter> input;  // of the program
  std::uint64_t key{0};

 private:
  void send();
  void receive();
  void end_by(const sluice::Error& error);
  void note_loss(const sluice::Result<void>& last);
  [[nodiscard]] bool is_foreign() const noexcept { return channel_.traits().framing != "sluice"; }

  sluice::Channel channel_;
  Form form_;
  std::shared_ptr<const std::string> pending_;
  std::string received_;
  bool input_ended_{false};
  bool finished_{false};  // the peer has been told, or needs no telling
  bool listens_{true};
  std::optional<sluice::Error> lost_;  // what was sent: the peer has died
  std::optional<sluice::Error> failure_;
  std::optional<sluice::Deadline> parts_until_;
  bool is_peer_gone_{false};  // it has said goodbye, or is dead
};

// Serves one channel that is connected, over the standard streams.
[[nodiscard]] std::expected<void, Failure> converse(sluice::Channel channel, const ConversationOptions& options);
// Serves those who come. With Clients::one the listener is closed once somebody has come; else what goes wrong with a client is
// only complained of.
[[nodiscard]] std::expected<void, Failure> converse(sluice::Listener listener, const ConversationOptions& options);

}  // namespace tool
