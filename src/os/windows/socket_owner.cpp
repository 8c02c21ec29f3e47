// Whose a TCP socket is: GetExtendedTcpTable, which lists all connections with their processes; nobody needs a right for it.
// Wine says process 0 of every one.
#include "os/socket_owner.hpp"

// clang-format off: the order matters
#include "os/windows/system_headers.hpp"
#include <iphlpapi.h>
// clang-format on

#include <cstring>
#include <memory>
#include <new>

#include "os/windows/wine.hpp"

namespace sluice::inline v0::os {
namespace {

constexpr int kTries = 8;  // the table may grow between the question for its size and the one for itself

Error untold(DWORD os_code) noexcept { return {Errc::not_supported, Step::identify_peer, static_cast<int>(os_code), 0, 0}; }

TcpAddress end_of(DWORD address, DWORD port) noexcept {
  TcpAddress end;
  end.port = ntohs(static_cast<u_short>(port));
  std::memcpy(end.bytes.data(), &address, sizeof address);
  return end;
}

TcpAddress end_of(const UCHAR (&address)[16], DWORD scope, DWORD port) noexcept {
  TcpAddress end;
  end.is_v6 = true;
  end.port = ntohs(static_cast<u_short>(port));
  end.scope = scope;
  std::memcpy(end.bytes.data(), address, sizeof address);
  return unmapped(end);
}

TcpAddress ours(const MIB_TCPROW_OWNER_PID& row) noexcept { return end_of(row.dwLocalAddr, row.dwLocalPort); }
TcpAddress theirs(const MIB_TCPROW_OWNER_PID& row) noexcept { return end_of(row.dwRemoteAddr, row.dwRemotePort); }
TcpAddress ours(const MIB_TCP6ROW_OWNER_PID& row) noexcept {
  return end_of(row.ucLocalAddr, row.dwLocalScopeId, row.dwLocalPort);
}
TcpAddress theirs(const MIB_TCP6ROW_OWNER_PID& row) noexcept {
  return end_of(row.ucRemoteAddr, row.dwRemoteScopeId, row.dwRemotePort);
}

bool is_it(const TcpAddress& found, const TcpAddress& wanted) noexcept {
  // Link-local addresses alone have a scope; some calls tell it, and some don't.
  return found.bytes == wanted.bytes && found.port == wanted.port && found.is_v6 == wanted.is_v6;
}

// The table of one family: its bytes, or why not.
Result<std::unique_ptr<std::byte[]>> table_of(ULONG family) {
  ULONG size = 0;
  DWORD answer = ::GetExtendedTcpTable(nullptr, &size, FALSE, family, TCP_TABLE_OWNER_PID_ALL, 0);
  for (int i = 0; i < kTries && answer == ERROR_INSUFFICIENT_BUFFER; ++i) {
    size += size / 4;
    std::unique_ptr<std::byte[]> room(new (std::nothrow) std::byte[size]);
    if (!room) return Error{Errc::out_of_memory, Step::identify_peer, 0, 0, 0};
    answer = ::GetExtendedTcpTable(room.get(), &size, FALSE, family, TCP_TABLE_OWNER_PID_ALL, 0);
    if (answer == NO_ERROR) return room;
  }
  return untold(answer);
}

template <class Table>
std::optional<SocketOwner> find_in(const std::byte* bytes, const TcpAddress& at, const TcpAddress& to) noexcept {
  const auto* const table = reinterpret_cast<const Table*>(bytes);
  for (DWORD i = 0; i < table->dwNumEntries; ++i) {
    const auto& row = table->table[i];
    if (!is_it(ours(row), at)) continue;
    const bool listens = row.dwState == MIB_TCP_STATE_LISTEN;
    if (listens ? to.port != 0 : !is_it(theirs(row), to)) continue;
    const bool is_half_closed = row.dwState == MIB_TCP_STATE_FIN_WAIT1 || row.dwState == MIB_TCP_STATE_FIN_WAIT2;
    return SocketOwner{.is_connected = row.dwState == MIB_TCP_STATE_ESTAB,
                       .is_half_closed = is_half_closed,
                       .has_file = row.dwOwningPid != 0,
                       .user_id = 0,
                       .process_id = row.dwOwningPid};
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<SocketOwner>> owner_of(const TcpAddress& at, const TcpAddress& to) {
  const auto table = table_of(at.is_v6 ? AF_INET6 : AF_INET);
  if (!table) return table.error();
  return at.is_v6 ? find_in<MIB_TCP6TABLE_OWNER_PID>(table->get(), at, to)
                  : find_in<MIB_TCPTABLE_OWNER_PID>(table->get(), at, to);
}

Result<Peer> connected_peer(const TcpAddress& at, const TcpAddress& to) {
  const auto owner = owner_of(at, to);
  if (!owner) return owner.error();
  const bool is_somebodys = *owner && (*owner)->has_file;
  if (is_somebodys && ((*owner)->is_connected || (*owner)->is_half_closed)) {
    return Peer{.process_id = (*owner)->process_id, .user_id = {}};
  }
  if (!*owner || !(*owner)->is_connected) return Error{Errc::peer_died, Step::identify_peer, 0, 0, 0};
  return Error{Errc::would_block, Step::identify_peer, 0, 0, 0};
}

bool are_owners_told() noexcept { return !is_wine(); }

}  // namespace sluice::inline v0::os
