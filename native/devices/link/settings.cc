#include "devices/link/settings.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "sys/fd.h"

namespace tapfd {

namespace {

// drivers/net/tun.c: 65535 less the Ethernet header.
constexpr uint32_t kMaxTapMtu = 65521;
// A bridge without a MAC of its own takes the lowest of its ports'. A TAP gets one that no hardware's is
// above, so that it comes and goes without a change of the bridge's MAC.
constexpr uint8_t kHighestFirstByte = 0xfe;

bool Same(const IpPrefix& a, const IpPrefix& b) {
  return a.family == b.family && a.address == b.address && a.prefix_length == b.prefix_length;
}

bool Has(const std::vector<IpPrefix>& list, const IpPrefix& address) {
  return std::any_of(list.begin(), list.end(), [&](const IpPrefix& one) { return Same(one, address); });
}

Result<Link> FindBridge(RtnlSocket& socket, const std::string& name) {
  Result<Link> bridge = GetLinkByName(socket, name);
  if (!bridge.ok()) return std::move(bridge.failure()).WithInterface(name);
  if (bridge.value().kind == "bridge") return bridge;
  return Failure::Refused("ERR_TAPFD_NOT_A_BRIDGE", name + " is not a bridge").WithInterface(name);
}

// Sets one attribute after another: one that fails must not keep the others from being restored.
void RestoreLink(RtnlSocket& socket, const Link& before, const LinkChanges& changed) {
  auto set = [&](auto LinkChanges::*member, auto value) {
    LinkChanges one;
    one.*member = value;
    SetLink(socket, before.index, one);
  };
  if (changed.master) set(&LinkChanges::master, before.master);
  if (changed.all_multicast) set(&LinkChanges::all_multicast, (before.flags & IFF_ALLMULTI) != 0);
  if (changed.mtu) set(&LinkChanges::mtu, before.mtu);
  if (changed.mac && before.mac) set(&LinkChanges::mac, *before.mac);
  if (changed.address_generation && before.address_generation) {
    set(&LinkChanges::address_generation, *before.address_generation);
  }
}

Status Change(RtnlSocket& socket, const Link& link, const LinkChanges& changes, OpenUndo& undo) {
  if (changes.empty()) return Done{};
  undo.Add([link, changes](int, RtnlSocket& same) { RestoreLink(same, link, changes); });
  Status set = SetLink(socket, link.index, changes);
  if (!set.ok()) return std::move(set.failure()).WithInterface(link.name);
  return set;
}

// A link that goes down loses its IPv6 addresses, so whatever is missing in the end comes back.
Status RememberAddresses(RtnlSocket& socket, int index, OpenUndo& undo) {
  Result<std::vector<IpPrefix>> before = ListAddresses(socket, index);
  if (!before.ok()) return before.failure();
  undo.Add([index, before = before.value()](int, RtnlSocket& same) {
    Result<std::vector<IpPrefix>> now = ListAddresses(same, index);
    if (!now.ok()) return;
    for (const IpPrefix& address : now.value()) {
      if (!Has(before, address)) RemoveAddress(same, index, address);
    }
    for (const IpPrefix& address : before) {
      if (!Has(now.value(), address)) AddAddress(same, index, address);
    }
  });
  return Done{};
}

// ---- IPv6 ----

bool WriteSwitch(int fd, char value) {
  return pwrite(fd, &value, 1, 0) == 1;
}

// The sysctl of the calling thread's namespace. `required`: a link for a guest that cannot have it switched
// off (a read-only /proc/sys, as in containers) has no address of its own at least.
Status DisableIpv6(const std::string& name, bool disable, bool required, OpenUndo& undo) {
  std::string path = "/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6";
  auto file = std::make_shared<Fd>(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file->valid()) {
    Failure failure = Failure::FromErrno("open").WithPath(path).WithInterface(name);
    // A kernel without IPv6.
    return required && failure.error != ENOENT ? Status(failure) : Status(Done{});
  }
  char before = '0';
  char wanted = disable ? '1' : '0';
  if (pread(file->get(), &before, 1, 0) == 1 && before == wanted) return Done{};
  undo.Add([file, before](int, RtnlSocket&) { WriteSwitch(file->get(), before); });
  if (WriteSwitch(file->get(), wanted) || !required) return Done{};
  return Failure::FromErrno("write").WithPath(path).WithInterface(name);
}

// Before the link goes up: a fresh one would send router solicitations and reports at once. Without an
// address of its own it sends none, but a router advertisement would still give it one, and routes: the
// sysctl stops that as well.
Status ApplyIpv6(RtnlSocket& socket, const Link& link, bool made, const LinkSettings& settings,
                 OpenUndo& undo) {
  bool for_guest = made && (link.kind == "macvtap" || !settings.bridge.empty());
  bool has_address = std::any_of(settings.addresses.begin(), settings.addresses.end(),
                                 [](const IpPrefix& address) { return address.family == AF_INET6; });
  std::optional<bool> wanted = settings.ipv6;
  if (!wanted && for_guest && !has_address) wanted = false;
  if (!wanted) return Done{};
  LinkChanges changes;
  bool is_off = link.address_generation == IN6_ADDR_GEN_MODE_NONE;
  if (link.address_generation && is_off == *wanted) {
    changes.address_generation = *wanted ? IN6_ADDR_GEN_MODE_EUI64 : IN6_ADDR_GEN_MODE_NONE;
  }
  Status set = Change(socket, link, changes, undo);
  if (!set.ok()) return set;
  return DisableIpv6(link.name, !*wanted, settings.ipv6.has_value(), undo);
}

}  // namespace

Result<Link> ApplyLinkSettings(RtnlSocket& socket, const Link& link, bool made, const LinkSettings& settings,
                               OpenUndo& undo) {
  LinkChanges changes;
  if (settings.mac && settings.mac != link.mac) changes.mac = settings.mac;
  std::optional<uint32_t> mtu = settings.mtu;
  if (!settings.bridge.empty()) {
    Result<Link> bridge = FindBridge(socket, settings.bridge);
    if (!bridge.ok()) return bridge.failure();
    if (link.master != bridge.value().index) {
      changes.master = bridge.value().index;
      // A bridge takes the least MTU of its ports, for everyone on it.
      if (!mtu) mtu = std::min(bridge.value().mtu, kMaxTapMtu);
    }
    if (made && !settings.mac && link.mac) {
      changes.mac = link.mac;
      (*changes.mac)[0] = kHighestFirstByte;
    }
  }
  if (mtu && *mtu != link.mtu) changes.mtu = mtu;
  if (settings.all_multicast && *settings.all_multicast != ((link.flags & IFF_ALLMULTI) != 0)) {
    changes.all_multicast = settings.all_multicast;
  }
  bool goes_up = settings.up && (link.flags & IFF_UP) == 0;
  if (!made && (goes_up || !settings.addresses.empty() || settings.ipv6)) {
    Status remembered = RememberAddresses(socket, link.index, undo);
    if (!remembered.ok()) return std::move(remembered.failure()).WithInterface(link.name);
  }
  Status set = ApplyIpv6(socket, link, made, settings, undo);
  if (set.ok()) set = Change(socket, link, changes, undo);
  if (!set.ok()) return set.failure();
  for (const IpPrefix& address : settings.addresses) {
    Status added = AddAddress(socket, link.index, address);
    // A persistent device may have the address already.
    if (!added.ok() && added.failure().error != EEXIST) {
      return std::move(added.failure()).WithInterface(link.name);
    }
  }
  if (goes_up) {
    LinkChanges up;
    up.up = true;
    undo.Add([index = link.index](int, RtnlSocket& same) {
      LinkChanges down;
      down.up = false;
      SetLink(same, index, down);
    });
    set = SetLink(socket, link.index, up);
    if (!set.ok()) return std::move(set.failure()).WithInterface(link.name);
  }
  return GetLink(socket, link.index);
}

}  // namespace tapfd
