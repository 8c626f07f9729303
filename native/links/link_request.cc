#include "links/link_request.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>

namespace tapfd {

namespace {

void PutAddress(RtnlMessage& message, uint16_t type4, uint16_t type6, const std::string& printed) {
  in_addr address4;
  in6_addr address6;
  if (inet_pton(AF_INET, printed.c_str(), &address4) == 1) {
    message.PutBytes(type4, &address4, sizeof address4);
  } else if (inet_pton(AF_INET6, printed.c_str(), &address6) == 1) {
    message.PutBytes(type6, &address6, sizeof address6);
  }
}

void PutVethPeer(RtnlMessage& message, const NewLink& link) {
  message.PutNested(VETH_INFO_PEER, [&] {
    message.PutStruct(LinkHeader());
    if (!link.peer_name.empty()) message.PutString(IFLA_IFNAME, link.peer_name);
    if (link.peer_mac) message.PutMac(IFLA_ADDRESS, *link.peer_mac);
    if (link.peer_netns_fd) message.PutU32(IFLA_NET_NS_FD, static_cast<uint32_t>(*link.peer_netns_fd));
  });
}

void PutMacvlan(RtnlMessage& message, const NewLink& link) {
  if (link.macvlan_mode) message.PutU32(IFLA_MACVLAN_MODE, *link.macvlan_mode);
  if (link.source_macs.empty()) return;
  message.PutU32(IFLA_MACVLAN_MACADDR_MODE, MACVLAN_MACADDR_SET);
  message.PutNested(IFLA_MACVLAN_MACADDR_DATA, [&] {
    for (const MacAddress& mac : link.source_macs) message.PutMac(IFLA_MACVLAN_MACADDR, mac);
  });
}

void PutVxlan(RtnlMessage& message, const NewLink& link) {
  if (link.vxlan_id) message.PutU32(IFLA_VXLAN_ID, *link.vxlan_id);
  PutAddress(message, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6, link.vxlan_remote);
  PutAddress(message, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6, link.vxlan_local);
  if (link.lower != 0) message.PutU32(IFLA_VXLAN_LINK, static_cast<uint32_t>(link.lower));
  if (link.vxlan_port) message.PutU16(IFLA_VXLAN_PORT, htons(*link.vxlan_port));
  if (link.vxlan_learning) message.PutU8(IFLA_VXLAN_LEARNING, *link.vxlan_learning);
}

void PutBridge(RtnlMessage& message, const NewLink& link) {
  if (link.bridge_forward_delay_cs) message.PutU32(IFLA_BR_FORWARD_DELAY, *link.bridge_forward_delay_cs);
  if (link.bridge_ageing_time_cs) message.PutU32(IFLA_BR_AGEING_TIME, *link.bridge_ageing_time_cs);
  if (link.bridge_stp) message.PutU32(IFLA_BR_STP_STATE, *link.bridge_stp);
  if (link.bridge_vlan_filtering) message.PutU8(IFLA_BR_VLAN_FILTERING, *link.bridge_vlan_filtering);
  if (link.bridge_multicast_snooping) message.PutU8(IFLA_BR_MCAST_SNOOPING, *link.bridge_multicast_snooping);
}

void SetFlag(ifinfomsg* header, unsigned flag, std::optional<bool> value) {
  if (!value) return;
  header->ifi_change |= flag;
  if (*value) header->ifi_flags |= flag;
}

}  // namespace

ifinfomsg LinkHeader(int index, unsigned flags, unsigned change) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = index;
  header.ifi_flags = flags;
  header.ifi_change = change;
  return header;
}

RtnlMessage NewLinkMessage(const NewLink& link, const std::string& name) {
  // The echo of a link in another namespace goes to the socket there that has the number of ours.
  uint16_t echo = link.changes.netns_fd ? 0 : NLM_F_ECHO;
  RtnlMessage message(RTM_NEWLINK, static_cast<uint16_t>(NLM_F_CREATE | NLM_F_EXCL | echo), LinkHeader());
  message.PutString(IFLA_IFNAME, name);
  if (link.changes.netns_fd) message.PutU32(IFLA_NET_NS_FD, static_cast<uint32_t>(*link.changes.netns_fd));
  if (link.changes.mac) message.PutMac(IFLA_ADDRESS, *link.changes.mac);
  if (link.changes.mtu) message.PutU32(IFLA_MTU, *link.changes.mtu);
  if (link.changes.tx_queue_length) message.PutU32(IFLA_TXQLEN, *link.changes.tx_queue_length);
  if (link.tx_queues) message.PutU32(IFLA_NUM_TX_QUEUES, *link.tx_queues);
  if (link.rx_queues) message.PutU32(IFLA_NUM_RX_QUEUES, *link.rx_queues);
  if (link.lower != 0 && link.kind != "vxlan") message.PutU32(IFLA_LINK, static_cast<uint32_t>(link.lower));
  message.PutNested(IFLA_LINKINFO, [&] {
    message.PutString(IFLA_INFO_KIND, link.kind);
    message.PutNested(IFLA_INFO_DATA, [&] {
      if (link.kind == "veth") PutVethPeer(message, link);
      if (link.kind == "macvlan" || link.kind == "macvtap") PutMacvlan(message, link);
      if (link.kind == "vxlan") PutVxlan(message, link);
      if (link.kind == "bridge") PutBridge(message, link);
    });
  });
  return message;
}

LinkChanges ChangesLeftAfterCreation(const NewLink& link) {
  LinkChanges rest = link.changes;
  rest.netns_fd.reset();
  rest.mac.reset();
  // A vxlan created with a larger MTU than its lower device can carry silently gets a smaller one; set again,
  // the kernel refuses it (`vxlan_core.c` vxlan_config_apply, vxlan_change_mtu).
  if (link.kind != "vxlan") rest.mtu.reset();
  rest.tx_queue_length.reset();
  return rest;
}

RtnlMessage ChangeMessage(int index, const LinkChanges& changes, const std::string& kind, bool with_up) {
  ifinfomsg header = LinkHeader(index);
  SetFlag(&header, IFF_ALLMULTI, changes.all_multicast);
  SetFlag(&header, IFF_PROMISC, changes.promiscuous);
  if (with_up) SetFlag(&header, IFF_UP, changes.up);
  // RTM_SETLINK ignores the attributes of the kind.
  RtnlMessage message(changes.macvlan_mode ? RTM_NEWLINK : RTM_SETLINK, 0, header);
  if (changes.netns_fd) message.PutU32(IFLA_NET_NS_FD, static_cast<uint32_t>(*changes.netns_fd));
  if (changes.name) message.PutString(IFLA_IFNAME, *changes.name);
  if (changes.mac) message.PutMac(IFLA_ADDRESS, *changes.mac);
  if (changes.mtu) message.PutU32(IFLA_MTU, *changes.mtu);
  if (changes.tx_queue_length) message.PutU32(IFLA_TXQLEN, *changes.tx_queue_length);
  // Without NUL: the attribute's length is the alias's, and an empty one removes it.
  if (changes.alias) message.PutBytes(IFLA_IFALIAS, changes.alias->data(), changes.alias->size());
  if (changes.master) message.PutU32(IFLA_MASTER, static_cast<uint32_t>(*changes.master));
  if (changes.carrier) message.PutU8(IFLA_CARRIER, *changes.carrier);
  if (changes.address_generation) {
    message.PutNested(IFLA_AF_SPEC, [&] {
      message.PutNested(AF_INET6,
                        [&] { message.PutU8(IFLA_INET6_ADDR_GEN_MODE, *changes.address_generation); });
    });
  }
  if (changes.macvlan_mode) {
    message.PutNested(IFLA_LINKINFO, [&] {
      message.PutString(IFLA_INFO_KIND, kind);
      message.PutNested(IFLA_INFO_DATA, [&] { message.PutU32(IFLA_MACVLAN_MODE, *changes.macvlan_mode); });
    });
  }
  return message;
}

}  // namespace tapfd
