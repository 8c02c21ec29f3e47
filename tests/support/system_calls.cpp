#include "system_calls.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "process.hpp"

namespace sluice_test {
namespace {

constexpr const char* kStrace = "/usr/bin/strace";

// Every call by which bytes can reach another process, other than through shared memory.
constexpr const char* kCalls =
    "trace=read,write,readv,writev,pread64,pwrite64,preadv,pwritev,preadv2,pwritev2,sendto,recvfrom,sendmsg,recvmsg,sendmmsg,"
    "recvmmsg,mq_timedsend,mq_timedreceive,msgsnd,msgrcv,splice,tee,vmsplice,sendfile,copy_file_range,process_vm_readv,"
    "process_vm_writev";

struct Line {
  std::string call;
  int fd{-1};
  std::string file;
  std::uint64_t bytes{0};
};

// The kind of file behind a descriptor: of "socket:[123]" and "anon_inode:[eventfd]" the word, of the rest the path.
std::string kind_of(const std::string& target) {
  if (target.starts_with("socket:")) return "socket";
  if (target.starts_with("pipe:")) return "pipe";
  if (target.starts_with("anon_inode:[")) return target.substr(12, target.find(']') - 12);
  return target.starts_with("/") ? "file" : target;
}

// `call(FD<target>, …) = result`. Nothing for a call that failed.
std::optional<Line> read_call(const std::string& text) {
  const auto open = text.find('(');
  const auto result_at = text.rfind(" = ");
  if (open == text.npos || result_at == text.npos) return std::nullopt;
  const long long result = std::strtoll(text.c_str() + result_at + 3, nullptr, 10);
  if (result < 0) return std::nullopt;
  Line line;
  line.call = text.substr(0, open);
  line.fd = std::atoi(text.c_str() + open + 1);
  if (const auto begin = text.find('<', open); begin != text.npos && begin < text.find(',', open)) {
    const auto end = text.find('>', begin);
    line.file = kind_of(text.substr(begin + 1, end - begin - 1));
  }
  line.bytes = static_cast<std::uint64_t>(result);
  if (line.call == "mq_timedsend") {
    // It returns 0; its size is the argument behind the string: mq_timedsend(5</q>, ""..., 8192, 0, …)
    const auto quoted = text.find("\"", text.find("\"", open) + 1);
    const auto comma = text.find(", ", quoted);
    if (comma != text.npos) line.bytes = std::strtoull(text.c_str() + comma + 2, nullptr, 10);
  }
  return line;
}

}  // namespace

std::string why_no_trace() {
  if (access(kStrace, X_OK) != 0) return "strace is not installed";
  Process trial({{kStrace, "-qq", "-o", "/dev/null", "/bin/true"}, {}, -1});
  const auto status = trial.wait(patience());
  return status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0 ? "" : "strace may not trace here";
}

std::vector<std::string> below_trace(const std::string& log) {
  return {kStrace, "-f", "--seccomp-bpf", "-qq", "-y", "-s", "0", "-e", kCalls, "-e", "signal=none", "-o", log};
}

std::map<CallKey, Moved> read_trace(const std::string& log, int but) {
  constexpr std::string_view kUnfinished = " <unfinished ...>";
  constexpr std::string_view kResumed = " resumed>";
  std::map<CallKey, Moved> all;
  std::map<std::string, std::string> begun;  // by thread
  std::ifstream file(log);
  std::string text;
  while (std::getline(file, text)) {
    const auto blank = text.find(' ');
    const std::string thread = text.substr(0, blank);
    std::string call = text.substr(std::min(text.find_first_not_of(' ', blank), text.size()));
    if (call.ends_with(kUnfinished)) {
      begun[thread] = call.substr(0, call.size() - kUnfinished.size());
      continue;
    }
    if (call.starts_with("<... ")) call = begun[thread] + call.substr(call.find(kResumed) + kResumed.size());
    const auto line = read_call(call);
    if (!line || line->fd == but) continue;
    auto& moved = all[{line->call, line->file}];
    ++moved.calls;
    moved.bytes += line->bytes;
    moved.most = std::max(moved.most, line->bytes);
  }
  return all;
}

}  // namespace sluice_test
