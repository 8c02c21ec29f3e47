// The words of describe(): for each step what was being done, and for each pair of code and step the cause and the mend.
// Stands on nothing but <sluice/error.hpp>. The first row that fits is taken, so a code's last row fits every step.
//
// In a text, {first} and {second} are the error's numbers, {first versions} a pair of protocol versions, {option} the option
// of the endpoint's text that `first` counts; what stands in [ ] is left out when both numbers are 0.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include <sluice/error.hpp>

namespace sluice::inline v0::core {

// "listening" "on" ENDPOINT. The preposition is left out with the endpoint.
struct Activity {
  Step step;
  std::string_view doing;
  std::string_view preposition;
};

inline constexpr auto kActivities = std::to_array<Activity>({
    {Step::parse_endpoint, "reading the endpoint", ""},
    {Step::check_options, "checking the options", "of"},
    {Step::find_mechanism, "looking up the mechanism", "of"},
    {Step::find_runtime_folder, "finding the runtime folder", "for"},
    {Step::take_name, "taking the name", "of"},
    {Step::bind_name, "listening", "on"},
    {Step::listen, "listening", "on"},
    {Step::accept, "accepting", "on"},
    {Step::connect, "connecting", "to"},
    {Step::identify_peer, "checking who is at the other end", "of"},
    {Step::hello, "shaking hands", "over"},
    {Step::offer, "handing over the link", "of"},
    {Step::make_queues, "making the queues", "for"},
    {Step::make_region, "making the shared region", "for"},
    {Step::map_region, "mapping the shared region", "of"},
    {Step::reserve_memory, "reserving memory", "for"},
    {Step::make_waiter, "preparing to wait", "on"},
    {Step::wait, "waiting", "on"},
    {Step::send, "sending", "over"},
    {Step::receive, "receiving", "over"},
    {Step::flush, "flushing", ""},
    {Step::finish, "finishing", ""},
    {Step::close, "closing", ""},
    {Step::arm, "looking at what there is", "on"},
    {Step::use_after_fork, "using", ""},
    {Step::find_host, "finding the way", "to"},
    {Step::take_port, "taking the port", "of"},
    {Step::attach, "sending handles", "over"},
    {Step::loan, "lending room", "in"},
    {Step::commit, "sending what was lent", "over"},
    {Step::spawn, "starting the program", "for"},
    {Step::inherit, "handing over an end", "of"},
    {Step::adopt, "taking over what is connected", "as"},
    {Step::make_pipes, "making the pipes", "for"},
});

// What else has to hold for a row to fit.
enum class When : std::uint8_t {
  always,
  numbers,   // one of them is not 0
  versions,  // `first` and `second` are different pairs of protocol versions
  features,  // `first` is -1: `second` are the features that are missing
  negative,  // `first` is below 0
  in_text,   // `first` counts an option of the endpoint's text
  system,    // the system itself said so: it gave a code
};

inline constexpr std::optional<Step> kEveryStep = std::nullopt;

struct Sentence {
  Errc code;
  std::optional<Step> step;
  When when;
  std::string_view cause;
  std::string_view mend;
};

// What three steps have in common.
inline constexpr std::string_view kFolderNotWritable = "the folder is not writable by this user";
inline constexpr std::string_view kOtherFolder = "choose another folder, or have its permissions changed";
inline constexpr std::string_view kNameOfSomebodyElse =
    "the name belongs to somebody else[ (user {first}, and this is user {second})]";
inline constexpr std::string_view kOtherName = "choose another one";
inline constexpr std::string_view kNoFolder = "its folder doesn't exist";
inline constexpr std::string_view kMakeFolder = "create the folder, or choose another";

inline constexpr auto kSentences = std::to_array<Sentence>({
    {Errc::closed, Step::accept, When::always, "the listener was closed", "listen again to serve more peers"},
    {Errc::closed, Step::send, When::always, "this end or the peer has closed the channel",
     "connect again if there is more to send"},
    {Errc::closed, Step::receive, When::always, "the peer sends no more, and everything it sent was received",
     "connect again if there is more to come"},
    {Errc::closed, kEveryStep, When::always, "the channel or listener was closed", "connect or listen again to go on"},

    {Errc::peer_died, Step::connect, When::always, "the other side ended before it answered",
     "see why it ended or whether it refuses this user, and try again"},
    {Errc::peer_died, Step::hello, When::always, "the other side ended during the handshake",
     "see why it ended or whether it refuses this user, and try again"},
    {Errc::peer_died, Step::offer, When::always, "the other side ended during the handshake",
     "see why it ended, and try again"},
    {Errc::peer_died, Step::spawn, When::always, "the program ended before it had claimed its end of the channel",
     "run it by itself to see why, and that it calls inherited()"},
    {Errc::peer_died, kEveryStep, When::always, "the peer ended without a goodbye",
     "see why it ended, start it again and connect anew"},

    {Errc::timed_out, Step::connect, When::always, "the listener didn't answer before the deadline",
     "see that its process runs and accepts, or give it more time"},
    {Errc::timed_out, Step::spawn, When::always, "the program has not claimed its end of the channel before the deadline",
     "see that it calls inherited(), or give it more time"},
    {Errc::timed_out, Step::hello, When::always, "the other side didn't finish the handshake before the deadline",
     "see that its process runs, or give it more time"},
    {Errc::timed_out, Step::accept, When::always, "no peer connected before the deadline", "start the peer, or wait longer"},
    {Errc::timed_out, Step::send, When::always, "the channel had no room before the deadline, and nothing was sent",
     "see that the peer receives, or give it more time"},
    {Errc::timed_out, Step::loan, When::always, "the channel had no room for the loan before the deadline",
     "see that the peer receives, or give it more time"},
    {Errc::timed_out, Step::receive, When::always, "no message came before the deadline",
     "see that the peer sends, or wait longer"},
    {Errc::timed_out, Step::flush, When::always, "the peer had not received everything before the deadline",
     "see that it makes calls on the channel, or wait longer"},
    {Errc::timed_out, Step::finish, When::always, "the end of this direction could not be sent before the deadline",
     "see that the peer receives, and call finish again"},
    {Errc::timed_out, Step::close, When::always,
     "closed, but the peer had not confirmed to have received everything before the deadline",
     "see that it receives to the end, or wait longer"},
    {Errc::timed_out, Step::find_host, When::always, "the name service doesn't answer",
     "try again later, or write the address itself"},
    {Errc::timed_out, kEveryStep, When::always, "the deadline passed", "give it more time, or see why the other side is slow"},

    {Errc::would_block, Step::connect, When::always, "the listener hasn't answered yet", "try again, or wait with a deadline"},
    {Errc::would_block, Step::accept, When::always, "no peer has connected yet", "try again, or wait with a deadline"},
    {Errc::would_block, Step::send, When::always, "the channel has no room now, and nothing was sent",
     "try again when the peer has received, or wait with a deadline"},
    {Errc::would_block, Step::receive, When::always, "no message is there yet", "try again, or wait with a deadline"},
    {Errc::would_block, kEveryStep, When::always, "it can't be done without waiting", "try again, or wait with a deadline"},

    {Errc::too_large, Step::receive, When::always,
     "the message[ of {first} bytes] doesn't fit into the room given[ ({second} bytes)]",
     "receive it into larger memory: it is still there"},
    {Errc::too_large, Step::attach, When::always,
     "the message[ with {first} handles] has more of them than the peer accepts[ ({second})]",
     "raise max_handles at the other end, or send them with several messages"},
    {Errc::too_large, kEveryStep, When::always, "the message[ of {first} bytes] exceeds the limit[ of {second} bytes]",
     "raise max_message at both ends, or send it in parts"},

    {Errc::held, kEveryStep, When::always, "received messages that are still held take the room that the sender waits for",
     "release some of them, or keep copies instead"},

    {Errc::not_supported, Step::find_mechanism, When::always, "this library has no such mechanism on this system",
     "take one of those that `sluice mechanisms` shows as available"},
    {Errc::not_supported, Step::check_options, When::negative,
     "only a mechanism whose link is a stream of its own can carry a foreign framing, and this one's is none",
     "leave framing out, or take unix or tcp"},
    {Errc::not_supported, Step::flush, When::always, "with a foreign framing the peer doesn't confirm what it has taken",
     "let the program at the other end answer, or leave framing out at both ends"},
    {Errc::not_supported, Step::check_options, When::always, "the mechanism can't do what the options ask for",
     "leave the option out, or take another mechanism (`sluice mechanisms` compares them)"},
    {Errc::not_supported, Step::identify_peer, When::always, "the system doesn't tell here who is at the other end",
     "see whether a sandbox keeps it from that (Linux: NETLINK_SOCK_DIAG), or say that anyone may be there with allow=anyone"},
    {Errc::not_supported, Step::make_pipes, When::always, "pipes have no name at which somebody could listen or connect",
     "start the other process with spawn() or child_end(), or make both ends with pair()"},
    {Errc::not_supported, Step::spawn, When::always, "the file is not a program that this system can run",
     "see that it is built for this system, or begins with #! and its interpreter"},
    {Errc::not_supported, Step::inherit, When::always, "the ends of this mechanism can't be handed to another process",
     "take pipe: or unix:, or listen at a name that the other process connects to"},
    {Errc::not_supported, Step::adopt, When::always, "channels of this mechanism aren't made of handles alone",
     "connect or listen instead, or adopt a socket (unix:, tcp:) or pipes (pipe:)"},
    {Errc::not_supported, kEveryStep, When::always, "this mechanism or this system can't do that",
     "take another mechanism (`sluice mechanisms` says what each can do here)"},

    {Errc::access_denied, Step::find_runtime_folder, When::always,
     "the runtime folder belongs to somebody else, or others may write to it[ (its owner is user {first}, this is user "
     "{second})]",
     "set SLUICE_RUNTIME_DIR to a folder of this user with mode 0700, for both processes"},
    {Errc::access_denied, Step::take_name, When::system, kFolderNotWritable, kOtherFolder},
    {Errc::access_denied, Step::bind_name, When::system, kFolderNotWritable, kOtherFolder},
    {Errc::access_denied, Step::listen, When::system, kFolderNotWritable, kOtherFolder},
    {Errc::access_denied, Step::take_name, When::always, kNameOfSomebodyElse, kOtherName},
    {Errc::access_denied, Step::bind_name, When::always, kNameOfSomebodyElse, kOtherName},
    {Errc::access_denied, Step::listen, When::always, kNameOfSomebodyElse, kOtherName},
    {Errc::access_denied, Step::spawn, When::always, "the program may not be run by this user",
     "see that the file is executable, and the folders above it may be searched"},
    {Errc::access_denied, Step::connect, When::always, "the listener belongs to another user, or refuses this one",
     "run both as one user, or let the listener allow=anyone"},
    {Errc::access_denied, Step::identify_peer, When::negative, "the process at the other end belongs to another user",
     "run both as one user, or let the other in with allow=anyone"},
    {Errc::access_denied, Step::identify_peer, When::numbers, "the two ends belong to different users ({first} and {second})",
     "run both as one user, or let the other in with allow=anyone"},
    {Errc::access_denied, Step::identify_peer, When::always,
     "beyond this machine the system can't tell who is at the other end",
     "meet on 127.0.0.1, or on ::1 in brackets, or say that anyone may be there with allow=anyone"},
    {Errc::access_denied, Step::find_host, When::always, "a rule of this machine forbids connecting there",
     "have its firewall or policy allow it, or choose another address"},
    {Errc::access_denied, Step::take_port, When::always, "this user may not listen on that port",
     "choose one from 1024 on, or 0 for a free one"},
    {Errc::access_denied, Step::hello, When::always, "the listener refuses this user",
     "run both as one user, or let the listener allow=anyone"},
    {Errc::access_denied, kEveryStep, When::always, "this user may not do that",
     "run both ends as one user, or choose another name"},

    {Errc::address_in_use, Step::bind_name, When::always,
     "a live listener, or a file that is no dead listener's, has that name",
     "stop the listener, move the file away, or choose another name"},
    {Errc::address_in_use, Step::take_port, When::always, "a live listener, or a connection of another program, has that port",
     "stop it, connect to it, or choose another port (0 for a free one)"},
    {Errc::address_in_use, kEveryStep, When::always, "a live listener has that name",
     "stop it, connect to it, or choose another name"},

    {Errc::not_found, Step::connect, When::always, "nobody listens there",
     "start the listener, or wait for it (Options::wait_for_listener)"},
    {Errc::not_found, Step::find_mechanism, When::always, "there is no mechanism of that name",
     "`sluice mechanisms` lists those that exist"},
    {Errc::not_found, Step::find_runtime_folder, When::always, "the runtime folder doesn't exist",
     "create it, or set SLUICE_RUNTIME_DIR to one that does"},
    {Errc::not_found, Step::take_name, When::always, kNoFolder, kMakeFolder},
    {Errc::not_found, Step::bind_name, When::always, kNoFolder, kMakeFolder},
    {Errc::not_found, Step::listen, When::always, kNoFolder, kMakeFolder},
    {Errc::not_found, Step::find_host, When::system, "the host can't be reached from here",
     "check the address, the network and the firewalls between"},
    {Errc::not_found, Step::find_host, When::always, "no host of that name is known",
     "check the name, or write the address itself"},
    {Errc::not_found, Step::spawn, When::always, "there is no such program",
     "check argv[0]: a path, or a name that is in a folder of PATH"},
    {Errc::not_found, Step::inherit, When::always, "this process has inherited no end of that name, or has claimed it before",
     "start it with spawn() or child_end(), and claim each end once"},
    {Errc::not_found, Step::wait, When::always, "somebody else in this process has reaped the child",
     "leave the children of spawn() to their Process, and SIGCHLD at its default"},
    {Errc::not_found, kEveryStep, When::always, "it doesn't exist", "check the name"},

    // getrlimit(2), RLIMIT_MSGQUEUE: counted for each user, over all its processes.
    {Errc::limit_reached, Step::make_queues, When::always,
     "the message queues of this user have reached their common limit[: {first} bytes are needed, {second} is the limit "
     "(RLIMIT_MSGQUEUE)]",
     "close other channels over queues, or raise the limit with `ulimit -q`"},
    {Errc::limit_reached, Step::make_pipes, When::numbers,
     "pipes of this user may hold {second} bytes, and {first} are asked for",
     "ask for less with capacity=, or raise /proc/sys/fs/pipe-max-size"},
    {Errc::limit_reached, Step::take_name, When::always, "there is no room left in the runtime folder",
     "free some there, or set SLUICE_RUNTIME_DIR to a folder elsewhere, for both processes"},
    {Errc::limit_reached, Step::make_region, When::always,
     "there is not enough shared memory[: {first} bytes are needed, {second} is the limit]",
     "free some, or ask for less with capacity="},
    {Errc::limit_reached, Step::map_region, When::always, "the shared memory can't be mapped[: {first} bytes are needed]",
     "ask for less with capacity=, or raise the limit with `ulimit -v`"},
    {Errc::limit_reached, Step::reserve_memory, When::always,
     "there is not enough shared memory[: {first} bytes are needed, {second} are there]",
     "free some, or ask for less with capacity="},
    {Errc::limit_reached, kEveryStep, When::always,
     "a limit of the system or of this user was reached[: {first} is needed, {second} is the limit]",
     "close channels that are not needed, or raise the limit (descriptors: `ulimit -n`)"},

    {Errc::protocol_error, Step::hello, When::versions,
     "the peer speaks {first versions} of the protocol, and this library {second versions}", "bring both to the same release"},
    {Errc::protocol_error, Step::hello, When::features,
     "the peer requires features that this library doesn't have (bits {second})", "bring both to the same release"},
    {Errc::protocol_error, Step::hello, When::always, "the other side doesn't speak Sluice's protocol",
     "see which program is there"},
    {Errc::protocol_error, Step::connect, When::always, "what listens there is no listener of this mechanism",
     "see which program it is, or choose another name"},
    {Errc::protocol_error, Step::offer, When::always, "what the listener offered is no link of this mechanism",
     "see which program listens there, and bring both to the same release"},
    {Errc::protocol_error, Step::map_region, When::always, "what the listener offered is no region of Sluice",
     "see which program listens there, and bring both to the same release"},
    {Errc::protocol_error, Step::receive, When::numbers,
     "the peer sent a message of at least {first} bytes, beyond the agreed limit of {second}", "see which program the peer is"},
    {Errc::protocol_error, Step::inherit, When::always,
     "what the environment says about the end that was inherited (SLUICE_INHERITED…) makes no sense here",
     "see that the launcher sets it, and lets the handles be inherited under the same numbers"},
    {Errc::protocol_error, kEveryStep, When::always, "the peer sent what no Sluice peer sends",
     "see which program it is, and connect anew"},

    {Errc::invalid_endpoint, Step::find_mechanism, When::always, "there is no mechanism of that name",
     "`sluice mechanisms` lists those that exist"},
    {Errc::invalid_endpoint, Step::check_options, When::in_text,
     "the option {option} is not known here, or its value can't be read",
     "correct it; sizes are digits with K, M or G, times are seconds, spin is microseconds, allow is same_user or anyone, "
     "senders is one or many, and framing is sluice, raw, line, nul, u16be, u16le, u32be or u32le"},
    {Errc::invalid_endpoint, Step::parse_endpoint, When::always, "the text can't be read[ at position {first}]",
     "write mechanism:where?option=value, with %3F for ? and %25 for %"},
    {Errc::invalid_endpoint, Step::bind_name, When::numbers, "the name is too long: {first} bytes, and {second} are the limit",
     "choose a shorter one"},
    {Errc::invalid_endpoint, Step::take_port, When::always, "this machine has no such address",
     "listen on one that it has: 127.0.0.1, or one of those that `ip address` lists"},
    {Errc::invalid_endpoint, Step::inherit, When::always, "ends that are made together meet at no place",
     "leave out what stands behind the colon, or listen and connect there"},
    {Errc::invalid_endpoint, kEveryStep, When::always, "what stands behind the colon names no place of this mechanism",
     "`sluice mechanisms` says what has to stand there"},

    {Errc::misuse, Step::check_options, When::in_text, "the option {option} is given twice, in the text or by the call as well",
     "give it once"},
    {Errc::misuse, Step::check_options, When::always, "an option of the call can't be", "see Options"},
    {Errc::misuse, Step::use_after_fork, When::always, "the channel or listener belongs to the process that made it",
     "connect or listen in the forked child itself"},
    {Errc::misuse, Step::attach, When::always, "a handle is not open", "see that each has a value, and is not closed"},
    {Errc::misuse, Step::send, When::negative, "in this framing an empty message can't be said", "send at least one byte"},
    {Errc::misuse, Step::send, When::numbers,
     "the framing's delimiter stands in the message, at byte {first} of {second}, and nothing was sent",
     "send what stands before and behind it as messages of their own, or take a framing with a length in front"},
    {Errc::misuse, Step::spawn, When::always, "there is no program to start, or no process any more",
     "give argv at least one word; see whether the Process was moved from"},
    {Errc::misuse, Step::inherit, When::always, "the name of an end has other characters than letters, digits and _",
     "choose another one, of at most 64 characters"},
    {Errc::misuse, Step::adopt, When::always,
     "the handle is of another kind than the mechanism's, or not connected (or doesn't listen)",
     "see what the launcher hands over, and in which order"},
    {Errc::misuse, Step::send, When::always,
     "another thread is sending on this end, a loan is out, or its direction is finished",
     "let one thread send at a time (or senders=many), and nothing while a loan is out or after finish"},
    {Errc::misuse, Step::loan, When::always,
     "a loan is out already, another thread is sending on this end, or its direction is finished",
     "commit or drop the loan first, and take none after finish"},
    {Errc::misuse, Step::commit, When::always, "the loan is empty, or smaller than what is to be sent of it",
     "commit each loan once, and at most what was asked for"},
    {Errc::misuse, Step::receive, When::always, "another thread is receiving on this end", "let one thread receive at a time"},
    {Errc::misuse, kEveryStep, When::always, "the call breaks a rule of the interface", "see the comment at its declaration"},

    {Errc::out_of_memory, kEveryStep, When::always, "memory was refused[ ({first} bytes)]",
     "free some, or lower max_message or capacity"},

    {Errc::interrupted, kEveryStep, When::always, "interrupt() was called", "call again to go on"},
});

}  // namespace sluice::inline v0::core
