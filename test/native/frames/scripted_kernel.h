// A kernel that does what a test says, for native/frames/segment_io.h without a real descriptor: read(2) and
// writev(2) are replaced, deliver what the test has prepared, and answer writes like kernels that are full,
// refuse joined frames, or have lost the device. For one source file of a program.

#ifndef TAPFD_TEST_SCRIPTED_KERNEL_H_
#define TAPFD_TEST_SCRIPTED_KERNEL_H_

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>

#include "coalesce_oracle.h"
#include "frames/segment_io.h"
#include "random_spec.h"

constexpr int kFd = 1000;  // no descriptor of this process

// What the kernel delivers; then EAGAIN.
inline std::deque<Bytes> to_read;
// What it has accepted, including vnet headers.
inline std::vector<Bytes> taken;
// Its answer to a write: 0, or an errno.
inline std::function<int(const Bytes&)> answer;
inline uint32_t writes = 0;

inline bool IsJoined(const Bytes& written) {
  return written[1] != tapfd::VnetHeader::kGsoNone;
}

// The frames that a kernel would make of what it has accepted, with joined ones split again.
inline std::vector<Bytes> TakenFrames() {
  std::vector<Bytes> frames;
  for (const Bytes& written : taken) {
    tapfd::VnetHeader header;
    std::memcpy(&header, written.data(), sizeof header);
    Bytes frame(written.begin() + sizeof header, written.end());
    tapfd::Segmenter segmenter;
    CHECK(segmenter.Begin(header, frame.data(), frame.size(), true) == tapfd::SegmentFault::kNone, "taken");
    while (!segmenter.done()) {
      Bytes memory(segmenter.room());
      uint32_t span[2];
      tapfd::Slab slab{memory.data(), memory.size(), 0};
      CHECK(segmenter.Emit(slab, span, 1) == 1, "taken");
      frames.emplace_back(memory.begin() + span[0], memory.begin() + span[0] + span[1]);
    }
  }
  return frames;
}

// Frames in one piece of memory, as JavaScript gives them.
struct Packed {
  explicit Packed(const std::vector<Bytes>& frames) {
    for (const Bytes& frame : frames) bytes += (frame.size() + 7) & ~size_t{7};
    memory.reset(new uint8_t[bytes]);
    size_t at = 0;
    for (const Bytes& frame : frames) {
      std::copy(frame.begin(), frame.end(), memory.get() + at);
      spans.push_back(static_cast<uint32_t>(at));
      spans.push_back(static_cast<uint32_t>(frame.size()));
      at += (frame.size() + 7) & ~size_t{7};
    }
  }
  uint32_t count() const { return static_cast<uint32_t>(spans.size() / 2); }

  size_t bytes = 0;
  std::unique_ptr<uint8_t[]> memory;
  std::vector<uint32_t> spans;
};

inline tapfd::FrameRules Rules() {
  tapfd::FrameRules rules;
  rules.mtu = 1500;
  return rules;
}

// `number` tells batches apart.
inline tapfd::FrameRun Write(tapfd::SegmentIo& io, const Packed& packed, uint32_t next = 0,
                             const tapfd::FrameRules& rules = Rules(), uint32_t number = 1) {
  tapfd::Channel channel{kFd, false, true};
  tapfd::SegmentIo::Batch batch{number, packed.memory.get(), packed.bytes, packed.spans.data(),
                                packed.count()};
  return io.WriteBatch(channel, rules, batch, next);
}

// Two alternating flows, so that there is more than one unit, and a frame of no flow between them.
inline std::vector<Bytes> TwoFlows(uint32_t count) {
  Random random(1);
  FrameSpec flows[2];
  flows[1].source_port = 1001;
  std::vector<Bytes> frames;
  for (uint32_t i = 0; i < count; ++i) {
    FrameSpec& flow = flows[i % 2];
    Bytes payload = RandomBytes(random, 1000);
    frames.push_back(BuildFrame(flow, payload.data(), payload.size()));
    flow.sequence += 1000;
    flow.id += 1;
  }
  Bytes arp(42, 2);
  arp[12] = 0x08;
  arp[13] = 0x06;
  frames.push_back(arp);
  return frames;
}

inline uint64_t BytesOf(const std::vector<Bytes>& frames) {
  uint64_t bytes = 0;
  for (const Bytes& frame : frames) bytes += frame.size();
  return bytes;
}

inline void Forget() {
  taken.clear();
  writes = 0;
}

// Each frame once and unchanged, whatever the order of units.
inline void CheckAllTaken(std::vector<Bytes> frames, const char* what) {
  std::vector<Bytes> got = TakenFrames();
  CHECK(got.size() == frames.size(), "%s: %zu frames in, %zu out", what, frames.size(), got.size());
  std::sort(got.begin(), got.end());
  std::sort(frames.begin(), frames.end());
  CHECK(got == frames, "%s: other frames", what);
}

extern "C" ssize_t read(int fd, void* to, size_t room) {
  CHECK(fd == kFd, "descriptor %d", fd);
  if (to_read.empty()) {
    errno = EAGAIN;
    return -1;
  }
  Bytes frame = to_read.front();
  to_read.pop_front();
  CHECK(frame.size() <= room, "no room for a frame");
  std::copy(frame.begin(), frame.end(), static_cast<uint8_t*>(to));
  return static_cast<ssize_t>(frame.size());
}

extern "C" ssize_t writev(int fd, const struct iovec* parts, int count) {
  CHECK(fd == kFd, "descriptor %d", fd);
  ++writes;
  Bytes whole = Gather(parts, static_cast<uint32_t>(count));
  int error = answer(whole);
  if (error != 0) {
    errno = error;
    return -1;
  }
  taken.push_back(whole);
  return static_cast<ssize_t>(whole.size());
}

#endif  // TAPFD_TEST_SCRIPTED_KERNEL_H_
