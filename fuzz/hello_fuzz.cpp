// Any bytes as a hello: read or a protocol_error, and what was read means the same after encoding.
#include "core/hello.hpp"
#include "fuzz/require.hpp"

using namespace sluice;
using namespace sluice::core;
using sluice_fuzz::require;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span{data, size});
  const auto hello = decode_hello(bytes);
  if (!hello) {
    require(hello.error().code == Errc::protocol_error && hello.error().step == Step::hello, "the code of a refusal");
    require(!describe(hello.error()).empty(), "a refusal is described");
    return 0;
  }
  const auto announced = hello_size(bytes.first<kHelloFixedSize>());
  require(announced && *announced == size && size <= kHelloLimit, "a hello is as long as it says");
  const auto again = decode_hello(encode(*hello));
  require(again && *again == *hello, "the encoded hello means the same");
  return 0;
}
