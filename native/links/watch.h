// A socket that reports every change to the links of one namespace.

#ifndef TAPFD_LINKS_WATCH_H_
#define TAPFD_LINKS_WATCH_H_

#include <cstdint>
#include <vector>

#include "links/link.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace tapfd {

struct LinkEvent {
  enum class Type {
    kChange,   // created or changed; the kernel also repeats itself without a change
    kRemove,   // deleted, or moved to another namespace
    kOverrun,  // events were lost: list the links again. The socket was empty at this point, so later
               // events are complete again
  };
  Type type;
  Link link;  // not for kOverrun
};

class RtnlWatch {
 public:
  // Watches the calling thread's namespace. `receive_buffer_bytes` 0: room for some thousand events.
  static Result<RtnlWatch> Open(int receive_buffer_bytes);

  // Non-blocking, for polling.
  int fd() const { return fd_.get(); }
  // Appends what has arrived, in order. Bounded: a burst of changes takes several calls, between which the
  // socket stays readable. A failure is final.
  Status Drain(std::vector<LinkEvent>* events);

 private:
  explicit RtnlWatch(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
  std::vector<uint8_t> buffer_;
  bool lost_some_ = false;
};

}  // namespace tapfd

#endif  // TAPFD_LINKS_WATCH_H_
