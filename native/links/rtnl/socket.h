// One rtnetlink conversation with the kernel, in the namespace of the thread that opened it.

#ifndef TAPFD_LINKS_RTNL_SOCKET_H_
#define TAPFD_LINKS_RTNL_SOCKET_H_

#include <chrono>
#include <cstdint>
#include <vector>

#include "links/rtnl/message.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace tapfd {

// The next datagram from the kernel itself; those from other processes are skipped. `buffer` grows to hold
// all of it, and the view is valid until the next call.
Result<ByteView> ReceiveFromKernel(int socket, std::vector<uint8_t>& buffer, int flags = 0);

// Sets a netlink socket option of one int; false if the kernel is too old to know it.
bool SetNetlinkOption(int socket, int option, int value);

// An answer of the kernel, copied out of the receive buffer.
struct RtnlReply {
  nlmsghdr header{};
  std::vector<uint8_t> bytes;

  RtnlReceived view() const { return RtnlReceived{header, ByteView{bytes.data(), bytes.size()}}; }
};

struct RtnlList {
  std::vector<RtnlReply> replies;
  // False: what came or went meanwhile may be missing or in it, and before Linux 6.10, which walks the links
  // by index, another entry may be missing.
  bool consistent = true;
};

class RtnlSocket {
 public:
  // Works in the calling thread's namespace, whichever thread uses it later.
  static Result<RtnlSocket> Open();

  RtnlSocket(RtnlSocket&&) = default;
  RtnlSocket& operator=(RtnlSocket&&) = default;

  // Sends the request, waits for its acknowledgement, and returns what the kernel sent before it.
  Result<std::vector<RtnlReply>> Ask(RtnlMessage& request);
  // The same for a request that returns nothing.
  Status Tell(RtnlMessage& request);
  // A list. If it changed while the kernel was writing it (NLM_F_DUMP_INTR), it is requested again, but not
  // once `retry_for` has passed: where links always come and go, no attempt may ever succeed.
  Result<RtnlList> Dump(RtnlMessage& request,
                        std::chrono::milliseconds retry_for = std::chrono::milliseconds(500));

  // Whether both were opened in one network namespace; what cannot be told counts as one.
  bool SharesNamespaceWith(const RtnlSocket& other) const;

 private:
  struct Answer {
    std::vector<RtnlReply> replies;
    bool interrupted = false;
  };

  explicit RtnlSocket(Fd fd) : fd_(std::move(fd)) {}
  Result<Answer> Exchange(RtnlMessage& request);
  Status Send(RtnlMessage& request);

  Fd fd_;
  uint32_t sequence_ = 0;
  std::vector<uint8_t> buffer_;
};

}  // namespace tapfd

#endif  // TAPFD_LINKS_RTNL_SOCKET_H_
