// native/sys/: owners of descriptors, results, namespaces, unix sockets. Plain system calls, without
// Node-API or networking.
//
// fd.h: owner of one file descriptor. Every descriptor in this library is in an `Fd` from the line that
// creates it.

#ifndef TAPFD_SYS_FD_H_
#define TAPFD_SYS_FD_H_

#include <unistd.h>

#include <utility>

namespace tapfd {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = other.Release();
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Close(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }

  // Closing the last descriptor of a device takes the kernel's RTNL lock and may wait, so the main thread
  // must not do it. EINTR is not retried: on Linux the descriptor is gone whatever close() returns.
  void Close() {
    if (fd_ >= 0) ::close(Release());
  }

 private:
  int fd_ = -1;
};

}  // namespace tapfd

#endif  // TAPFD_SYS_FD_H_
