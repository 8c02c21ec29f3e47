#include "scratch.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
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

std::vector<std::string> Scratch::leftovers() const {
  std::vector<std::string> found;
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
