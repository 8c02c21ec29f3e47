// Result<T>: a value or an Error, with the member names of std::expected, for programs in C++20.
#pragma once

#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

#include <sluice/error.hpp>
#include <sluice/export.hpp>

namespace sluice::inline v0 {

// Thrown by Result::value() when there is none: the only exception of this library's own. what() says what describe() says.
// Besides it only std::bad_alloc leaves a call, and only one that returns memory without a Result: Message::copy(),
// mechanisms(), describe(), and value() itself, for the sentence.
class SLUICE_API BadResultAccess : public std::runtime_error {
 public:
  explicit BadResultAccess(const Error& error) : std::runtime_error(describe(error)), error_(error) {}
  [[nodiscard]] const Error& error() const noexcept { return error_; }
  // Defined in the library, and with it what the compiler makes of this class: the same for programs without RTTI.
  [[nodiscard]] const char* what() const noexcept override;

 private:
  Error error_;
};

namespace detail {
[[noreturn]] SLUICE_API void throw_bad_result_access(const Error& error);
[[noreturn]] SLUICE_API void abort_bad_result_access(const Error& error) noexcept;  // says why on standard error

// A program may have parts that are compiled with exceptions and parts without. Each gets its own value(): the linker keeps one
// function of a name, so those of the second kind bear a mark in theirs.
#if defined(__cpp_exceptions)
#define SLUICE_VALUE
[[noreturn]] inline void bad_result_access(const Error& error) { throw_bad_result_access(error); }
#else
#define SLUICE_VALUE [[gnu::abi_tag("no_exceptions")]]
[[noreturn]] SLUICE_VALUE inline void bad_result_access(const Error& error) noexcept { abort_bad_result_access(error); }
#endif
}  // namespace detail

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = Error;
  // NOLINTBEGIN(google-explicit-constructor): `return value;` and `return error;` are what a Result is for
  Result(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(const Error& error) noexcept : state_(std::in_place_index<1>, error) {}
  Result(Errc code, Step step = Step::none) noexcept : state_(std::in_place_index<1>, Error{code, step, 0, 0, 0}) {}
  // NOLINTEND(google-explicit-constructor)
  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

  // Undefined without value, as for std::expected.
  [[nodiscard]] T& operator*() & noexcept { return *std::get_if<0>(&state_); }
  [[nodiscard]] const T& operator*() const& noexcept { return *std::get_if<0>(&state_); }
  [[nodiscard]] T&& operator*() && noexcept { return std::move(*std::get_if<0>(&state_)); }
  [[nodiscard]] T* operator->() noexcept { return std::get_if<0>(&state_); }
  [[nodiscard]] const T* operator->() const noexcept { return std::get_if<0>(&state_); }

  // Without value throws BadResultAccess; where the caller is compiled without exceptions, it says the same on standard error
  // and aborts.
  [[nodiscard]] SLUICE_VALUE T& value() & { return require(), **this; }
  [[nodiscard]] SLUICE_VALUE const T& value() const& { return require(), **this; }
  [[nodiscard]] SLUICE_VALUE T&& value() && { return require(), *std::move(*this); }

  template <class U>
  [[nodiscard]] T value_or(U&& other) && {
    return has_value() ? *std::move(*this) : static_cast<T>(std::forward<U>(other));
  }

  // Undefined with a value.
  [[nodiscard]] const Error& error() const noexcept { return *std::get_if<1>(&state_); }

 private:
  SLUICE_VALUE void require() const {
    if (!has_value()) detail::bad_result_access(error());
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  using error_type = Error;

  Result() noexcept = default;
  Result(const Error& error) noexcept : error_(error), failed_(true) {}  // NOLINT(google-explicit-constructor): as above
  Result(Errc code, Step step = Step::none) noexcept : error_{code, step, 0, 0, 0}, failed_(true) {}  // NOLINT

  [[nodiscard]] bool has_value() const noexcept { return !failed_; }
  [[nodiscard]] explicit operator bool() const noexcept { return !failed_; }
  void operator*() const noexcept {}
  SLUICE_VALUE void value() const {
    if (failed_) detail::bad_result_access(error_);
  }
  [[nodiscard]] const Error& error() const noexcept { return error_; }

 private:
  Error error_{};
  bool failed_{false};
};

#undef SLUICE_VALUE

}  // namespace sluice::inline v0
