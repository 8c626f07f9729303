// native/links/: rtnetlink: links, addresses and their watch, as messages to and from the kernel. On top of
// sys.
//
// link.h: links. Every call works in the namespace its `RtnlSocket` was opened in.

#ifndef TAPFD_LINKS_LINK_H_
#define TAPFD_LINKS_LINK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "links/rtnl/socket.h"
#include "sys/mac_address.h"
#include "sys/result.h"

namespace tapfd {

struct LinkStats {
  uint64_t rx_packets = 0, tx_packets = 0, rx_bytes = 0, tx_bytes = 0;
  uint64_t rx_errors = 0, tx_errors = 0, rx_dropped = 0, tx_dropped = 0, multicast = 0;
};

struct TunLinkInfo {  // IFLA_TUN_*
  uint8_t type = 0;   // IFF_TUN (1) or IFF_TAP (2)
  std::optional<uint32_t> owner, group;
  bool packet_info = false, vnet_header = false, persist = false, multi_queue = false;
  uint32_t queues = 0, disabled_queues = 0;
};

struct VxlanLinkInfo {
  uint32_t id = 0;
  std::string remote, local;  // printed addresses, empty when unset
  uint16_t port = 0;
  bool learning = true;
};

struct BridgePortInfo {  // IFLA_BRPORT_*
  uint8_t state = 0;     // BR_STATE_*
  bool isolated = false;
  // Whether it gets frames to destinations that the bridge has not learned.
  bool unicast_flood = true, multicast_flood = true, broadcast_flood = true;
};

struct Link {
  int index = 0;
  std::string name;
  std::vector<std::string> alternative_names;
  std::string kind;       // IFLA_INFO_KIND: "tun", "macvtap", "bridge", …; empty for a hardware link
  std::string port_kind;  // IFLA_INFO_SLAVE_KIND: "bridge" for a bridge port
  std::optional<MacAddress> mac;
  uint32_t mtu = 0;
  uint32_t flags = 0;  // IFF_*
  uint8_t oper_state = 0;
  bool carrier = false;
  int master = 0;                         // ifindex, 0: none
  int lower = 0;                          // IFLA_LINK, 0: none
  std::optional<int32_t> lower_netns_id;  // IFLA_LINK_NETNSID: the lower is in another namespace
  uint32_t tx_queue_length = 0;
  uint32_t tx_queues = 0, rx_queues = 0;
  std::string alias;
  LinkStats stats;
  std::optional<TunLinkInfo> tun;
  std::optional<uint32_t> macvlan_mode;  // MACVLAN_MODE_*
  std::optional<VxlanLinkInfo> vxlan;
  std::optional<uint8_t> address_generation;  // IN6_ADDR_GEN_MODE_*; unset without IPv6
  std::optional<BridgePortInfo> bridge_port;
};

struct LinkList {
  std::vector<Link> links;
  bool consistent = true;  // RtnlList
};

// Only what is set is changed.
struct LinkChanges {
  std::optional<std::string> name;
  std::optional<MacAddress> mac;
  std::optional<uint32_t> mtu;
  std::optional<bool> up;
  std::optional<int> master;  // ifindex of a bridge; 0 takes it out
  std::optional<bool> all_multicast;
  std::optional<bool> promiscuous;
  std::optional<uint32_t> tx_queue_length;
  std::optional<std::string> alias;
  std::optional<bool> carrier;
  std::optional<uint32_t> macvlan_mode;
  std::optional<uint8_t> address_generation;  // IN6_ADDR_GEN_MODE_*
  std::optional<int> netns_fd;                // move there; borrowed

  bool empty() const {
    return !name && !mac && !mtu && !up && !master && !all_multicast && !promiscuous && !tx_queue_length &&
           !alias && !carrier && !macvlan_mode && !address_generation && !netns_fd;
  }
};

struct NewLink {
  std::string kind;     // "bridge", "veth", "macvlan", "macvtap", "vxlan"
  std::string name;     // empty, or with one %d: the kind's own name with the lowest free number
  LinkChanges changes;  // applied as the link is made (mac, mtu, master, …; `up` last)
  int lower = 0;        // macvlan, macvtap, vxlan
  std::optional<uint32_t> macvlan_mode;
  std::vector<MacAddress> source_macs;           // mode source
  std::optional<uint32_t> tx_queues, rx_queues;  // IFLA_NUM_TX_QUEUES
  // veth
  std::string peer_name;
  std::optional<MacAddress> peer_mac;
  std::optional<int> peer_netns_fd;
  // vxlan
  std::optional<uint32_t> vxlan_id;
  std::string vxlan_remote, vxlan_local;  // printed addresses
  std::optional<uint16_t> vxlan_port;
  std::optional<bool> vxlan_learning;
  // bridge
  std::optional<bool> bridge_stp, bridge_vlan_filtering, bridge_multicast_snooping;
  std::optional<uint32_t> bridge_forward_delay_cs, bridge_ageing_time_cs;  // hundredths of a second
};

// From an RTM_NEWLINK or RTM_DELLINK; nullopt when it is too short to be one.
std::optional<Link> LinkFromMessage(const RtnlReceived& message);

Result<LinkList> ListLinks(RtnlSocket& socket);
// ENODEV when there is none.
Result<Link> GetLink(RtnlSocket& socket, int index);
// By its name or one of its alternative names.
Result<Link> GetLinkByName(RtnlSocket& socket, const std::string& name);
// Makes the link (NLM_F_EXCL) and returns it as the kernel made it. Leaves nothing behind when a step fails.
Result<Link> CreateLink(RtnlSocket& socket, const NewLink& link);
Status SetLink(RtnlSocket& socket, int index, const LinkChanges& changes);
Status RemoveLink(RtnlSocket& socket, int index);

// What does not change about a link as long as it exists. The kernel has no identity beyond the index, which
// another link may get: one that was made before it is removed is looked at first.
struct LinkIdentity {
  int index;
  std::string kind;
  std::optional<int> lower;  // unset: unknown
};
// Removes the link unless its index is another link's. ENODEV when there is none.
Status RemoveOwnLink(RtnlSocket& socket, const LinkIdentity& own);

}  // namespace tapfd

#endif  // TAPFD_LINKS_LINK_H_
