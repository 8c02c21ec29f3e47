// The public classes over session and listener.
#include <sluice/channel.hpp>

#include <new>
#include <utility>

#include "core/api_access.hpp"
#include "core/connecting.hpp"
#include "core/guarded.hpp"
#include "core/listener.hpp"
#include "core/session.hpp"

namespace sluice::inline v0 {
namespace {

using core::guarded;
using core::moved_from;

// The same for a call on a channel: there, half a record may have gone, so the channel ends.
template <class Call>
auto guarded(core::Session& session, Step step, Call call) noexcept -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return session.fail({Errc::out_of_memory, step, 0, 0, 0});
  }
}

}  // namespace

// ---- Channel -------------------------------------------------------------------------------------------------------------

Channel::Channel(std::unique_ptr<core::Session> session) noexcept : session_(std::move(session)) {}
Channel::Channel(Channel&&) noexcept = default;
Channel& Channel::operator=(Channel&&) noexcept = default;
Channel::~Channel() = default;

Result<void> Channel::send(std::span<const std::byte> bytes, Deadline deadline) {
  if (!session_) return moved_from(Step::send);
  return guarded(*session_, Step::send, [&] { return session_->send({.parts = {&bytes, 1}}, deadline); });
}

Result<void> Channel::send(std::initializer_list<std::span<const std::byte>> parts, Deadline deadline) {
  if (!session_) return moved_from(Step::send);
  return guarded(*session_, Step::send, [&] { return session_->send({.parts = {parts.begin(), parts.size()}}, deadline); });
}

Result<void> Channel::send(const Outgoing& message, Deadline deadline) {
  if (!session_) return moved_from(Step::send);
  return guarded(*session_, Step::send, [&] { return session_->send(message, deadline); });
}

Result<std::size_t> Channel::send_many(std::span<const Outgoing> messages, Deadline deadline) {
  if (!session_) return moved_from(Step::send);
  return guarded(*session_, Step::send, [&] { return session_->send_many(messages, deadline); });
}

Result<Loan> Channel::loan(std::size_t size, Deadline deadline) {
  if (!session_) return moved_from(Step::loan);
  const auto bytes = guarded(*session_, Step::loan, [&] { return session_->loan(size, deadline); });
  if (!bytes) return bytes.error();
  return Loan{session_.get(), *bytes};
}

Result<Message> Channel::receive(Deadline deadline) {
  if (!session_) return moved_from(Step::receive);
  return guarded(*session_, Step::receive, [&] { return session_->receive(deadline); });
}

Result<Received> Channel::receive_into(std::span<std::byte> room, Deadline deadline) {
  if (!session_) return moved_from(Step::receive);
  return guarded(*session_, Step::receive, [&] { return session_->receive_into(room, deadline); });
}

Result<std::size_t> Channel::receive_many(std::span<Message> messages, Deadline deadline) {
  if (!session_) return moved_from(Step::receive);
  return guarded(*session_, Step::receive, [&] { return session_->receive_many(messages, deadline); });
}

Result<void> Channel::flush(Deadline deadline) {
  if (!session_) return moved_from(Step::flush);
  return guarded(*session_, Step::flush, [&] { return session_->flush(deadline); });
}

Result<void> Channel::finish(Deadline deadline) {
  if (!session_) return moved_from(Step::finish);
  return guarded(*session_, Step::finish, [&] { return session_->finish(deadline); });
}

Result<void> Channel::close(Deadline deadline) {
  if (!session_) return moved_from(Step::close);
  return guarded(*session_, Step::close, [&] { return session_->close(deadline); });
}

void Channel::interrupt() noexcept {
  if (session_) session_->interrupt();
}

void Channel::advance() {
  if (!session_) return;
  (void)guarded(*session_, Step::send, [&] {
    session_->advance();
    return Result<void>{};
  });
}

Result<Readiness> Channel::arm(Want want) {
  if (!session_) return moved_from(Step::arm);
  return guarded(Step::arm, [&]() -> Result<Readiness> {
    if (session_->membership().is_member()) return Error{Errc::misuse, Step::arm, 0, 0, 0};
    const auto found = session_->arm(want);
    if (!found) return found.error();
    return found->anything() ? Readiness::ready : Readiness::armed;
  });
}

Result<Waitable> Channel::waitable() {
  if (!session_) return moved_from(Step::arm);
  return guarded(Step::arm, [&] { return session_->waitable(); });
}

std::optional<Error> Channel::ended() const { return session_ ? session_->ended() : moved_from(Step::none); }

const Traits& Channel::traits() const noexcept {
  static constexpr Traits none{};
  return session_ ? session_->traits() : none;
}

const Peer& Channel::peer() const noexcept {
  static constexpr Peer nobody{};
  return session_ ? session_->peer() : nobody;
}

Statistics Channel::statistics() const { return session_ ? session_->statistics() : Statistics{}; }

// ---- Loan ----------------------------------------------------------------------------------------------------------------

Result<void> Loan::attach(std::span<const Handle> handles) {
  if (session_ == nullptr) return Error{Errc::misuse, Step::attach, 0, 0, 0};
  return guarded(Step::attach, [&] { return session_->attach(handles); });  // nothing has gone: the channel goes on
}

Result<void> Loan::commit(std::size_t size) {
  auto* const session = std::exchange(session_, nullptr);
  bytes_ = {};
  if (session == nullptr) return Error{Errc::misuse, Step::commit, 0, 0, 0};
  return guarded(*session, Step::commit, [&] { return session->commit(size); });
}

void Loan::drop_now() noexcept {
  bytes_ = {};
  std::exchange(session_, nullptr)->drop_loan();
}

// ---- Listener ------------------------------------------------------------------------------------------------------------

Listener::Listener(std::unique_ptr<core::ListenerCore> listener) noexcept : listener_(std::move(listener)) {}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() = default;

Result<Channel> Listener::accept(Deadline deadline) {
  if (!listener_) return moved_from(Step::accept);
  return guarded(Step::accept, [&]() -> Result<Channel> {
    auto session = listener_->accept(deadline);
    if (!session) return session.error();
    return core::ApiAccess::channel(*std::move(session));
  });
}

Result<Readiness> Listener::arm() {
  if (!listener_) return moved_from(Step::arm);
  return guarded(Step::arm, [&]() -> Result<Readiness> {
    if (listener_->membership().is_member()) return Error{Errc::misuse, Step::arm, 0, 0, 0};
    const auto ready = listener_->arm();
    if (!ready) return ready.error();
    return *ready ? Readiness::ready : Readiness::armed;
  });
}

Result<Waitable> Listener::waitable() {
  if (!listener_) return moved_from(Step::arm);
  return listener_->waitable();
}

const std::string& Listener::endpoint() const noexcept {
  static const std::string none;
  return listener_ ? listener_->endpoint() : none;
}

void Listener::close() {
  if (listener_) listener_->close();
}

void Listener::interrupt() noexcept {
  if (listener_) listener_->interrupt();
}

// ---- listen and connect --------------------------------------------------------------------------------------------------

Result<Listener> listen(std::string_view endpoint, const Options& options) {
  return guarded(Step::listen, [&]() -> Result<Listener> {
    auto listener = core::ListenerCore::create(endpoint, options);
    if (!listener) return listener.error();
    return core::ApiAccess::listener(*std::move(listener));
  });
}

Result<Channel> connect(std::string_view endpoint, Deadline deadline, const Options& options) {
  return guarded(Step::connect, [&]() -> Result<Channel> {
    auto session = core::connect(endpoint, deadline, options);
    if (!session) return session.error();
    return core::ApiAccess::channel(*std::move(session));
  });
}

}  // namespace sluice::inline v0
