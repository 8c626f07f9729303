#include "frames/segment_io.h"

#include <cerrno>
#include <cstring>

namespace tapfd {

namespace {

constexpr uint32_t kMaxPlanned = 256;

// Only these end the device; any other error costs a frame.
bool IsFatal(int error) {
  return error == EBADFD || error == ENOLINK || error == EBADF;
}

}  // namespace

SegmentIo::SegmentIo(bool ethernet, bool udp)
    : rules_{ethernet, udp}, super_frame_(new uint8_t[kMaxFrameBytes]), coalescer_(kMaxPlanned) {
  frames_.reserve(kMaxPlanned);
}

uint32_t SegmentIo::TakeFaults() {
  uint32_t faults = faults_;
  faults_ = 0;
  return faults;
}

Burst SegmentIo::Read(Channel& channel, Slab& slab, size_t room, uint32_t limit, uint32_t* spans) {
  Burst burst;
  while (burst.count + faults_ < limit) {
    if (pending()) {
      uint32_t emitted = segmenter_.Emit(slab, spans + 2 * burst.count, limit - burst.count - faults_);
      if (emitted == 0) break;
      burst.count += emitted;
      continue;
    }
    if (slab.left() < room) break;
    ssize_t length = ReadFrame(channel, super_frame_.get(), kMaxFrameBytes);
    if (length < 0) {
      if (length != -EAGAIN) burst.error = static_cast<int>(-length);
      break;
    }
    VnetHeader header;
    if (static_cast<size_t>(length) < sizeof header) {
      ++faults_;
      continue;
    }
    std::memcpy(&header, super_frame_.get(), sizeof header);
    SegmentFault fault = segmenter_.Begin(header, super_frame_.get() + sizeof header,
                                          static_cast<size_t>(length) - sizeof header, rules_.ethernet);
    if (fault != SegmentFault::kNone) ++faults_;
  }
  return burst;
}

int SegmentIo::Write(Channel& channel, const uint8_t* frame, size_t length) {
  SingleWrite single({const_cast<uint8_t*>(frame), length});
  return WriteParts(channel, single.parts, 2);
}

uint32_t SegmentIo::Gather(const FrameRules& rules, const uint8_t* slab, size_t slab_bytes,
                           const uint32_t* spans, uint32_t next, uint32_t end, int* fault) {
  frames_.clear();
  for (; next < end && frames_.size() < kMaxPlanned; ++next) {
    *fault = CheckSpan(rules, slab, slab_bytes, &spans[2 * next]);
    if (*fault != 0) break;
    frames_.push_back({const_cast<uint8_t*>(slab) + spans[2 * next], spans[2 * next + 1]});
  }
  return static_cast<uint32_t>(frames_.size());
}

FrameRun SegmentIo::WriteBatch(Channel& channel, const FrameRules& rules, const uint8_t* slab,
                               size_t slab_bytes, const uint32_t* spans, uint32_t next, uint32_t end) {
  FrameRun run;
  run.next = next;
  while (run.next < end) {
    int fault = 0;
    if (!HasPlanOf(slab, slab_bytes, run.next, end)) {
      if (Gather(rules, slab, slab_bytes, spans, run.next, end, &fault) == 0) {
        run.outcome = fault;
        return run;
      }
      plan_ = coalescer_.Plan(rules_, frames_.data(), static_cast<uint32_t>(frames_.size()));
      plan_slab_ = slab;
      plan_slab_bytes_ = slab_bytes;
      plan_next_ = run.next;
      plan_unit_ = plan_single_ = 0;
      plan_losses_ = Losses{};
      plan_lost_bytes_ = 0;
    }
    run.outcome = WritePlan(channel, &run);
    if (run.outcome != 0) return run;
  }
  return run;
}

bool SegmentIo::HasPlanOf(const uint8_t* slab, size_t slab_bytes, uint32_t next, uint32_t end) const {
  return plan_.count != 0 && plan_slab_ == slab && plan_slab_bytes_ == slab_bytes && plan_next_ == next &&
         frames_.size() <= end - next;
}

int SegmentIo::WritePlan(Channel& channel, FrameRun* run) {
  while (plan_unit_ < plan_.count) {
    const WriteUnit& unit = plan_.units[plan_unit_];
    int outcome = WriteUnitWhole(channel, unit);
    if (outcome == -EAGAIN) return outcome;
    if (IsFatal(-outcome)) {
      plan_ = WriteUnits{};
      return outcome;
    }
    ++plan_unit_;
    plan_single_ = 0;
  }
  plan_ = WriteUnits{};
  for (const struct iovec& frame : frames_) run->bytes += frame.iov_len;
  run->bytes -= plan_lost_bytes_;
  run->next += static_cast<uint32_t>(frames_.size());
  for (uint32_t i = 0; i < plan_losses_.count; ++i) {
    const Losses::Loss& loss = plan_losses_.by_reason[i];
    run->losses.Add(loss.reason, loss.frames);
  }
  return 0;
}

// Writes a joined unit at once, or frame by frame if the kernel does not accept it: some kernels answer
// EINVAL, and with IFF_NAPI_FRAGS a frame has 17 parts at most (EMSGSIZE). Losses are added to the plan;
// -EAGAIN leaves the rest to the next call.
int SegmentIo::WriteUnitWhole(Channel& channel, const WriteUnit& unit) {
  if (plan_single_ == 0 && !(singly_ && unit.joined())) {
    int outcome = WriteParts(channel, unit.parts, unit.part_count);
    bool refused = (outcome == -EINVAL || outcome == -EMSGSIZE) && unit.joined();
    if (!refused) {
      if (outcome != 0 && outcome != -EAGAIN && !IsFatal(-outcome)) {
        for (uint32_t i = 0; i < unit.frame_count; ++i) AddLoss(unit.frames[i], outcome);
        return 0;
      }
      return outcome;
    }
    singly_ = true;
  }
  for (; plan_single_ < unit.frame_count; ++plan_single_) {
    SingleWrite single(frames_[unit.frames[plan_single_]]);
    int outcome = WriteParts(channel, single.parts, 2);
    if (outcome == -EAGAIN || IsFatal(-outcome)) return outcome;
    if (outcome != 0) AddLoss(unit.frames[plan_single_], outcome);
  }
  return 0;
}

void SegmentIo::AddLoss(uint32_t frame, int reason) {
  plan_losses_.Add(reason, 1);
  plan_lost_bytes_ += frames_[frame].iov_len;
}

}  // namespace tapfd
