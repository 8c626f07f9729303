// native/frames/: frames in memory and over a descriptor: headers, checksums, splitting, joining. On top of
// sys.
//
// io.h: frames through a descriptor: the checks before a write, one write, one burst of reads.

#ifndef TAPFD_FRAMES_IO_H_
#define TAPFD_FRAMES_IO_H_

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "sys/mac_address.h"

namespace tapfd {

// What a written frame must be. Offsets count from what the kernel prepends: packet information, vnet header.
struct FrameRules {
  bool ethernet = true;      // TAP and macvtap; false: TUN
  bool packet_info = false;  // 4 bytes of struct tun_pi in front
  uint32_t vnet_header = 0;  // bytes of virtio_net_hdr after it, 0: none
  uint32_t mtu = 1500;
  bool super_frames = false;  // offloads were granted: the kernel delivers frames of 64 KiB
  bool check_source = false;  // the source MAC must be `mac`
  MacAddress mac{};

  uint32_t header_bytes() const { return (packet_info ? 4 : 0) + vnet_header; }
  // The longest frame that the kernel usually delivers, with up to two VLAN tags.
  uint32_t room() const { return header_bytes() + (super_frames ? 65535 : mtu) + (ethernet ? 14 + 8 : 0); }

  bool operator==(const FrameRules& other) const {
    return ethernet == other.ethernet && packet_info == other.packet_info &&
           vnet_header == other.vnet_header && mtu == other.mtu && super_frames == other.super_frames &&
           check_source == other.check_source && mac == other.mac;
  }
};

// src/base/native-queue.ts `FrameFault` has the same numbers.
enum class FrameFault : int { kNone = 0, kTooShort = 1, kTooLong = 2, kInvalid = 3, kSourceMac = 4 };

FrameFault CheckFrame(const FrameRules& rules, const uint8_t* frame, size_t length);

// The state of a descriptor for reads and writes. Plain read(2) and write(2) cost a sixth less than
// preadv2(2), but wait if O_NONBLOCK has been cleared. Nothing can clear it while the open file description
// is ours alone; once it is `shared` (adopted, or its number has been handed out), each call passes
// RWF_NOWAIT. A driver that does not support it (before Linux 6.4) answers EOPNOTSUPP, and an emulator of
// user programs ENOSYS; then `nowait` becomes false and O_NONBLOCK must do.
//
// A TUN or TAP that is `down` drops what is written (EIO). While its send buffer is full it answers EAGAIN
// instead, but does not signal when there is room again (tun.c tun_sock_writeable): that counts as the same
// loss.
struct Channel {
  int fd = -1;
  bool shared = false;
  bool nowait = true;
  bool down = false;
};

// Whether the outcome of a write (a negative errno) says that nothing is behind the descriptor any more. Any
// other costs one frame: what ends a device is a short list, and a frame, or whoever sent it, can bring none
// of it about. src/frames/write-outcome.ts `endsDevice` has the same.
bool EndsDevice(int outcome);

// Writes one whole frame; EINTR is retried. 0, or a negative errno.
int WriteFrame(Channel& channel, const uint8_t* frame, size_t length);

// Reads one frame into room for the largest possible. Its length, or a negative errno.
ssize_t ReadFrame(Channel& channel, uint8_t* to, size_t room);
// Writes one frame that consists of parts. 0, or a negative errno.
int WriteParts(Channel& channel, const struct iovec* parts, uint32_t count);

// Memory into which frames are packed at multiples of 8 bytes; used space is never reused.
struct Slab {
  uint8_t* data = nullptr;
  size_t size = 0;
  size_t used = 0;

  size_t left() const { return size - used; }
  // Marks the next `length` bytes as used, rounded up to a multiple of 8.
  void Take(size_t length) {
    size_t rounded = (length + 7) & ~static_cast<size_t>(7);
    used += rounded < left() ? rounded : left();
  }
};

// The result of one wake-up.
struct Burst {
  uint32_t count = 0;  // frames; their [offset, length] pairs are in `spans`
  size_t spilled = 0;  // bytes of the last frame that did not fit in the slab and are in `spill`
  int error = 0;       // errno that ended the burst, other than EAGAIN
};

// More than any frame: 64 KiB of packet and its headers.
constexpr size_t kMaxFrameBytes = 66 * 1024;
constexpr size_t kSpillBytes = kMaxFrameBytes;

// Reads until EAGAIN, `limit` frames, or a slab with less than `room` left. The MTU may have grown since
// `room` was determined, and the kernel silently truncates what does not fit a read: near the slab's end, the
// rest of a frame goes into `spill`.
Burst ReadBurst(Channel& channel, Slab& slab, size_t room, uint32_t limit, uint32_t* spans, uint8_t* spill);

// Frames that were not accepted, by reason.
struct Losses {
  struct Loss {
    int reason;  // a FrameFault or a negative errno
    uint32_t frames;
    uint32_t first_bytes;  // length of the first
  };
  // More than occur together; any further reason is counted with the last.
  static constexpr uint32_t kMaxReasons = 8;

  void Add(int reason, size_t bytes);  // one frame
  uint32_t frames() const;

  Loss by_reason[kMaxReasons];
  uint32_t count = 0;
};

// The result of writing frames in a row.
struct FrameRun {
  // Where the library joins frames, they are not written in their order: after -EAGAIN, frames from `next` on
  // may be among those accepted and lost. They are reported here once, and not by the call that is repeated.
  Losses losses;
  uint32_t next = 0;    // the first frame that was not accepted; the end if all were
  uint32_t frames = 0;  // accepted in this call
  uint64_t bytes = 0;   // of the frames accepted
  int outcome = 0;      // of the frame `next`: 0 if all were accepted, else a FrameFault or a negative errno
  // If somebody observes the frames: a byte for each of the batch, set where this call had it accepted.
  uint8_t* accepted = nullptr;

  // Counts the frame with this number if it was accepted (outcome 0), or why it was not.
  void Count(uint32_t number, int outcome_of_frame, size_t frame_bytes);
};

// The fault of the frame at one [offset, length]. A span outside the slab is a fault: JavaScript may have
// changed both.
int CheckSpan(const FrameRules& rules, const uint8_t* slab, size_t slab_bytes, const uint32_t* span);

// Writes the frames from `next` to `end` of the spans until one is not accepted. For `accepted` see FrameRun.
FrameRun WriteFrames(Channel& channel, const FrameRules& rules, const uint8_t* slab, size_t slab_bytes,
                     const uint32_t* spans, uint32_t next, uint32_t end, uint8_t* accepted = nullptr);

}  // namespace tapfd

#endif  // TAPFD_FRAMES_IO_H_
