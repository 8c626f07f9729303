// The identity rule: a macvtap's character device is used only if it is proved to be that link's.
//
// `/dev/tap<ifindex>` proves nothing: two namespaces may each have a link of the same index, but there is one
// node, and it belongs to the first. The proof is the device number that sysfs gives for the link in its own
// namespace.

#ifndef TAPFD_DEVICES_MACVTAP_NODE_H_
#define TAPFD_DEVICES_MACVTAP_NODE_H_

#include "links/link.h"
#include "links/rtnl/socket.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace tapfd {

// Opens a new queue of `link`, a macvtap in the calling thread's namespace. `socket` was opened there too.
// ERR_TAPFD_WRONG_DEVICE if the proof fails.
Result<Fd> OpenMacvtapNode(RtnlSocket& socket, const Link& link);

// Whether `fd` is a queue of `link`, by the same proof.
Status ProveMacvtapNode(RtnlSocket& socket, const Link& link, int fd);

}  // namespace tapfd

#endif  // TAPFD_DEVICES_MACVTAP_NODE_H_
