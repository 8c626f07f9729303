#include "links/address.h"

#include <linux/if_addr.h>
#include <sys/socket.h>

#include <cstring>
#include <optional>

#include "links/link.h"

namespace tapfd {

namespace {

constexpr uint32_t kForever = 0xffffffff;  // net/addrconf.h INFINITY_LIFE_TIME

size_t SizeOf(const IpPrefix& prefix) {
  return prefix.family == AF_INET ? 4 : 16;
}

// What the kernel finds an address by.
RtnlMessage AddressMessage(uint16_t type, uint16_t flags, int index, const IpPrefix& prefix) {
  ifaddrmsg header{};
  header.ifa_family = static_cast<uint8_t>(prefix.family);
  header.ifa_prefixlen = prefix.prefix_length;
  header.ifa_index = static_cast<uint32_t>(index);
  if (prefix.no_dad) header.ifa_flags = IFA_F_NODAD;
  // As `ip address add`: 127.0.0.0/8 means this host only.
  if (prefix.family == AF_INET && prefix.address[0] == 127) header.ifa_scope = RT_SCOPE_HOST;
  RtnlMessage message(type, flags, header);
  message.PutBytes(IFA_LOCAL, prefix.address.data(), SizeOf(prefix));
  message.PutBytes(IFA_ADDRESS, prefix.peer.value_or(prefix.address).data(), SizeOf(prefix));
  return message;
}

void PutLifetimes(RtnlMessage& message, const IpPrefix& prefix) {
  if (!prefix.valid_lifetime && !prefix.preferred_lifetime) return;
  ifa_cacheinfo lifetimes{};
  lifetimes.ifa_valid = prefix.valid_lifetime.value_or(kForever);
  lifetimes.ifa_prefered = prefix.preferred_lifetime.value_or(lifetimes.ifa_valid);
  message.PutBytes(IFA_CACHEINFO, &lifetimes, sizeof lifetimes);
}

std::optional<IpBytes> BytesFrom(const IpPrefix& prefix, ByteView from) {
  if (from.data == nullptr || from.size < SizeOf(prefix)) return std::nullopt;
  IpBytes bytes{};
  std::memcpy(bytes.data(), from.data, SizeOf(prefix));
  return bytes;
}

std::optional<uint32_t> Limited(uint32_t seconds) {
  return seconds == kForever ? std::nullopt : std::optional(seconds);
}

std::optional<IpPrefix> AddressFrom(const RtnlReceived& message, int index) {
  auto header = message.Fixed<ifaddrmsg>();
  // A kernel without NETLINK_GET_STRICT_CHK lists every link's addresses.
  if (!header || static_cast<int>(header->ifa_index) != index) return std::nullopt;
  IpPrefix prefix;
  prefix.family = header->ifa_family;
  prefix.prefix_length = header->ifa_prefixlen;
  prefix.flags = header->ifa_flags;
  std::optional<IpBytes> local, address;
  RtnlAttributes attributes = message.Attributes<ifaddrmsg>();
  RtnlAttribute attribute;
  while (attributes.Next(&attribute)) {
    switch (attribute.type) {
      case IFA_LOCAL:
        local = BytesFrom(prefix, attribute.payload);
        break;
      case IFA_ADDRESS:
        address = BytesFrom(prefix, attribute.payload);
        break;
      case IFA_BROADCAST:
        prefix.broadcast = BytesFrom(prefix, attribute.payload);
        break;
      case IFA_FLAGS:  // the header has the first eight of them
        prefix.flags = attribute.ValueOr<uint32_t>(prefix.flags);
        break;
      case IFA_CACHEINFO:
        if (auto lifetimes = attribute.Value<ifa_cacheinfo>()) {
          prefix.valid_lifetime = Limited(lifetimes->ifa_valid);
          prefix.preferred_lifetime = Limited(lifetimes->ifa_prefered);
        }
        break;
    }
  }
  // With a peer, IFA_ADDRESS is the other end; IPv6 without a peer has no IFA_LOCAL.
  if (!local) local = address;
  if (!local) return std::nullopt;
  prefix.address = *local;
  if (address && *address != *local) prefix.peer = address;
  prefix.no_dad = (prefix.flags & IFA_F_NODAD) != 0;
  return prefix;
}

}  // namespace

Status AddAddress(RtnlSocket& socket, int index, const IpPrefix& prefix) {
  RtnlMessage request = AddressMessage(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, prefix);
  if (prefix.broadcast) request.PutBytes(IFA_BROADCAST, prefix.broadcast->data(), SizeOf(prefix));
  PutLifetimes(request, prefix);
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
