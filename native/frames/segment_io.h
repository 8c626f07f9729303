// Reading and writing when the library splits and joins: the kernel sees super-frames with vnet headers,
// JavaScript sees frames of MTU size without them.

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
  // Frames in one piece of memory, and where they are in it.
  struct Batch {
    uint32_t number = 0;  // the caller's, because an address may be used again for another batch
    const uint8_t* slab = nullptr;
    size_t slab_bytes = 0;
    const uint32_t* spans = nullptr;
    uint32_t end = 0;
  };

  // `udp`: the device was granted USO, so the kernel accepts joined datagrams.
  SegmentIo(bool ethernet, bool udp);

  // The offloads granted to the device may change.
  void JoinUdp(bool udp) { rules_.udp = udp; }

  // Like ReadBurst, but splits super-frames. Frames that do not fit are kept for the next call. Malformed
  // super-frames count towards `limit`: a flood of them must not block the event loop.
  Burst Read(Channel& channel, Slab& slab, size_t room, uint32_t limit, uint32_t* spans);
  // Whether frames of a super-frame are waiting, although the descriptor may not be readable.
  bool pending() const { return !segmenter_.done(); }
  // The space that the next of them needs in a slab. It may be longer than the MTU: a bridge forwards
  // super-frames of any segment size. 0 if none is waiting.
  size_t pending_room() const { return pending() ? segmenter_.room() : 0; }
  // The number of malformed super-frames dropped since the last call.
  uint32_t TakeFaults();
  bool has_faults() const { return faults_ != 0; }
  // Whether the kernel has refused a joined write: since then every frame is written singly.
  bool joins_refused() const { return singly_; }

  int Write(Channel& channel, const uint8_t* frame, size_t length);
  // Like WriteFrames, but joins frames of a flow. After -EAGAIN, repeat the same call: frames already written
  // are remembered. If the rules have changed, or the memory is gone, those not written yet are checked
  // again. A call for another batch starts a new plan. For `accepted` see FrameRun.
  FrameRun WriteBatch(Channel& channel, const FrameRules& rules, const Batch& batch, uint32_t next,
                      uint8_t* accepted = nullptr);

 private:
  // Collects the frames from `next` on that pass the checks, up to the size of one plan; `fault` is what
  // ended them.
  uint32_t Gather(const FrameRules& rules, const Batch& batch, uint32_t next, int* fault);
  void MakePlan(const FrameRules& rules, const Batch& batch, uint32_t next);
  bool HasPlanOf(const Batch& batch, uint32_t next) const;
  // Continues the plan. 0 if it is complete, -EAGAIN, or the errno that ends the device.
  int WritePlan(Channel& channel, const FrameRules& rules, const Batch& batch, FrameRun* run);
  int WriteWhole(Channel& channel, const WriteUnit& unit, FrameRun* run);
  int WriteSingly(Channel& channel, const FrameRules& rules, const Batch& batch, const WriteUnit& unit,
                  FrameRun* run);

  CoalesceRules rules_;
  Segmenter segmenter_;
  std::unique_ptr<uint8_t[]> super_frame_;
  uint32_t faults_ = 0;

  Coalescer coalescer_;
  std::vector<struct iovec> frames_;
  WriteUnits plan_;
  Batch plan_batch_;
  FrameRules plan_rules_;     // that its frames have been checked against
  uint32_t plan_next_ = 0;    // the first frame
  uint32_t plan_unit_ = 0;    // the unit to write next
  uint32_t plan_single_ = 0;  // the frame within it, when it is written frame by frame
  bool singly_ = false;       // the kernel has refused a joined write once: none is tried again
};

}  // namespace tapfd

#endif  // TAPFD_FRAMES_SEGMENT_IO_H_
