#include "devices/open_macvtap.h"

#include <linux/if_tun.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "devices/macvtap_node.h"
#include "devices/tun_ioctl.h"

namespace tapfd {

namespace {

Failure MacMismatch(const MacAddress& guest, const Link& link) {
  return Failure::Refused("ERR_TAPFD_MAC_MISMATCH",
                          "the guest's MAC is " + FormatMac(guest) + " but " + link.name + " has " +
                              (link.mac ? FormatMac(*link.mac) : "none") +
                              ": no frame would reach the guest; give both the same")
      .WithInterface(link.name);
}

// A new queue has the vnet header on, of 12 bytes or of 10, and a small send buffer: everything is set
// explicitly.
Status ConfigureQueue(const QueueSettings& settings, OpenedQueue& opened) {
  int fd = opened.fd.get();
  Result<unsigned> features = GetFeatures(fd);
  if (!features.ok()) return features.failure();
  opened.features = features.value();
  unsigned flags = IFF_TAP | IFF_NO_PI;
  if (settings.vnet_header_bytes != 0) flags |= IFF_VNET_HDR;
  if (settings.multi_queue) flags |= IFF_MULTI_QUEUE;
  Result<AttachedInterface> attached = SetInterface(fd, opened.link.name, flags);
  if (!attached.ok()) return attached.failure();
  opened.flags = attached.value().flags;
  if (settings.vnet_header_bytes != 0) {
    opened.vnet_header_bytes = settings.vnet_header_bytes;
    Status sized = SetVnetHeaderBytes(fd, settings.vnet_header_bytes);
    if (!sized.ok()) return sized;
  }
  return SetSendBuffer(fd, settings.send_buffer_bytes.value_or(kMaxSendBuffer));
}

// The mask belongs to the link and cannot be read back: an additional queue leaves it alone, as does one that
// has no vnet header, which the mask has no effect on.
Status SetUpOffload(const QueueSettings& settings, bool made, OpenedQueue& opened) {
  if (settings.offload_masks.empty() || (settings.vnet_header_bytes == 0 && !made)) return Done{};
  Result<unsigned> offload = NegotiateOffload(opened.fd.get(), settings.offload_masks);
  if (!offload.ok()) return offload.failure();
  opened.offload = offload.value();
  return Done{};
}

Result<Link> MakeLink(RtnlSocket& socket, const MacvtapSettings& settings) {
  Result<Link> lower = GetLinkByName(socket, settings.lower);
  if (!lower.ok()) return std::move(lower.failure()).WithInterface(settings.lower);
  NewLink link;
  link.kind = "macvtap";
  link.name = settings.name;
  link.lower = lower.value().index;
  link.macvlan_mode = settings.mode;
  link.changes.mac = settings.link.mac;
  Result<Link> made = CreateLink(socket, link);
  if (!made.ok()) return std::move(made.failure()).WithInterface(settings.name);
  return made;
}

Result<OpenedQueue> OpenNode(RtnlSocket& socket, const Link& link, const QueueSettings& settings) {
  OpenedQueue opened;
  Result<Fd> node = OpenMacvtapNode(socket, link);
  if (!node.ok()) return node.failure();
  opened.fd = std::move(node.value());
  opened.link = link;
  Status configured = ConfigureQueue(settings, opened);
  if (!configured.ok()) return std::move(configured.failure()).WithInterface(link.name);
  return opened;
}

// After the queue is open, so that a failed open leaves an existing link unchanged.
Status SetUpLink(RtnlSocket& socket, const MacvtapSettings& settings, bool made, OpenedQueue& opened) {
  Result<Link> applied = ApplyLinkSettings(socket, opened.link, made, settings.link, opened.undo);
  if (!applied.ok()) return applied.failure();
  opened.link = std::move(applied.value());
  Status status = CheckGuestMac(settings.guest_mac, opened.link);
  if (status.ok()) status = SetUpOffload(settings.queue, made, opened);
  return status;
}

Result<OpenedQueue> OpenLink(const std::shared_ptr<RtnlSocket>& socket, const Link& link, bool made,
                             const MacvtapSettings& settings) {
  if (link.kind != "macvtap") return NotAMacvtap(link);
  // Without `mac` the link keeps its MAC: a guest whose MAC differs is refused before anything is changed.
  if (!settings.link.mac) {
    Status matches = CheckGuestMac(settings.guest_mac, link);
    if (!matches.ok()) return matches.failure();
  }
  Result<OpenedQueue> opened = OpenNode(*socket, link, settings.queue);
  if (!opened.ok()) return opened;
  if (!made) opened.value().undo = OpenUndo(socket);
  Status done = SetUpLink(*socket, settings, made, opened.value());
  if (done.ok()) return opened;
  opened.value().undo.Run(opened.value().fd.get());
  if (done.failure().interface.empty()) done.failure().interface = link.name;
  return done.failure();
}

}  // namespace

Status CheckGuestMac(const std::optional<MacAddress>& guest, const Link& link) {
  if (guest && guest != link.mac) return MacMismatch(*guest, link);
  return Done{};
}

Failure NotAMacvtap(const Link& link) {
  return Failure::Refused("ERR_TAPFD_NOT_A_MACVTAP",
                          link.name + (link.kind.empty() ? " is not a virtual link, so it is not a macvtap"
                                                         : " is a " + link.kind + " link, not a macvtap"))
      .WithInterface(link.name);
}

Result<OpenedQueue> OpenMacvtap(const MacvtapSettings& given) {
  Result<RtnlSocket> opened_socket = RtnlSocket::Open();
  if (!opened_socket.ok()) return opened_socket.failure();
  auto socket = std::make_shared<RtnlSocket>(std::move(opened_socket.value()));
  MacvtapSettings settings = given;
  bool make = !settings.lower.empty();
  // ApplyLinkSettings sets it again if that had no effect: a new link in mode passthru has the lower device's
  // MAC.
  if (make && !settings.link.mac) settings.link.mac = settings.guest_mac;
  Result<Link> link = make ? MakeLink(*socket, settings) : GetLinkByName(*socket, settings.name);
  if (!link.ok()) return link.failure();
  Result<OpenedQueue> opened = OpenLink(socket, link.value(), make, settings);
  if (!make) return opened;
  MadeLink made{socket, link.value().index, link.value().lower};
  if (opened.ok()) {
    opened.value().made_link = std::make_unique<MadeLink>(std::move(made));
  } else {
    RemoveMadeLink(made);
  }
  return opened;
}

Result<OpenedQueue> OpenMacvtapQueue(const QueueSettings& settings, int index) {
  Result<RtnlSocket> socket = RtnlSocket::Open();
  if (!socket.ok()) return socket.failure();
  Result<Link> link = GetLink(socket.value(), index);
  if (!link.ok()) return link.failure();
  if (link.value().kind != "macvtap") return NotAMacvtap(link.value());
  return OpenNode(socket.value(), link.value(), settings);
}

Status RemoveMadeLink(const MadeLink& made) {
  Status removed = RemoveOwnLink(*made.socket, {made.index, "macvtap", made.lower});
  // It has been removed or moved away.
  if (!removed.ok() && removed.failure().error == ENODEV) return Done{};
  return removed;
}

}  // namespace tapfd
