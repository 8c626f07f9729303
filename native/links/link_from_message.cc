// Parses the kernel's messages about links; the rest of link.h is in link.cc and create_link.cc.

#include <arpa/inet.h>
#include <linux/if_link.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "links/link.h"

namespace tapfd {

namespace {

std::string PrintAddress(int family, ByteView bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  if (bytes.size < (family == AF_INET ? 4u : 16u)) return "";
  inet_ntop(family, bytes.data, text, sizeof text);
  return text;
}

LinkStats StatsFrom(const rtnl_link_stats64& from) {
  LinkStats stats;
  stats.rx_packets = from.rx_packets;
  stats.tx_packets = from.tx_packets;
  stats.rx_bytes = from.rx_bytes;
  stats.tx_bytes = from.tx_bytes;
  stats.rx_errors = from.rx_errors;
  stats.tx_errors = from.tx_errors;
  stats.rx_dropped = from.rx_dropped;
  stats.tx_dropped = from.tx_dropped;
  stats.multicast = from.multicast;
  return stats;
}

TunLinkInfo TunFrom(RtnlAttributes attributes) {
  TunLinkInfo tun;
  RtnlAttribute attribute;
  while (attributes.Next(&attribute)) {
    switch (attribute.type) {
      case IFLA_TUN_TYPE:
        tun.type = attribute.ValueOr<uint8_t>(0);
        break;
      case IFLA_TUN_OWNER:
        tun.owner = attribute.Value<uint32_t>();
        break;
      case IFLA_TUN_GROUP:
        tun.group = attribute.Value<uint32_t>();
        break;
      case IFLA_TUN_PI:
        tun.packet_info = attribute.ValueOr<uint8_t>(0) != 0;
        break;
      case IFLA_TUN_VNET_HDR:
        tun.vnet_header = attribute.ValueOr<uint8_t>(0) != 0;
        break;
      case IFLA_TUN_PERSIST:
        tun.persist = attribute.ValueOr<uint8_t>(0) != 0;
        break;
      case IFLA_TUN_MULTI_QUEUE:
        tun.multi_queue = attribute.ValueOr<uint8_t>(0) != 0;
        break;
      case IFLA_TUN_NUM_QUEUES:
        tun.queues = attribute.ValueOr<uint32_t>(0);
        break;
      case IFLA_TUN_NUM_DISABLED_QUEUES:
        tun.disabled_queues = attribute.ValueOr<uint32_t>(0);
        break;
    }
  }
  return tun;
}

// Sets `lower` too: a vxlan has no IFLA_LINK and reports its lower device only here.
VxlanLinkInfo VxlanFrom(RtnlAttributes attributes, int* lower) {
  VxlanLinkInfo vxlan;
  RtnlAttribute attribute;
  while (attributes.Next(&attribute)) {
    switch (attribute.type) {
      case IFLA_VXLAN_ID:
        vxlan.id = attribute.ValueOr<uint32_t>(0);
        break;
      case IFLA_VXLAN_GROUP:
        vxlan.remote = PrintAddress(AF_INET, attribute.payload);
        break;
      case IFLA_VXLAN_GROUP6:
        vxlan.remote = PrintAddress(AF_INET6, attribute.payload);
        break;
      case IFLA_VXLAN_LOCAL:
        vxlan.local = PrintAddress(AF_INET, attribute.payload);
        break;
      case IFLA_VXLAN_LOCAL6:
        vxlan.local = PrintAddress(AF_INET6, attribute.payload);
        break;
      case IFLA_VXLAN_LINK:
        *lower = attribute.ValueOr<int>(0);
        break;
      case IFLA_VXLAN_PORT:
        vxlan.port = ntohs(attribute.ValueOr<uint16_t>(0));
        break;
      case IFLA_VXLAN_LEARNING:
        vxlan.learning = attribute.ValueOr<uint8_t>(0) != 0;
        break;
    }
  }
  return vxlan;
}

std::optional<uint32_t> MacvlanModeFrom(RtnlAttributes attributes) {
  RtnlAttribute attribute;
  while (attributes.Next(&attribute)) {
    if (attribute.type == IFLA_MACVLAN_MODE) return attribute.Value<uint32_t>();
  }
  return std::nullopt;
}

BridgePortInfo BridgePortFrom(RtnlAttributes attributes) {
  BridgePortInfo port;
  RtnlAttribute attribute;
  while (attributes.Next(&attribute)) {
    switch (attribute.type) {
      case IFLA_BRPORT_STATE:
        port.state = attribute.ValueOr<uint8_t>(0);
        break;
      case IFLA_BRPORT_ISOLATED:
        port.isolated = attribute.ValueOr<uint8_t>(0) != 0;
        break;
      case IFLA_BRPORT_UNICAST_FLOOD:
        port.unicast_flood = attribute.ValueOr<uint8_t>(1) != 0;
        break;
      case IFLA_BRPORT_MCAST_FLOOD:
        port.multicast_flood = attribute.ValueOr<uint8_t>(1) != 0;
        break;
      case IFLA_BRPORT_BCAST_FLOOD:
        port.broadcast_flood = attribute.ValueOr<uint8_t>(1) != 0;
        break;
    }
  }
  return port;
}

// IFLA_AF_SPEC: settings of one protocol family each.
std::optional<uint8_t> AddressGenerationFrom(RtnlAttributes families) {
  RtnlAttribute family, attribute;
  while (families.Next(&family)) {
    if (family.type != AF_INET6) continue;
    RtnlAttributes attributes(family.payload);
    while (attributes.Next(&attribute)) {
      if (attribute.type == IFLA_INET6_ADDR_GEN_MODE) return attribute.Value<uint8_t>();
    }
  }
  return std::nullopt;
}

std::vector<std::string> AlternativeNames(RtnlAttributes attributes) {
  std::vector<std::string> names;
  RtnlAttribute attribute;
  while (attributes.Next(&attribute)) {
    if (attribute.type == IFLA_ALT_IFNAME) names.push_back(attribute.Text());
  }
  return names;
}

// IFLA_LINKINFO: the kind of link, and the attributes of that kind.
void ReadLinkInfo(RtnlAttributes attributes, Link* link) {
  ByteView data, port_data;
  RtnlAttribute attribute;
  while (attributes.Next(&attribute)) {
    if (attribute.type == IFLA_INFO_KIND) link->kind = attribute.Text();
    if (attribute.type == IFLA_INFO_SLAVE_KIND) link->port_kind = attribute.Text();
    if (attribute.type == IFLA_INFO_DATA) data = attribute.payload;
    if (attribute.type == IFLA_INFO_SLAVE_DATA) port_data = attribute.payload;
  }
  if (link->port_kind == "bridge") link->bridge_port = BridgePortFrom(RtnlAttributes(port_data));
  if (link->kind == "tun") link->tun = TunFrom(RtnlAttributes(data));
  if (link->kind == "macvlan" || link->kind == "macvtap")
    link->macvlan_mode = MacvlanModeFrom(RtnlAttributes(data));
  if (link->kind == "vxlan") link->vxlan = VxlanFrom(RtnlAttributes(data), &link->lower);
}

}  // namespace

std::optional<Link> LinkFromMessage(const RtnlReceived& message) {
  auto header = message.Fixed<ifinfomsg>();
  if (!header) return std::nullopt;
  Link link;
  link.index = header->ifi_index;
  link.flags = header->ifi_flags;
  RtnlAttributes attributes = message.Attributes<ifinfomsg>();
  RtnlAttribute attribute;
  while (attributes.Next(&attribute)) {
    switch (attribute.type) {
      case IFLA_IFNAME:
        link.name = attribute.Text();
        break;
      case IFLA_PROP_LIST:
        link.alternative_names = AlternativeNames(RtnlAttributes(attribute.payload));
        break;
      case IFLA_ADDRESS:
        link.mac = attribute.Mac();
        break;
      case IFLA_MTU:
        link.mtu = attribute.ValueOr<uint32_t>(0);
        break;
      case IFLA_OPERSTATE:
        link.oper_state = attribute.ValueOr<uint8_t>(0);
        break;
      case IFLA_CARRIER:
        link.carrier = attribute.ValueOr<uint8_t>(0) != 0;
        break;
      case IFLA_MASTER:
        link.master = attribute.ValueOr<int>(0);
        break;
      case IFLA_LINK:
        link.lower = attribute.ValueOr<int>(0);
        break;
      case IFLA_LINK_NETNSID:
        link.lower_netns_id = attribute.Value<int32_t>();
        break;
      case IFLA_TXQLEN:
        link.tx_queue_length = attribute.ValueOr<uint32_t>(0);
        break;
      case IFLA_NUM_TX_QUEUES:
        link.tx_queues = attribute.ValueOr<uint32_t>(0);
        break;
      case IFLA_NUM_RX_QUEUES:
        link.rx_queues = attribute.ValueOr<uint32_t>(0);
        break;
      case IFLA_IFALIAS:
        link.alias = attribute.Text();
        break;
      case IFLA_STATS64: {
        // Older kernels have a shorter struct: the missing fields stay 0.
        rtnl_link_stats64 stats{};
        std::memcpy(&stats, attribute.payload.data, std::min(attribute.payload.size, sizeof stats));
        link.stats = StatsFrom(stats);
        break;
      }
      case IFLA_AF_SPEC:
        link.address_generation = AddressGenerationFrom(RtnlAttributes(attribute.payload));
        break;
      case IFLA_LINKINFO:
        ReadLinkInfo(RtnlAttributes(attribute.payload), &link);
        break;
    }
  }
  return link;
}

}  // namespace tapfd
