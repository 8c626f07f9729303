// What the opening calls set on the link, in one order for all kinds, and how it is taken back.

#ifndef TAPFD_DEVICES_LINK_SETTINGS_H_
#define TAPFD_DEVICES_LINK_SETTINGS_H_

#include <optional>
#include <string>
#include <vector>

#include "devices/link/undo.h"
#include "links/address.h"
#include "links/link.h"
#include "links/rtnl/socket.h"
#include "sys/mac_address.h"
#include "sys/result.h"

namespace tapfd {

struct LinkSettings {
  std::optional<MacAddress> mac;
  std::optional<uint32_t> mtu;  // unset: that of the bridge, if there is one
  std::optional<bool> all_multicast;
  std::string bridge;  // name; empty: none
  // Whether the host speaks IPv6 on it. Unset: a link that was made for a guest does not, others are left
  // alone.
  std::optional<bool> ipv6;
  std::vector<IpPrefix> addresses;
  bool up = true;
};

// Applies the settings that differ from the link's, so that an owner without privilege can attach to a link
// that is already set up. `made` by this very call. Returns the updated link.
Result<Link> ApplyLinkSettings(RtnlSocket& socket, const Link& link, bool made, const LinkSettings& settings,
                               OpenUndo& undo);

}  // namespace tapfd

#endif  // TAPFD_DEVICES_LINK_SETTINGS_H_
