// Who a process belongs to: the user of its token ("TOKEN_USER structure"). Asking needs no right but to see that process; who
// may not be seen is not vouched for.
#include "os/identity.hpp"

#include <array>
#include <cstddef>
#include <optional>

#include "os/windows/system_headers.hpp"

namespace sluice::inline v0::os {
namespace {

struct User {
  alignas(SID) std::array<std::byte, SECURITY_MAX_SID_SIZE> bytes{};

  [[nodiscard]] PSID sid() noexcept { return bytes.data(); }
};

std::optional<User> user_of(HANDLE process) noexcept {
  HANDLE token = nullptr;
  if (::OpenProcessToken(process, TOKEN_QUERY, &token) == 0) return std::nullopt;
  const links::Descriptor owned = own(token);
  // A TOKEN_USER, and the SID that it points to behind it.
  alignas(TOKEN_USER) std::array<std::byte, sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE> told{};
  DWORD size = 0;
  if (::GetTokenInformation(token, TokenUser, told.data(), static_cast<DWORD>(told.size()), &size) == 0) return std::nullopt;
  User user;
  const PSID sid = reinterpret_cast<const TOKEN_USER*>(told.data())->User.Sid;
  if (::CopySid(static_cast<DWORD>(user.bytes.size()), user.sid(), sid) == 0) return std::nullopt;
  return user;
}

bool is_ours(std::int64_t process_id) noexcept {
  const auto process = own(::OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, static_cast<DWORD>(process_id)));
  if (!process) return false;
  auto theirs = user_of(to_handle(process));
  auto ours = user_of(::GetCurrentProcess());
  return theirs && ours && ::EqualSid(theirs->sid(), ours->sid()) != 0;
}

}  // namespace

Result<void> vouch_for(const Peer& peer, Allow allow) noexcept {
  if (allow == Allow::anyone || (peer.process_id && is_ours(*peer.process_id))) return {};
  return Error{Errc::access_denied, Step::identify_peer, 0, -1, -1};
}

}  // namespace sluice::inline v0::os
