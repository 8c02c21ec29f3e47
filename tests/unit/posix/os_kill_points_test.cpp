// A process that is killed between making a thing and giving up its name leaves nothing that the next listener would not clear
// away. Needs the named points (SLUICE_FAULT_POINTS).
#include "links/fault.hpp"

#include <fcntl.h>
#include <mqueue.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string_view>

#include "links/mechanism.hpp"
#include "unit/os_support.hpp"

#if defined(SLUICE_FAULT_POINTS)
namespace sluice::inline v0::test {
namespace {

const char* fatal = "";  // the point at which the child dies

void die_there(const char* point) {
  if (std::strcmp(point, fatal) == 0) ::kill(::getpid(), SIGKILL);
}

struct Case {
  const char* mechanism;
  const char* point;
};

class OsKillPoint : public OsTest, public testing::WithParamInterface<Case> {
 protected:
  void SetUp() override {
    if (mechanism_ == nullptr) GTEST_SKIP() << GetParam().mechanism << " is not built in";
    where_ = std::string_view{GetParam().mechanism} == "unix" ? path("socket") : "camera";
  }
  // Listens, and meets itself as far as making the private link.
  [[nodiscard]] bool go_all_the_way() const {
    const auto acceptor = mechanism_->listen(place(where_));
    if (!acceptor) return false;
    const auto dialing = mechanism_->dial(place(where_)).value()->connect();
    auto listening = (*acceptor)->accept();
    if (!dialing || !listening) return false;
    return !listening->private_link || listening->private_link->make(0);
  }
  // The name that the lock's file records for objects of the system; one that nothing has if there is none.
  [[nodiscard]] std::string recorded_objects() const {
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      std::ifstream file(entry.path());
      for (std::string word; file >> word;) {
        if (word == "objects" && file >> word) return '/' + word;
      }
    }
    return "/-";
  }
  // Whether there is such a shared memory object, or a queue.
  static bool has_object(const std::string& name) {
    const links::Descriptor memory{::shm_open(name.c_str(), O_RDWR, 0)};
    const links::Descriptor first{::mq_open((name + "-0").c_str(), O_RDONLY)};
    const links::Descriptor second{::mq_open((name + "-1").c_str(), O_RDONLY)};
    return memory || first || second;
  }

  const links::Mechanism* mechanism_{links::find_mechanism(GetParam().mechanism)};
  std::string where_;
};

TEST_P(OsKillPoint, TheNextListenerClearsAway) {
  Child child([&] {
    fatal = GetParam().point;
    fault::hook = die_there;
    return go_all_the_way() ? 0 : 1;
  });
  ASSERT_EQ(child.wait(), -1) << "the point was not reached";
  const std::string left = recorded_objects();
  EXPECT_EQ(has_object(left), std::string_view{GetParam().point}.starts_with("after-make"));
  EXPECT_EQ(code_of(mechanism_->dial(place(where_)).value()->connect()), Errc::not_found);
  EXPECT_TRUE(go_all_the_way());
  EXPECT_FALSE(has_object(left));
  EXPECT_EQ(files_in_folder(), 0U);
}

INSTANTIATE_TEST_SUITE_P(All, OsKillPoint,
                         testing::Values(Case{"unix", "after-bind"}, Case{"unix", "before-listen"}, Case{"shm", "after-bind"},
                                         Case{"shm", "before-listen"}, Case{"shm", "after-make-region"},
                                         Case{"mq", "before-listen"}, Case{"mq", "after-make-queues"}),
                         [](const auto& parameter) {
                           std::string name = std::string{parameter.param.mechanism} + '_' + parameter.param.point;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace sluice::inline v0::test
#endif
