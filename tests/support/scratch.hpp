// A test's own place: a runtime folder, names that nobody else has, and the proof that nothing of it is left behind.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace sluice_test {

// Makes a folder under /tmp (short: a Unix socket's path has 108 bytes) and lets SLUICE_RUNTIME_DIR name it, for this process
// and those it starts. The destructor removes it with all that is in it.
class Scratch {
 public:
  Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();

  [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
  // A new name each time: letters and digits, on this machine only ours.
  std::string unique_name();

  // Remembers the names of system objects (queues, shared memory) that listeners have recorded in the folder: none of them may
  // be there in the end.
  void note_objects();

  // What is there now and should not be: files in the folder but lock files, shared memory and queues whose names hold
  // ours or were noted, descriptors of this process that were not open when this object was made.
  [[nodiscard]] std::vector<std::string> leftovers();

 private:
  std::string folder_;
  std::string unique_;
  int names_{0};
  std::set<std::string> objects_;
  std::map<int, std::string> descriptors_;
};

}  // namespace sluice_test
