// native/devices/: opening TUN, TAP and macvtap, their ioctls, and the proof that a macvtap node is the
// right one. On top of links and frames.
//
// open_tap.h: opens a queue of a TUN or TAP device, in the order of steps that the kernel needs.

#ifndef TAPFD_DEVICES_OPEN_TAP_H_
#define TAPFD_DEVICES_OPEN_TAP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "devices/link/settings.h"
#include "devices/link/undo.h"
#include "links/link.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace tapfd {

struct QueueSettings {
  int vnet_header_bytes = 0;             // 0: none
  std::vector<unsigned> offload_masks;   // TUN_F_*, best first; only an additional queue may have none
  std::optional<int> send_buffer_bytes;  // unset: the maximum
  bool multi_queue = false;
};

struct TapSettings {
  bool tun = false;  // IFF_TUN instead of IFF_TAP
  std::string name;  // may hold one %d
  std::string device_path;
  bool exclusive = false;
  bool packet_info = false;
  bool napi = false;
  bool napi_frags = false;
  std::optional<uint32_t> owner, group;
  std::optional<bool> carrier;
  QueueSettings queue;
  LinkSettings link;
};

// A macvtap link that an open made. The socket was opened then, in the link's namespace.
struct MadeLink {
  std::shared_ptr<RtnlSocket> socket;
  int index;
  int lower;
};

// One open queue and what is known about its device.
struct OpenedQueue {
  Fd fd;
  unsigned flags = 0;     // TUNGETIFF
  unsigned features = 0;  // TUNGETFEATURES
  unsigned offload = 0;   // TUN_F_* granted
  int vnet_header_bytes = 0;
  Link link;
  OpenUndo undo;  // until JavaScript has the device
  std::unique_ptr<MadeLink> made_link;
  bool adopted = false;  // the caller's own descriptor, until JavaScript has the queue
};

// All of these work in the calling thread's namespace.
Result<OpenedQueue> OpenTap(const TapSettings& settings);
// Attaches an additional queue to an existing multi-queue device, and configures nothing.
Result<OpenedQueue> OpenTapQueue(const TapSettings& settings, int index);
// Opens a copy of /dev/net/tun; anything else at that path is refused before it is opened.
Result<Fd> OpenCloneDevice(const std::string& path);
bool IsCloneDevice(int fd);

}  // namespace tapfd

#endif  // TAPFD_DEVICES_OPEN_TAP_H_
