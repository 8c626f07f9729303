#include "links/address.h"

#include <linux/if_addr.h>
#include <sys/socket.h>

#include <cstring>
#include <optional>

#include "links/link.h"

namespace tapfd {

namespace {

RtnlMessage AddressMessage(uint16_t type, uint16_t flags, int index, const IpPrefix& prefix) {
  ifaddrmsg header{};
  header.ifa_family = static_cast<uint8_t>(prefix.family);
  header.ifa_prefixlen = prefix.prefix_length;
  header.ifa_index = static_cast<uint32_t>(index);
  if (prefix.no_dad) header.ifa_flags = IFA_F_NODAD;
  // As `ip address add`: 127.0.0.0/8 means this host only.
  if (prefix.family == AF_INET && prefix.address[0] == 127) header.ifa_scope = RT_SCOPE_HOST;
  RtnlMessage message(type, flags, header);
  size_t size = prefix.family == AF_INET ? 4 : 16;
  message.PutBytes(IFA_LOCAL, prefix.address.data(), size);
  message.PutBytes(IFA_ADDRESS, prefix.address.data(), size);
  return message;
}

std::optional<IpPrefix> AddressFrom(const RtnlReceived& message, int index) {
  auto header = message.Fixed<ifaddrmsg>();
  // A kernel without NETLINK_GET_STRICT_CHK lists every link's addresses.
  if (!header || static_cast<int>(header->ifa_index) != index) return std::nullopt;
  IpPrefix prefix;
  prefix.family = header->ifa_family;
  prefix.prefix_length = header->ifa_prefixlen;
  prefix.no_dad = (header->ifa_flags & IFA_F_NODAD) != 0;
  ByteView local, address;
  RtnlAttributes attributes = message.Attributes<ifaddrmsg>();
  RtnlAttribute attribute;
  while (attributes.Next(&attribute)) {
    if (attribute.type == IFA_LOCAL) local = attribute.payload;
    if (attribute.type == IFA_ADDRESS) address = attribute.payload;
  }
  // With a peer, IFA_ADDRESS is the other end; IPv6 without a peer has no IFA_LOCAL.
  ByteView own = local.data != nullptr ? local : address;
  size_t size = prefix.family == AF_INET ? 4 : 16;
  if (own.size < size) return std::nullopt;
  std::memcpy(prefix.address.data(), own.data, size);
  return prefix;
}

}  // namespace

Status AddAddress(RtnlSocket& socket, int index, const IpPrefix& prefix) {
  RtnlMessage request = AddressMessage(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, prefix);
  return socket.Tell(request);
}

Status RemoveAddress(RtnlSocket& socket, int index, const IpPrefix& prefix) {
  RtnlMessage request = AddressMessage(RTM_DELADDR, 0, index, prefix);
  return socket.Tell(request);
}

Result<std::vector<IpPrefix>> ListAddresses(RtnlSocket& socket, int index) {
  // Some kernels answer an unknown index with an empty list.
  Result<Link> link = GetLink(socket, index);
  if (!link.ok()) return link.failure();
  ifaddrmsg header{};
  header.ifa_index = static_cast<uint32_t>(index);
  RtnlMessage request(RTM_GETADDR, 0, header);
  Result<RtnlList> list = socket.Dump(request);
  if (!list.ok()) return list.failure();
  std::vector<IpPrefix> prefixes;
  for (const RtnlReply& reply : list.value().replies) {
    if (std::optional<IpPrefix> prefix = AddressFrom(reply.view(), index)) prefixes.push_back(*prefix);
  }
  return prefixes;
}

}  // namespace tapfd
