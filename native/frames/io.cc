#include "frames/io.h"

#include <linux/fs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "frames/ip_layout.h"

namespace tapfd {

namespace {

// A frame with a segmentation type in its vnet header is a super-frame: the kernel splits it to the MTU.
bool IsSuperFrame(const FrameRules& rules, const uint8_t* frame) {
  constexpr size_t kGsoType = 1;  // struct virtio_net_hdr: flags, gso_type, …
  return rules.vnet_header != 0 && frame[(rules.packet_info ? 4 : 0) + kGsoType] != 0;
}

FrameFault CheckEthernet(const FrameRules& rules, const uint8_t* data, size_t length, size_t largest_packet) {
  if (length < ethernet::kHeader) return FrameFault::kTooShort;
  if (length > ethernet::kHeader + largest_packet) {
    size_t tag_bytes = FindEtherType(data, length) - ethernet::kType;
    if (length > ethernet::kHeader + tag_bytes + largest_packet) return FrameFault::kTooLong;
  }
  if (rules.check_source && std::memcmp(data + 6, rules.mac.data(), rules.mac.size()) != 0) {
    return FrameFault::kSourceMac;
  }
  return FrameFault::kNone;
}

// Whether a packet of IP is as long as its own header says. The kernel cuts off what follows the packet, and
// drops one that is cut short; the writer hears of neither (ip_input.c ip_rcv_core, ip6_input.c
// ip6_rcv_core).
bool HasLengthOfItsHeader(const uint8_t* packet, size_t length) {
  if (packet[0] >> 4 == 4) {
    return length >= ipv4::kHeader && Load16(packet + ipv4::kTotalLength) == length;
  }
  if (length < ipv6::kHeader) return false;
  uint16_t payload_bytes = Load16(packet + ipv6::kPayloadLength);
  // A jumbogram has its length in the hop-by-hop header.
  if (payload_bytes == 0 && packet[ipv6::kNextHeader] == ipv6::kHopByHop) return true;
  return ipv6::kHeader + payload_bytes == length;
}

// Whether the packet has the IP version that the packet information names.
bool HasVersionOf(uint16_t protocol, unsigned version) {
  return version == (protocol == ethernet::kIpv4 ? 4 : 6);
}

// The packet of a TUN, which begins after the frame's `header` bytes.
FrameFault CheckIp(const FrameRules& rules, const uint8_t* frame, size_t header, size_t length) {
  bool is_super = IsSuperFrame(rules, frame);
  const uint8_t* packet = frame + header;
  length -= header;
  if (length == 0) return FrameFault::kTooShort;
  if (length > (is_super ? kMaxPacketBytes : rules.mtu)) return FrameFault::kTooLong;
  unsigned version = packet[0] >> 4;
  if (rules.packet_info) {
    uint16_t protocol = Load16(frame + 2);  // struct tun_pi: flags, protocol
    if (protocol != ethernet::kIpv4 && protocol != ethernet::kIpv6) return FrameFault::kNone;
    if (!HasVersionOf(protocol, version)) return FrameFault::kInvalid;
  } else if (version != 4 && version != 6) {
    return FrameFault::kInvalid;
  }
  // The length of a super-frame is the kernel's to judge: 0 may be right in one.
  return is_super || HasLengthOfItsHeader(packet, length) ? FrameFault::kNone : FrameFault::kInvalid;
}

}  // namespace

FrameFault CheckFrame(const FrameRules& rules, const uint8_t* frame, size_t length) {
  size_t header = rules.header_bytes();
  if (length < header) return FrameFault::kTooShort;
  if (!rules.ethernet) return CheckIp(rules, frame, header, length);
  size_t largest_packet = IsSuperFrame(rules, frame) ? kMaxPacketBytes : rules.mtu;
  return CheckEthernet(rules, frame + header, length - header, largest_packet);
}

namespace {

// preadv2(2) and pwritev2(2) at the current position. musl has functions for them only since 1.2.5.
ssize_t ReadNoWait(int fd, const struct iovec* parts, int count) {
  return syscall(SYS_preadv2, fd, parts, count, -1L, -1L, RWF_NOWAIT);
}
ssize_t WriteNoWait(int fd, const struct iovec* parts, int count) {
  return syscall(SYS_pwritev2, fd, parts, count, -1L, -1L, RWF_NOWAIT);
}

// One read or write that does not wait, even if another process holds the descriptor.
template <typename Plain, typename NoWait>
ssize_t Transfer(Channel& channel, Plain plain, NoWait no_wait) {
  for (;;) {
    ssize_t length = channel.shared && channel.nowait ? no_wait() : plain();
    if (length >= 0) return length;
    bool unsupported = errno == EOPNOTSUPP || errno == ENOSYS;
    if (unsupported && channel.shared && channel.nowait) {
      channel.nowait = false;
    } else if (errno != EINTR) {
      return -errno;
    }
  }
}

int WriteOutcome(const Channel& channel, ssize_t written) {
  if (written >= 0) return 0;
  return written == -EAGAIN && channel.down ? -EIO : static_cast<int>(written);
}

ssize_t ReadSpilling(Channel& channel, uint8_t* to, size_t room, uint8_t* spill) {
  struct iovec parts[2] = {{to, room}, {spill, kSpillBytes}};
  return Transfer(
      channel, [&] { return readv(channel.fd, parts, 2); }, [&] { return ReadNoWait(channel.fd, parts, 2); });
}

}  // namespace

bool EndsDevice(int outcome) {
  return outcome == -EBADFD || outcome == -ENOLINK || outcome == -EBADF;
}

ssize_t ReadFrame(Channel& channel, uint8_t* to, size_t room) {
  struct iovec part = {to, room};
  return Transfer(
      channel, [&] { return read(channel.fd, to, room); }, [&] { return ReadNoWait(channel.fd, &part, 1); });
}

int WriteParts(Channel& channel, const struct iovec* parts, uint32_t count) {
  int part_count = static_cast<int>(count);
  ssize_t written = Transfer(
      channel, [&] { return writev(channel.fd, parts, part_count); },
      [&] { return WriteNoWait(channel.fd, parts, part_count); });
  return WriteOutcome(channel, written);
}

int WriteFrame(Channel& channel, const uint8_t* frame, size_t length) {
  struct iovec part = {const_cast<uint8_t*>(frame), length};
  ssize_t written = Transfer(
      channel, [&] { return write(channel.fd, frame, length); },
      [&] { return WriteNoWait(channel.fd, &part, 1); });
  return WriteOutcome(channel, written);
}

Burst ReadBurst(Channel& channel, Slab& slab, size_t room, uint32_t limit, uint32_t* spans, uint8_t* spill) {
  Burst burst;
  while (burst.count < limit && slab.left() >= room) {
    size_t left = slab.left();
    uint8_t* to = slab.data + slab.used;
    ssize_t length =
        left >= kMaxFrameBytes ? ReadFrame(channel, to, left) : ReadSpilling(channel, to, left, spill);
    if (length < 0) {
      if (length != -EAGAIN) burst.error = static_cast<int>(-length);
      break;
    }
    size_t in_slab = std::min(static_cast<size_t>(length), left);
    spans[2 * burst.count] = static_cast<uint32_t>(slab.used);
    spans[2 * burst.count + 1] = static_cast<uint32_t>(in_slab);
    ++burst.count;
    slab.Take(in_slab);
    burst.spilled = static_cast<size_t>(length) - in_slab;
    if (burst.spilled != 0) break;
  }
  return burst;
}

int CheckSpan(const FrameRules& rules, const uint8_t* slab, size_t slab_bytes, const uint32_t* span) {
  size_t offset = span[0];
  size_t length = span[1];
  if (offset > slab_bytes || length > slab_bytes - offset) return static_cast<int>(FrameFault::kTooLong);
  return static_cast<int>(CheckFrame(rules, slab + offset, length));
}

void Losses::Add(int reason, size_t bytes) {
  uint32_t at = 0;
  while (at < count && by_reason[at].reason != reason && at + 1 < kMaxReasons) ++at;
  if (at == count) by_reason[count++] = {reason, 0, static_cast<uint32_t>(bytes)};
  ++by_reason[at].frames;
}

uint32_t Losses::frames() const {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < count; ++i) sum += by_reason[i].frames;
  return sum;
}

void FrameRun::Count(uint32_t number, int outcome_of_frame, size_t frame_bytes) {
  if (outcome_of_frame != 0) {
    losses.Add(outcome_of_frame, frame_bytes);
    return;
  }
  if (accepted != nullptr) accepted[number] = 1;
  ++frames;
  bytes += frame_bytes;
}

FrameRun WriteFrames(Channel& channel, const FrameRules& rules, const uint8_t* slab, size_t slab_bytes,
                     const uint32_t* spans, uint32_t next, uint32_t end, uint8_t* accepted) {
  FrameRun run;
  run.accepted = accepted;
  for (; next < end; ++next) {
    const uint32_t* span = &spans[2 * next];
    run.outcome = CheckSpan(rules, slab, slab_bytes, span);
    if (run.outcome == 0) run.outcome = WriteFrame(channel, slab + span[0], span[1]);
    if (run.outcome != 0) break;
    run.Count(next, 0, span[1]);
  }
  run.next = next;
  return run;
}

}  // namespace tapfd
