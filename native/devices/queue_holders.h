// Finds which processes have a queue of a device open, in /proc, as the kernel has no call for it.

#ifndef TAPFD_DEVICES_QUEUE_HOLDERS_H_
#define TAPFD_DEVICES_QUEUE_HOLDERS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace tapfd {

// One queue, by one of its descriptors.
struct QueueHolder {
  pid_t pid;
  int fd;
  std::string command;  // /proc/PID/comm
  bool certain;         // false: an interface of this name, which may be another namespace's
};

struct OtherQueues {
  dev_t device;  // the number of the device behind the descriptor
  std::vector<QueueHolder> holders;
};

// The queues of the device behind `fd`, except its own and those of `own`, descriptors of this process. An
// inherited or duplicated descriptor is not another queue and is left out (kcmp(2)).
//
// On macvtap `tun_name` is empty: descriptors are recognized by device number, and those of a deleted macvtap
// that had the number before are left out. TUN and TAP descriptors all share one number, and /proc adds only
// the interface's name: whether it is this namespace's is asked of the descriptor itself, which needs
// CAP_NET_ADMIN there and the right to copy it. Detached queues of TUN and TAP are left out.
//
// Sees only processes that the caller may inspect (ptrace(2), PTRACE_MODE_READ).
Result<OtherQueues> FindOtherQueues(int fd, const std::string& tun_name, const std::vector<int>& own);

// The namespace that the TUN or TAP behind another process's descriptor is in now. Needs the right to copy
// the descriptor (ptrace(2), PTRACE_MODE_ATTACH), Linux 5.6, and CAP_NET_ADMIN in that namespace. EBADFD: a
// descriptor without a device.
Result<Fd> FindDeviceNamespace(pid_t pid, int fd);

}  // namespace tapfd

#endif  // TAPFD_DEVICES_QUEUE_HOLDERS_H_
