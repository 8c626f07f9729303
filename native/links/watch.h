// A socket that hears of every change to the links of one namespace.

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
    kChange,   // made or changed; the kernel repeats itself, so perhaps neither
    kRemove,   // deleted, or moved to another namespace
    kOverrun,  // events were lost: list the links anew. The socket was empty when this was said, so what
               // comes after it is complete again
  };
  Type type;
  Link link;  // not for kOverrun
};

class RtnlWatch {
 public:
  // Hears from the calling thread's namespace. `receive_buffer_bytes` 0: room for some thousand events.
  static Result<RtnlWatch> Open(int receive_buffer_bytes);

  // Non-blocking, for polling.
  int fd() const { return fd_.get(); }
  // Appends what has arrived, in order. Bounded: a storm of changes comes in several calls, the socket
  // staying readable in between. A failure is final.
  Status Drain(std::vector<LinkEvent>* events);

 private:
  explicit RtnlWatch(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
  std::vector<uint8_t> buffer_;
  bool lost_some_ = false;
};

}  // namespace tapfd

#endif  // TAPFD_LINKS_WATCH_H_
