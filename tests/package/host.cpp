// Several copies of the library in one process: this program uses libsluice.so, and each of the plug-ins that it loads has a
// copy of the static library inside (plugin.cpp). They know nothing of each other, and still agree on what an error is, talk to
// each other, and go when they are unloaded.
//
//   host ENDPOINT PLUGIN PLUGIN      exits 0 if all is as it should be
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "plugin.hpp"

namespace {

using namespace std::chrono_literals;

constexpr int kLastCode = static_cast<int>(sluice::Errc::interrupted);

void require(bool holds, const std::string& what) {
  if (holds) return;
  std::cerr << "host: " << what << '\n';
  std::_Exit(1);  // also in a forked child
}

void require_nothing(const std::string& complaint) { require(complaint.empty(), complaint); }

struct Loaded {
  explicit Loaded(const char* file) : library(dlopen(file, RTLD_NOW | RTLD_GLOBAL)) {
    require(library != nullptr, std::string("can't load ") + file);
    calls = reinterpret_cast<const PlugIn* (*)()>(dlsym(library, "plug_in"))();
  }
  void* library;
  const PlugIn* calls;
};

std::error_code own_code(sluice::Errc code) { return sluice::to_error_code({code, sluice::Step::none, 0, 0, 0}); }

void require_copies(const PlugIn& one, const PlugIn& other) {
  const void* const own = &own_code(sluice::Errc::closed).category();
  require(one.copy() != own && other.copy() != own && one.copy() != other.copy(), "the copies are not copies");
}

// Every code of one copy equals its Errc and the condition of the other copies, and no other.
void require_same_codes(const PlugIn& one, const PlugIn& other) {
  for (int i = 1; i <= kLastCode; ++i) {
    for (int j = 1; j <= kLastCode; ++j) {
      const auto code = static_cast<sluice::Errc>(i);
      const auto compared = static_cast<sluice::Errc>(j);
      const std::string names = std::string(name(code)) + " and " + std::string(name(compared));
      require((one.code(code) == compared) == (i == j), names + ", a plug-in's code and the host's Errc");
      require((one.code(code) == other.condition(compared)) == (i == j), names + ", of two plug-ins");
      require((own_code(code) == one.condition(compared)) == (i == j), names + ", the host's code and a plug-in's condition");
    }
  }
  require(one.code(sluice::Errc::timed_out) == std::errc::timed_out, "a plug-in's timed_out is not std::errc's");
  require(one.code(sluice::Errc::closed) != std::errc::timed_out, "a plug-in's closed is std::errc::timed_out");
}

void require_caught(const PlugIn& thrower) {
  try {
    thrower.fail(sluice::Errc::held);
    require(false, "nothing was thrown");
  } catch (const sluice::BadResultAccess& caught) {
    require(caught.error().code == sluice::Errc::held, "something else was thrown");
  }
}

void talk(sluice::Channel& channel, const PlugIn& plug_in) {
  channel.send(sluice::as_bytes("hello"), 10s).value();
  require_nothing(plug_in.echo());
  const auto answer = channel.receive(10s).value();
  require(sluice::as_text(answer.bytes()) == "hello", "another message came back");
}

// A channel belongs to the process that made it, in every copy.
void fork_once(sluice::Channel& channel, const PlugIn* plug_in) {
  const pid_t child = fork();
  if (child == 0) {
    const auto sent = channel.send(sluice::as_bytes("child"), sluice::Deadline::now());
    require(!sent && sent.error().code == sluice::Errc::misuse, "the host's channel can be used in a forked child");
    if (plug_in != nullptr) require_nothing(plug_in->in_forked_child());
    _exit(0);
  }
  int status = -1;
  require(waitpid(child, &status, 0) == child && status == 0, "the forked child failed");
}

sluice::Channel meet(const std::string& endpoint, const PlugIn& plug_in) {
  auto listener = sluice::listen(endpoint).value();
  std::string complaint;
  std::thread connecting([&] { complaint = plug_in.connect(endpoint); });
  auto accepted = listener.accept(10s);
  connecting.join();
  require_nothing(complaint);
  return std::move(accepted).value();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string endpoint = argv[1];
  std::array<Loaded, 2> plug_ins{Loaded(argv[2]), Loaded(argv[3])};
  const PlugIn& one = *plug_ins[0].calls;
  const PlugIn& other = *plug_ins[1].calls;
  require_copies(one, other);
  require_same_codes(one, other);
  require_same_codes(other, one);
  require_caught(one);
  require_caught(other);

  auto to_one = meet(endpoint, one);
  auto to_other = meet(endpoint, other);
  talk(to_one, one);
  talk(to_other, other);
  fork_once(to_one, &one);
  fork_once(to_other, &other);
  talk(to_one, one);

  // Unloaded, a copy leaves nothing behind that a later fork would run into: its fork handler goes with it (glibc).
  other.drop();
  require(dlclose(plug_ins[1].library) == 0, "dlclose failed");
  require(dlopen(argv[3], RTLD_NOW | RTLD_NOLOAD) == nullptr, "the plug-in is not unloaded");
  const auto ended = to_other.receive(10s);
  require(!ended && ended.error().code == sluice::Errc::closed, "the unloaded plug-in has not said goodbye");
  fork_once(to_one, &one);
  talk(to_one, one);
  return 0;
}
