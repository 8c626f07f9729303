// Opens a queue of a macvtap, and creates its link first if requested.

#ifndef TAPFD_DEVICES_OPEN_MACVTAP_H_
#define TAPFD_DEVICES_OPEN_MACVTAP_H_

#include <optional>
#include <string>

#include "devices/open_tap.h"

namespace tapfd {

struct MacvtapSettings {
  std::string name;              // with `lower`: may be empty or hold one %d
  std::string lower;             // empty: the link exists already
  std::optional<uint32_t> mode;  // MACVLAN_MODE_*, with `lower`
  std::optional<MacAddress> guest_mac;
  QueueSettings queue;
  LinkSettings link;
};

// All of these work in the calling thread's namespace.
Result<OpenedQueue> OpenMacvtap(const MacvtapSettings& settings);
Result<OpenedQueue> OpenMacvtapQueue(const QueueSettings& settings, int index);
// Removes a link that OpenMacvtap made, if its index is not another link's by now. Needs no new descriptor:
// it works in a process that has none left.
Status RemoveMadeLink(const MadeLink& made);
// The MAC rule: a guest whose MAC is not the link's never receives a unicast frame.
Status CheckGuestMac(const std::optional<MacAddress>& guest, const Link& link);
Failure NotAMacvtap(const Link& link);

}  // namespace tapfd

#endif  // TAPFD_DEVICES_OPEN_MACVTAP_H_
