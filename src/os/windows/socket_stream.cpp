// A connected TCP socket as an overlapped stream: WSARecv and WSASend.
#include <array>

#include "os/failure.hpp"
#include "os/tcp_socket.hpp"
#include "os/windows/overlapped_stream.hpp"

namespace sluice::inline v0::os {
namespace {

class SocketHandle final : public OverlappedHandle {
 public:
  explicit SocketHandle(links::Descriptor socket) noexcept : socket_(std::move(socket)) {
    // What is done at once needs no completion. Where a provider of somebody else's stands in between this may fail; then
    // everything completes through the port ("SetFileCompletionNotificationModes function", remarks on sockets).
    skips_port_ = ::SetFileCompletionNotificationModes(native(), FILE_SKIP_COMPLETION_PORT_ON_SUCCESS) != 0;
  }

  [[nodiscard]] HANDLE native() const noexcept override { return to_handle(socket_); }

  [[nodiscard]] Outcome read(std::span<std::byte> room, OVERLAPPED& operation) noexcept override {
    WSABUF buffer{static_cast<ULONG>(room.size()), reinterpret_cast<CHAR*>(room.data())};
    DWORD count = 0;
    DWORD flags = 0;
    const int result = ::WSARecv(to_socket(socket_), &buffer, 1, &count, &flags, &operation, nullptr);
    return started(result, count);
  }
  [[nodiscard]] Outcome write(std::span<const std::byte> bytes, OVERLAPPED& operation) noexcept override {
    // WSASend doesn't write there, but WSABUF serves both directions.
    WSABUF buffer{static_cast<ULONG>(bytes.size()), const_cast<CHAR*>(reinterpret_cast<const CHAR*>(bytes.data()))};
    DWORD count = 0;
    const int result = ::WSASend(to_socket(socket_), &buffer, 1, &count, 0, &operation, nullptr);
    return started(result, count);
  }
  [[nodiscard]] Outcome outcome(OVERLAPPED& operation) noexcept override {
    DWORD count = 0;
    DWORD flags = 0;
    if (::WSAGetOverlappedResult(to_socket(socket_), &operation, &count, FALSE, &flags) != 0) {
      return {.how = Outcome::How::done, .size = count};
    }
    return failed(::WSAGetLastError());
  }

  [[nodiscard]] Result<void> finish_writing() noexcept override {
    // Without a connection there is nothing left to be ended.
    if (::shutdown(to_socket(socket_), SD_SEND) == 0) return {};
    const int os_code = ::WSAGetLastError();
    const Error error = failure(os_code, Step::finish);
    return os_code == WSAENOTCONN || error.code == Errc::peer_died ? Result<void>{} : Result<void>{error};
  }

 private:
  static Outcome failed(int os_code) noexcept { return {.how = Outcome::How::failed, .os_code = os_code}; }
  [[nodiscard]] Outcome started(int result, DWORD count) const noexcept {
    if (result == 0) return skips_port_ ? Outcome{.how = Outcome::How::done, .size = count} : Outcome{};
    const int os_code = ::WSAGetLastError();
    return os_code == WSA_IO_PENDING ? Outcome{} : failed(os_code);
  }

  links::Descriptor socket_;
  bool skips_port_{false};
};

}  // namespace

Result<std::unique_ptr<links::StreamLink>> make_tcp_link(links::Descriptor socket) {
  return OverlappedStream::create(std::make_unique<SocketHandle>(std::move(socket)));
}

}  // namespace sluice::inline v0::os
