// Result<T>: the value of a call of ours that can fail, or why it failed.
//
// The outside world failing is not a Result: it is a Sample or an ActionResult. This is for reading
// a file, parsing a URL, opening the journal. `Error::message` is one sentence for a person,
// without a secret in it, and names the next step where there is one.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "policies/model/invariant.hpp"

namespace pointsman {

struct Error {
  std::string message;
  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: a T is a Result
  Result(Error error)
      : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: so is an Error

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() {
    POINTSMAN_INVARIANT(ok(), "a Result was read without looking whether it failed");
    return std::get<0>(state_);
  }
  const T& value() const {
    POINTSMAN_INVARIANT(ok(), "a Result was read without looking whether it failed");
    return std::get<0>(state_);
  }
  const Error& error() const {
    POINTSMAN_INVARIANT(!ok(), "the error of a Result that succeeded was read");
    return std::get<1>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

struct Nothing {
  friend bool operator==(const Nothing&, const Nothing&) = default;
};
using Status = Result<Nothing>;

}  // namespace pointsman
