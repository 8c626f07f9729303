// What a step outside native/node/ returns: its value, or why it failed. There are no exceptions; the caller
// checks.

#ifndef TAPFD_SYS_RESULT_H_
#define TAPFD_SYS_RESULT_H_

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace tapfd {

// A failed system call has errno and the call's name; a refusal by the library itself has a `code`.
// TypeScript (src/base/errors.ts) turns it into the Error, with cause and remedy.
struct Failure {
  int error = 0;        // errno, positive; 0 when the library itself refuses
  std::string syscall;  // "open", "ioctl TUNSETIFF", "rtnetlink RTM_NEWLINK"
  std::string code;     // "ERR_TAPFD_WRONG_DEVICE" when `error` is 0
  std::string message;  // with `code`: the whole text; with a system call: what was being done, may be empty
  std::string path;     // the file concerned, if any
  std::string interface;  // the interface concerned, if any
  std::string detail;     // the kernel's own words (extended acknowledgement), if any

  // Reads errno: call it in the statement after the system call.
  static Failure FromErrno(std::string syscall) {
    int saved = errno;
    Failure failure;
    failure.error = saved;
    failure.syscall = std::move(syscall);
    return failure;
  }
  static Failure FromError(int error, std::string syscall) {
    Failure failure;
    failure.error = error;
    failure.syscall = std::move(syscall);
    return failure;
  }
  static Failure Refused(std::string code, std::string message) {
    Failure failure;
    failure.code = std::move(code);
    failure.message = std::move(message);
    return failure;
  }

  Failure&& WithPath(std::string value) && {
    path = std::move(value);
    return std::move(*this);
  }
  Failure&& WithInterface(std::string value) && {
    interface = std::move(value);
    return std::move(*this);
  }
  // Our own words; `detail` is for the kernel's.
  Failure&& WithMessage(std::string value) && {
    message = std::move(value);
    return std::move(*this);
  }
  Failure&& WithDetail(std::string value) && {
    detail = std::move(value);
    return std::move(*this);
  }
};

template <typename T>
class Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Failure failure) : state_(std::in_place_index<1>, std::move(failure)) {}

  bool ok() const { return state_.index() == 0; }
  T& value() { return *std::get_if<0>(&state_); }
  const T& value() const { return *std::get_if<0>(&state_); }
  Failure& failure() { return *std::get_if<1>(&state_); }
  const Failure& failure() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Failure> state_;
};

struct Done {};
using Status = Result<Done>;

}  // namespace tapfd

#endif  // TAPFD_SYS_RESULT_H_
