// The peer's commands about its own process: forks, descriptors, memory, kill points. In a peer that is only a thread of the
// test they answer `one_process`.
//
//   mark-descriptors        remembers what is open now            leaked-descriptors   what is open besides
//   fork-and-sleep          a child that lives on (at most 60 s): child=PID
//   use-in-child            a forked child uses the channel, and drops it: what each call answered, what it inherited=
//   exec-and-list           a child by posix_spawn, with whatever it inherits: descriptors=
//   connect-as uid= [allow=1]   a child that becomes that user and connects: connect=CODE
//   listen-as uid= [allow=1]    the same, listening until it is killed (at most 60 s): child=PID listen=CODE
//   hold-memory bytes=      touches that much                     signals              caught= ignored= blocked=
//   points                  NAME=COUNT …                          arm-point name= count= signal=
//   exit [code=]            without destructors
//   leak-descriptor, be-busy, wait-with-limit (a thread in a poll of 60 s), copy-through-pipe bytes=   for the harness's own
//   tests
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "fault_points.hpp"
#include "interpreter.hpp"
#include "process.hpp"

namespace sluice_test {
namespace {

using Progress = Interpreter::Progress;
constexpr unsigned kChildLifetime = 60;  // seconds: an orphan of a failed test goes by itself

// What stands in a value of an answer instead of a blank.
std::string without_blanks(std::string text) {
  for (char& letter : text)
    if (letter == ' ' || letter == '\n') letter = '_';
  return text;
}

std::string listed(const std::map<int, std::string>& descriptors) {
  std::string list;
  for (const auto& [fd, target] : descriptors) list += std::to_string(fd) + ":" + without_blanks(target) + ";";
  return list;
}

std::map<int, std::string>& marked_descriptors() {
  static std::map<int, std::string> marked;
  return marked;
}

Words mark_descriptors(Interpreter&, const Words&, const Progress&) {
  marked_descriptors() = descriptors_of(getpid());
  return {};
}

Words leaked_descriptors(Interpreter&, const Words&, const Progress&) {
  auto open = descriptors_of(getpid());
  for (const auto& [fd, target] : marked_descriptors())
    if (const auto found = open.find(fd); found != open.end() && found->second == target) open.erase(found);
  Words answer;
  answer.set("count", open.size());
  answer.set("list", listed(open));
  return answer;
}

Words fork_and_sleep(Interpreter& interpreter, const Words&, const Progress&) {
  const pid_t child = fork();
  if (child == 0) {
    close(interpreter.control());  // the test must see the end of its peer, not of this child
    alarm(kChildLifetime);
    while (true) pause();
  }
  Words answer;
  answer.set("child", static_cast<std::uint64_t>(child));
  return answer;
}

// What a child that holds the other end writes, until it ends; its wait status besides.
Words words_of_child(pid_t child, int end) {
  std::string text;
  std::array<char, 4096> room{};
  ssize_t got = 0;
  while ((got = read(end, room.data(), room.size())) > 0) text.append(room.data(), static_cast<std::size_t>(got));
  close(end);
  int status = 0;
  waitpid(child, &status, 0);
  Words answer(text);
  answer.set("status", static_cast<std::uint64_t>(status));
  return answer;
}

// Runs `in_child` in a forked child; what it wrote, as words.
template <class Work>
Words from_child(Work in_child) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw Failure{"pipe", {}};
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    alarm(kChildLifetime);
    in_child(ends[1]);
    _exit(0);
  }
  close(ends[1]);
  return words_of_child(child, ends[0]);
}

std::string code_of(const auto& result) { return result ? "ok" : std::string(sluice::name(result.error().code)); }

// What is open here and was not marked, besides `own`.
std::string unmarked_descriptors(int own) {
  auto open = descriptors_of(getpid());
  open.erase(own);
  for (const auto& [fd, target] : marked_descriptors()) open.erase(fd);
  return listed(open);
}

Words use_in_child(Interpreter& interpreter, const Words& words, const Progress&) {
  auto channel = interpreter.channel(words);
  return from_child([&](int out) {
    Words said;
    said.set("inherited", unmarked_descriptors(out));
    const auto soon = std::chrono::seconds(1);
    std::array<std::byte, 16> room{};
    said.set("send", code_of(channel->send(room, soon)));
    said.set("receive", code_of(channel->receive(soon)));
    said.set("receive_into", code_of(channel->receive_into(room, soon)));
    said.set("flush", code_of(channel->flush(soon)));
    said.set("finish", code_of(channel->finish(soon)));
    said.set("close", code_of(channel->close(soon)));
    const sluice::Channel dropped = std::move(*channel);  // its destructor must disturb nobody
    const std::string line = said.line();
    (void)!write(out, line.data(), line.size());
  });
}

// Not by fork(): its handlers close the library's descriptors in the child, and would hide one that lacks close-on-exec. None
// of them runs in posix_spawn(3) (glibc's is clone(2) with CLONE_VFORK; pthread_atfork(3) is about fork alone).
Words exec_and_list(Interpreter&, const Words&, const Progress&) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw Failure{"pipe", {}};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::string program = program_folder() + "/sluice-test-peer";
  std::array<std::string, 3> words{"list-descriptors", "-", "0"};
  std::array<char*, 5> arguments{program.data(), words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t child = -1;
  const int error = posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    throw Failure{"posix_spawn", {}};
  }
  return words_of_child(child, ends[0]);
}

void become(const Words& words) {
  const auto uid = static_cast<uid_t>(words.number("uid"));
  if (setgid(uid) != 0 || setuid(uid) != 0) _exit(1);
}

sluice::Options options_as(const Words& words) {
  sluice::Options options;
  if (words.has("allow")) options.allow = sluice::Allow::anyone;
  return options;
}

Words connect_as(Interpreter& interpreter, const Words& words, const Progress&) {
  return from_child([&](int out) {
    become(words);
    const auto channel = sluice::connect(interpreter.identity().endpoint, patience() / 2, options_as(words));
    const std::string line = "connect=" + code_of(channel);
    (void)!write(out, line.data(), line.size());
  });
}

Words listen_as(Interpreter& interpreter, const Words& words, const Progress&) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw Failure{"pipe", {}};
  const pid_t child = fork();
  if (child == 0) {
    close(interpreter.control());
    alarm(kChildLifetime);
    become(words);
    auto listener = sluice::listen(interpreter.identity().endpoint, options_as(words));
    const std::string line = "listen=" + code_of(listener);
    (void)!write(ends[1], line.data(), line.size());
    close(ends[1]);
    while (listener) (void)listener->accept();
    _exit(0);
  }
  close(ends[1]);
  std::array<char, 256> room{};
  const ssize_t got = read(ends[0], room.data(), room.size());
  close(ends[0]);
  Words answer(std::string_view(room.data(), got > 0 ? static_cast<std::size_t>(got) : 0));
  answer.set("child", static_cast<std::uint64_t>(child));
  return answer;
}

Words hold_memory(Interpreter&, const Words& words, const Progress& progress) {
  const std::size_t size = words.number("bytes");
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw Failure{"out_of_memory", {}};
  constexpr std::size_t kPage = 4096;
  constexpr std::size_t kPagesBetween = 4096;
  for (std::size_t at = 0; at < size; at += kPage) {
    static_cast<volatile char*>(memory)[at] = 1;
    if (at / kPage % kPagesBetween == 0) progress();
  }
  return {};
}

Words signals(Interpreter&, const Words&, const Progress&) {
  Words answer;
  answer.set("caught", status_field(getpid(), "SigCgt"));
  answer.set("ignored", status_field(getpid(), "SigIgn"));
  answer.set("blocked", status_field(getpid(), "SigBlk"));
  return answer;
}

Words points(Interpreter&, const Words&, const Progress&) {
  Words answer;
  for (const auto& [name, count] : fault_points::passed()) answer.set(name, count);
  return answer;
}

Words arm_point(Interpreter&, const Words& words, const Progress&) {
  fault_points::arm(words.text("name", "*"), words.number("count", 1), static_cast<int>(words.number("signal", SIGKILL)));
  return {};
}

Words leak_descriptor(Interpreter&, const Words&, const Progress&) {
  Words answer;
  answer.set("descriptor", static_cast<std::uint64_t>(open("/dev/null", O_RDONLY)));
  return answer;
}

Words be_busy(Interpreter&, const Words&, const Progress&) {
  // What a peer with a time-out of its own looks like.
  std::thread([] {
    while (true) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }).detach();
  return {};
}

Words wait_with_limit(Interpreter&, const Words&, const Progress&) {
  // What a wait looks like that wakes up only once in a while: too rarely for who just watches.
  std::thread([] {
    constexpr int kMinute = 60'000;
    while (true) (void)poll(nullptr, 0, kMinute);
  }).detach();
  return {};
}

Words copy_through_pipe(Interpreter&, const Words& words, const Progress&) {
  // What payload looks like that goes past the mechanism. A part at a time, which a pipe holds.
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw Failure{"pipe", {}};
  std::array<char, 4096> room{};
  for (std::uint64_t left = words.number("bytes"); left > 0;) {
    const ssize_t wrote = write(ends[1], room.data(), std::min<std::uint64_t>(left, room.size()));
    if (wrote <= 0 || read(ends[0], room.data(), static_cast<std::size_t>(wrote)) != wrote) throw Failure{"copy", {}};
    left -= static_cast<std::uint64_t>(wrote);
  }
  close(ends[0]);
  close(ends[1]);
  return {};
}

Words exit_now(Interpreter&, const Words& words, const Progress&) { _exit(static_cast<int>(words.number("code"))); }

Interpreter::Command in_own_process(Interpreter::Command command) {
  return [command = std::move(command)](Interpreter& interpreter, const Words& words, const Progress& progress) {
    if (!interpreter.identity().own_process) throw Failure{"one_process", {}};
    return command(interpreter, words, progress);
  };
}

}  // namespace

const CommandTable& process_commands() {
  static const CommandTable table{
      {"mark-descriptors", in_own_process(mark_descriptors)},
      {"leaked-descriptors", in_own_process(leaked_descriptors)},
      {"fork-and-sleep", in_own_process(fork_and_sleep)},
      {"use-in-child", in_own_process(use_in_child)},
      {"exec-and-list", in_own_process(exec_and_list)},
      {"connect-as", in_own_process(connect_as)},
      {"listen-as", in_own_process(listen_as)},
      {"hold-memory", in_own_process(hold_memory)},
      {"signals", in_own_process(signals)},
      {"points", in_own_process(points)},
      {"arm-point", in_own_process(arm_point)},
      {"leak-descriptor", in_own_process(leak_descriptor)},
      {"be-busy", in_own_process(be_busy)},
      {"wait-with-limit", in_own_process(wait_with_limit)},
      {"copy-through-pipe", in_own_process(copy_through_pipe)},
      {"exit", in_own_process(exit_now)},
  };
  return table;
}

}  // namespace sluice_test
