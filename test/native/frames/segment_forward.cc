// Forwards between two devices whose descriptors are 3 and 4, both with a vnet header of 10 bytes and
// offload: super-frames from one are split, and the frames are joined again and written to the other. Ends on
// SIGTERM with a line of counts.
//
//     segment_forward ethernet|ip

#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

#include "../check.h"
#include "frames/coalesce.h"
#include "frames/segment.h"

using tapfd::SegmentFault;
using tapfd::VnetHeader;

namespace {

volatile sig_atomic_t ending = 0;

constexpr uint32_t kBatch = 256;
constexpr size_t kRoom = 2048;          // a frame that is no super-frame is read to where it stays
constexpr size_t kStage = 65536 + 512;  // and a super-frame here, to be cut

struct Counts {
  uint64_t read = 0, super_frames = 0, frames = 0, writes = 0, joined = 0, refused = 0, faults = 0;
};

class Direction {
 public:
  Direction(int from, int to, bool ethernet)
      : from_(from), to_(to), ethernet_(ethernet), coalescer_(kBatch), memory_(new uint8_t[kSlab]) {
    slab_ = {memory_.get(), kSlab, 0};
  }

  // Until there is nothing to read.
  void Work(Counts& counts) {
    bool more = true;
    while (more) {
      slab_.used = 0;
      uint32_t count = 0;
      more = Read(&count, counts);
      counts.frames += count;
      if (count != 0) Write(count, counts);
    }
  }

 private:
  static constexpr size_t kSlab = 1 << 20;

  bool Read(uint32_t* count, Counts& counts) {
    while (*count < kBatch && slab_.left() >= kRoom) {
      if (!segmenter_.done()) {
        *count += segmenter_.Emit(slab_, spans_ + 2 * *count, kBatch - *count);
        if (!segmenter_.done()) return true;
        continue;
      }
      VnetHeader header;
      struct iovec parts[3] = {
          {&header, sizeof header}, {slab_.data + slab_.used, kRoom}, {stage_ + kRoom, kStage - kRoom}};
      ssize_t length = readv(from_, parts, 3);
      if (length < 0 && errno == EINTR) continue;
      if (length < static_cast<ssize_t>(sizeof header)) return false;
      counts.read += 1;
      Take(header, static_cast<size_t>(length) - sizeof header, count, counts);
    }
    return true;
  }

  void Take(const VnetHeader& header, size_t length, uint32_t* count, Counts& counts) {
    uint8_t* frame = slab_.data + slab_.used;
    if (header.gso_type == VnetHeader::kGsoNone && length <= kRoom) {
      if (tapfd::CompleteChecksum(header, frame, length) != SegmentFault::kNone) {
        counts.faults += 1;
        return;
      }
      spans_[2 * *count] = static_cast<uint32_t>(slab_.used);
      spans_[2 * *count + 1] = static_cast<uint32_t>(length);
      slab_.used += (length + 7) / 8 * 8;
      *count += 1;
      return;
    }
    counts.super_frames += 1;
    std::memcpy(stage_, frame, std::min(length, kRoom));
    if (segmenter_.Begin(header, stage_, length, ethernet_) != SegmentFault::kNone) counts.faults += 1;
  }

  void Write(uint32_t count, Counts& counts) {
    struct iovec frames[kBatch];
    for (uint32_t i = 0; i < count; ++i) frames[i] = {slab_.data + spans_[2 * i], spans_[2 * i + 1]};
    for (const tapfd::WriteUnit& unit : coalescer_.Plan({ethernet_, true}, frames, count)) {
      counts.joined += unit.joined() ? unit.frame_count : 0;
      if (WriteParts(unit.parts, unit.part_count, counts)) continue;
      counts.refused += 1;
      for (uint32_t i = 0; unit.joined() && i < unit.frame_count; ++i) {
        WriteParts(tapfd::SingleWrite(frames[unit.frames[i]]).parts, 2, counts);
      }
    }
  }

  // False: the kernel does not take it.
  bool WriteParts(const struct iovec* parts, uint32_t count, Counts& counts) {
    counts.writes += 1;
    while (writev(to_, parts, static_cast<int>(count)) < 0) {
      if (errno == EINVAL) return false;
      if (errno != EAGAIN && errno != EINTR) return true;
      if (ending) return true;
      struct pollfd wait = {to_, POLLOUT, 0};
      poll(&wait, 1, 100);
    }
    return true;
  }

  const int from_;
  const int to_;
  const bool ethernet_;
  tapfd::Coalescer coalescer_;
  tapfd::Segmenter segmenter_;
  std::unique_ptr<uint8_t[]> memory_;
  tapfd::Slab slab_;
  uint32_t spans_[2 * kBatch];
  alignas(64) uint8_t stage_[kStage];
};

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc == 2, "see the comment in the source");
  bool ethernet = std::strcmp(argv[1], "ethernet") == 0;
  std::signal(SIGTERM, [](int) { ending = 1; });
  auto there = std::make_unique<Direction>(3, 4, ethernet);
  auto back = std::make_unique<Direction>(4, 3, ethernet);
  Counts counts;
  std::printf("ready\n");
  std::fflush(stdout);
  while (!ending) {
    struct pollfd wait[2] = {{3, POLLIN, 0}, {4, POLLIN, 0}};
    if (poll(wait, 2, 100) <= 0) continue;
    if (wait[0].revents != 0) there->Work(counts);
    if (wait[1].revents != 0) back->Work(counts);
  }
  std::printf(
      "{\"read\":%lu,\"superFrames\":%lu,\"frames\":%lu,\"writes\":%lu,\"joined\":%lu,\"refused\":%lu,"
      "\"faults\":%lu}\n",
      counts.read, counts.super_frames, counts.frames, counts.writes, counts.joined, counts.refused,
      counts.faults);
}
