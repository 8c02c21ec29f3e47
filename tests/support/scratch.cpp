#include "scratch.hpp"

#include <fcntl.h>
#include <mqueue.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "process.hpp"

namespace sluice_test {
namespace {

constexpr const char* kRuntimeFolder = "SLUICE_RUNTIME_DIR";
constexpr const char* kLockFile = ".lock";  // lock files stay (design, "A listener's name")

void add_named(const std::string& folder, const std::string& unique, std::vector<std::string>& found) {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none))
    if (entry.path().filename().string().find(unique) != std::string::npos) found.push_back(entry.path().string());
}

// /dev/mqueue need not be mounted: the queue is asked for by name.
bool is_queue(const std::string& name) {
  const mqd_t queue = mq_open(name.c_str(), O_RDONLY);
  if (queue == static_cast<mqd_t>(-1)) return errno != ENOENT;
  mq_close(queue);
  return true;
}

}  // namespace

Scratch::Scratch() {
  std::string pattern = "/tmp/sluice-test-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::system_error(errno, std::generic_category(), pattern);
  folder_ = pattern;
  unique_ = "t" + pattern.substr(pattern.size() - 6);
  setenv(kRuntimeFolder, folder_.c_str(), 1);
  descriptors_ = descriptors_of(getpid());
}

Scratch::~Scratch() {
  unsetenv(kRuntimeFolder);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string Scratch::unique_name() { return unique_ + "n" + std::to_string(++names_); }

void Scratch::note_objects() {
  constexpr std::string_view kRecord = "objects ";  // src/os/linux/name_lock.cpp
  std::error_code none;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_, none)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path());
    std::string line;
    while (std::getline(file, line))
      if (line.starts_with(kRecord) && line.size() > kRecord.size() + 1) objects_.insert(line.substr(kRecord.size()));
  }
}

std::vector<std::string> Scratch::leftovers() {
  note_objects();
  std::vector<std::string> found;
  for (const auto& object : objects_) {
    add_named("/dev/shm", object, found);
    for (const char* suffix : {"", "-0", "-1"})
      if (is_queue("/" + object + suffix)) found.push_back("message queue /" + object + suffix);
  }
  std::error_code none;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_, none))
    if (!entry.is_directory() && !entry.path().string().ends_with(kLockFile)) found.push_back(entry.path().string());
  add_named("/dev/shm", unique_, found);
  add_named("/dev/mqueue", unique_, found);
  for (const auto& [fd, target] : descriptors_of(getpid())) {
    const auto before = descriptors_.find(fd);
    if (before == descriptors_.end() || before->second != target)
      found.push_back("descriptor " + std::to_string(fd) + " (" + target + ")");
  }
  return found;
}

}  // namespace sluice_test
