// One rtnetlink conversation with the kernel, in the namespace of the thread that opened it.

#ifndef TAPFD_LINKS_RTNL_SOCKET_H_
#define TAPFD_LINKS_RTNL_SOCKET_H_

#include <cstdint>
#include <vector>

#include "links/rtnl/message.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace tapfd {

// The next datagram that the kernel itself sent to `socket`; what other processes send there is passed over.
// `buffer` grows to hold it whole, and the view is good until the next call.
Result<ByteView> ReceiveFromKernel(int socket, std::vector<uint8_t>& buffer, int flags = 0);

// The value of a netlink socket option of one int; false where the kernel is too old to know it.
bool SetNetlinkOption(int socket, int option, int value);

// What the kernel answered, copied out of the receive buffer.
struct RtnlReply {
  nlmsghdr header{};
  std::vector<uint8_t> bytes;

  RtnlReceived view() const { return RtnlReceived{header, ByteView{bytes.data(), bytes.size()}}; }
};

class RtnlSocket {
 public:
  // Works in the calling thread's namespace, then and later, whichever thread uses it.
  static Result<RtnlSocket> Open();

  RtnlSocket(RtnlSocket&&) = default;
  RtnlSocket& operator=(RtnlSocket&&) = default;

  // Sends the request, waits for its acknowledgement, and returns what the kernel sent before that.
  Result<std::vector<RtnlReply>> Ask(RtnlMessage& request);
  // The same for a request that returns nothing.
  Status Tell(RtnlMessage& request);
  // One consistent list: asked anew while it changes under the kernel's hands (NLM_F_DUMP_INTR).
  Result<std::vector<RtnlReply>> Dump(RtnlMessage& request);

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
