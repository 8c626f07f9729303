// Who else has a queue of a device open: looked for in /proc, as nothing in the kernel tells.

#ifndef TAPFD_DEVICES_QUEUE_HOLDERS_H_
#define TAPFD_DEVICES_QUEUE_HOLDERS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "sys/result.h"

namespace tapfd {

// One queue, by one of its descriptors.
struct QueueHolder {
  pid_t pid;
  int fd;
  std::string command;  // /proc/PID/comm
};

struct OtherQueues {
  dev_t device;  // the number of the device behind the descriptor
  std::vector<QueueHolder> holders;
};

// The queues of the device behind `fd` but its own and those of `own`, descriptors of this process. A
// descriptor that was inherited or duplicated is no further queue and is left out (kcmp(2)).
//
// On macvtap `tun_name` is empty: the device number tells its descriptors, of which those of a deleted
// macvtap that had the number before are left out. Those of TUN and TAP share one number, and all that /proc
// adds is the interface's name: one of the same name in another namespace is taken for it.
//
// Sees only processes that the caller may look into (ptrace(2), PTRACE_MODE_READ).
Result<OtherQueues> FindOtherQueues(int fd, const std::string& tun_name, const std::vector<int>& own);

}  // namespace tapfd

#endif  // TAPFD_DEVICES_QUEUE_HOLDERS_H_
