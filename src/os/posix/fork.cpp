// The registry of open descriptors: a bit for each, in pages that are never freed, so that the fork handler of the child can
// walk it with nothing but loads and close(2) (the child of a process with threads may call async-signal-safe functions only,
// fork(2)). Everything here is constant-initialised: no constructor runs before main.
#include "os/fork.hpp"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "links/system.hpp"

namespace sluice::inline v0 {
namespace os {
namespace {

constexpr std::size_t kBits = 64;
constexpr std::size_t kWords = 128;
constexpr std::size_t kPerPage = kBits * kWords;  // 8,192 descriptors a page
// 2^26 descriptors. The kernel gives the lowest free number, and that many open files take 17 GB of its memory.
constexpr std::size_t kPages = 8192;

struct Page {
  std::array<std::atomic<std::uint64_t>, kWords> words{};
};

constinit Page first_page;                                 // most processes need no other, so nothing has to be allocated
constinit std::array<std::atomic<Page*>, kPages> pages{};  // [0] stays null: it is first_page
constinit std::atomic<std::uint32_t> generation{0};
constinit std::atomic<bool> is_registered{false};
pthread_once_t registration = PTHREAD_ONCE_INIT;

void close_all(Page& page, std::size_t first_descriptor) noexcept {
  for (std::size_t i = 0; i < kWords; ++i) {
    // relaxed: the child has this one thread, and sees what the forking thread saw
    std::uint64_t word = page.words[i].exchange(0, std::memory_order_relaxed);
    for (; word != 0; word &= word - 1) {
      ::close(static_cast<int>(first_descriptor + i * kBits + static_cast<std::size_t>(std::countr_zero(word))));
    }
  }
}

void in_child() noexcept {
  generation.fetch_add(1, std::memory_order_relaxed);  // relaxed: the child's only thread
  close_all(first_page, 0);
  for (std::size_t i = 1; i < kPages; ++i) {
    // acquire: pairs with the release in page_of(); makes the page's words visible
    if (Page* page = pages[i].load(std::memory_order_acquire)) close_all(*page, i * kPerPage);
  }
}

void register_handler() noexcept {
  // Fails for want of memory only; then children keep what close-on-exec doesn't close.
  (void)::pthread_atfork(nullptr, nullptr, in_child);
  // release: pairs with the acquire in require_handler()
  is_registered.store(true, std::memory_order_release);
}

void require_handler() noexcept {
  // acquire: pairs with the release in register_handler(); whoever sees it has the handler
  if (!is_registered.load(std::memory_order_acquire)) ::pthread_once(&registration, register_handler);
}

// The page of that number, made if it is not there yet; null beyond kPages and without memory.
Page* page_of(std::size_t index) noexcept {
  if (index == 0) return &first_page;
  if (index >= kPages) return nullptr;
  // acquire: pairs with the release below, so that the page's zeros are visible
  Page* page = pages[index].load(std::memory_order_acquire);
  if (page != nullptr) return page;
  std::unique_ptr<Page> made(new (std::nothrow) Page);
  if (!made) return nullptr;
  // release: makes the new page's zeros visible before its pointer; acquire on failure: another thread's page
  if (pages[index].compare_exchange_strong(page, made.get(), std::memory_order_release, std::memory_order_acquire)) {
    return made.release();
  }
  return page;
}

struct Bit {
  std::atomic<std::uint64_t>* word;  // null: not in the registry
  std::uint64_t mask;
};

Bit bit_of(int descriptor) noexcept {
  const auto number = static_cast<std::size_t>(descriptor);
  Page* page = page_of(number / kPerPage);
  if (page == nullptr) return {nullptr, 0};
  return {&page->words[number % kPerPage / kBits], std::uint64_t{1} << (number % kBits)};
}

}  // namespace

void register_descriptor(int descriptor) noexcept {
  if (descriptor < 0) return;
  require_handler();
  const Bit bit = bit_of(descriptor);
  // relaxed: the bits order nothing but themselves; the child of a fork sees what its forking thread saw
  if (bit.word != nullptr) bit.word->fetch_or(bit.mask, std::memory_order_relaxed);
}

void unregister_descriptor(int descriptor) noexcept {
  if (descriptor < 0) return;
  const Bit bit = bit_of(descriptor);
  if (bit.word != nullptr) bit.word->fetch_and(~bit.mask, std::memory_order_relaxed);  // relaxed: as above
}

}  // namespace os

namespace links {

std::uint32_t process_generation() noexcept {
  os::require_handler();
  return os::generation.load(std::memory_order_relaxed);  // relaxed: only a fork changes it, and the child has one thread then
}

}  // namespace links
}  // namespace sluice::inline v0
