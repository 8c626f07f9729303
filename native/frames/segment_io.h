// Reading and writing where the library splits and joins: the kernel sees super-frames behind vnet headers,
// JavaScript whole frames of MTU size without.

#ifndef TAPFD_FRAMES_SEGMENT_IO_H_
#define TAPFD_FRAMES_SEGMENT_IO_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "frames/coalesce.h"
#include "frames/io.h"
#include "frames/segment.h"

namespace tapfd {

class SegmentIo {
 public:
  // `udp`: the device was granted USO, so the kernel takes joined datagrams.
  SegmentIo(bool ethernet, bool udp);

  // What the device is granted may change.
  void JoinUdp(bool udp) { rules_.udp = udp; }

  // As ReadBurst, but a super-frame comes out as the frames it stands for. What does not fit is kept for the
  // next call. Malformed super-frames count towards `limit`: a flood of them must not hold up the event loop.
  Burst Read(Channel& channel, Slab& slab, size_t room, uint32_t limit, uint32_t* spans);
  // Frames of a super-frame wait although the descriptor may have nothing more.
  bool pending() const { return !segmenter_.done(); }
  // A slab must have this much left for the next of them, which may be longer than the MTU: a bridge passes
  // super-frames of any segment size. 0 when none wait.
  size_t pending_room() const { return pending() ? segmenter_.room() : 0; }
  // Super-frames that were malformed and thrown away since this was asked last.
  uint32_t TakeFaults();
  bool has_faults() const { return faults_ != 0; }
  // The kernel has refused a joined write: since then every frame is written singly.
  bool joins_refused() const { return singly_; }

  int Write(Channel& channel, const uint8_t* frame, size_t length);
  // As WriteFrames, but frames of a flow are joined. When it answers -EAGAIN, the same call is to be made
  // again: the frames of its plan that were written already are remembered, and all of them must stay where
  // they are. A call for other frames or other memory makes a plan of its own.
  FrameRun WriteBatch(Channel& channel, const FrameRules& rules, const uint8_t* slab, size_t slab_bytes,
                      const uint32_t* spans, uint32_t next, uint32_t end);

 private:
  // The frames from `next` on that pass the checks, as far as one plan reaches; `fault` is what ended them.
  uint32_t Gather(const FrameRules& rules, const uint8_t* slab, size_t slab_bytes, const uint32_t* spans,
                  uint32_t next, uint32_t end, int* fault);
  // Goes on with the plan. 0 when it is through, -EAGAIN, or the errno that ends the device.
  int WritePlan(Channel& channel, FrameRun* run);
  int WriteUnitWhole(Channel& channel, const WriteUnit& unit);
  void Lose(uint32_t frame, int reason);
  // Whether there is a plan, of these frames and in this memory: the memory of another call may be gone.
  bool HasPlanOf(const uint8_t* slab, size_t slab_bytes, uint32_t next, uint32_t end) const;

  CoalesceRules rules_;
  Segmenter segmenter_;
  std::unique_ptr<uint8_t[]> super_frame_;
  uint32_t faults_ = 0;

  Coalescer coalescer_;
  std::vector<struct iovec> frames_;
  WriteUnits plan_;
  const uint8_t* plan_slab_ = nullptr;
  size_t plan_slab_bytes_ = 0;
  uint32_t plan_next_ = 0;    // the first frame
  uint32_t plan_unit_ = 0;    // the unit to write next
  uint32_t plan_single_ = 0;  // within it, when it is written frame by frame
  Losses plan_losses_;
  uint64_t plan_lost_bytes_ = 0;
  bool singly_ = false;  // the kernel has refused a joined write once: never again
};

}  // namespace tapfd

#endif  // TAPFD_FRAMES_SEGMENT_IO_H_
