// Frames through a descriptor: the checks before a write, one write, one burst of reads. No N-API, no event
// loop.

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
  bool packet_info = false;  // 4 bytes struct tun_pi in front
  uint32_t vnet_header = 0;  // bytes of virtio_net_hdr behind it, 0: none
  uint32_t mtu = 1500;
  bool super_frames = false;  // offloads were granted: the kernel hands up frames of 64 KiB
  bool check_source = false;  // the source MAC must be `mac`
  MacAddress mac{};

  uint32_t header_bytes() const { return (packet_info ? 4 : 0) + vnet_header; }
  // The longest frame that the kernel hands up: two VLAN tags are allowed for.
  uint32_t room() const { return header_bytes() + (super_frames ? 65535 : mtu) + (ethernet ? 14 + 8 : 0); }
};

// src/base/native.ts `WriteOutcome` has the same numbers.
enum class FrameFault : int { kNone = 0, kTooShort = 1, kTooLong = 2, kInvalid = 3, kSourceMac = 4 };

FrameFault CheckFrame(const FrameRules& rules, const uint8_t* frame, size_t length);

// The descriptor as reads and writes see it. Plain read(2) and write(2) cost a sixth less than preadv2(2),
// but wait on a descriptor whose O_NONBLOCK someone has cleared. Nobody can while the open file description
// is ours alone; once it is `shared` (adopted, or its number has been given out), each call says RWF_NOWAIT
// itself. Kernels whose driver does not know that (before 6.4) answer EOPNOTSUPP; there `nowait` goes false
// and O_NONBLOCK has to do.
//
// A TUN or TAP that is `down` loses what is written (EIO). While its send buffer is full it says EAGAIN all
// the same, but not when there is room again (tun.c tun_sock_writeable): that is the same loss.
struct Channel {
  int fd = -1;
  bool shared = false;
  bool nowait = true;
  bool down = false;
};

// Writes one whole frame; EINTR is retried. 0, or a negative errno.
int WriteFrame(Channel& channel, const uint8_t* frame, size_t length);

// Reads one frame into room for the largest there is. Its length, or a negative errno.
ssize_t ReadFrame(Channel& channel, uint8_t* to, size_t room);
// Writes one frame that lies in parts. 0, or a negative errno.
int WriteParts(Channel& channel, const struct iovec* parts, uint32_t count);

// Memory that frames are packed into at 8-byte steps; what is used is never used again.
struct Slab {
  uint8_t* data = nullptr;
  size_t size = 0;
  size_t used = 0;

  size_t left() const { return size - used; }
  // The next `length` bytes are a frame, and used to the end of its last step.
  void Take(size_t length) {
    size_t steps = (length + 7) & ~static_cast<size_t>(7);
    used += steps < left() ? steps : left();
  }
};

// What one wake-up read.
struct Burst {
  uint32_t count = 0;  // frames; their [offset, length] pairs are in `spans`
  size_t spilled = 0;  // bytes of the last frame that did not fit the slab and stand in `spill`
  int error = 0;       // errno that ended the burst, other than EAGAIN
};

// Longer than any frame: 64 KiB of packet and its headers.
constexpr size_t kMaxFrameBytes = 66 * 1024;
constexpr size_t kSpillBytes = kMaxFrameBytes;

// Reads until EAGAIN, `limit` frames, or a slab with less than `room` left. The MTU may have grown since
// `room` was known, and the kernel cuts what does not fit a read without a word: near the slab's end a
// frame's rest is caught in `spill`.
Burst ReadBurst(Channel& channel, Slab& slab, size_t room, uint32_t limit, uint32_t* spans, uint8_t* spill);

// Frames that the kernel did not take, by its reason.
struct Losses {
  struct Loss {
    int reason;  // a negative errno
    uint32_t frames;
  };
  // More than the drivers have reasons for; were there another, it would be counted with the last.
  static constexpr uint32_t kMaxReasons = 4;

  void Add(int reason, uint32_t frames);
  uint32_t frames() const;

  Loss by_reason[kMaxReasons];
  uint32_t count = 0;
};

// What came of writing frames in a row.
struct FrameRun {
  Losses losses;       // of frames before `next`, where the library joins frames
  uint32_t next = 0;   // the first frame that was not taken; the end when all were
  uint64_t bytes = 0;  // of the frames taken
  int outcome = 0;     // of the frame `next`: 0 when all were taken, else a FrameFault or a negative errno
};

// The fault of the frame at one [offset, length], which must lie in the slab: JavaScript may have changed
// both.
int CheckSpan(const FrameRules& rules, const uint8_t* slab, size_t slab_bytes, const uint32_t* span);

// Writes the frames from `next` to `end` of the spans until one is not taken. Spans that lie outside the slab
// are faults: JavaScript may have changed both.
FrameRun WriteFrames(Channel& channel, const FrameRules& rules, const uint8_t* slab, size_t slab_bytes,
                     const uint32_t* spans, uint32_t next, uint32_t end);

}  // namespace tapfd

#endif  // TAPFD_FRAMES_IO_H_
