#include "frames/segment_io.h"

#include <cerrno>
#include <cstring>

namespace tapfd {

namespace {

constexpr uint32_t kMaxPlanned = 256;

// Whether the kernel does not take frames joined in this way: some kernels answer EINVAL, and with
// IFF_NAPI_FRAGS a frame has 17 parts and 65,471 bytes at most (EMSGSIZE).
bool RefusesJoin(int outcome) {
  return outcome == -EINVAL || outcome == -EMSGSIZE;
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

uint32_t SegmentIo::Gather(const FrameRules& rules, const Batch& batch, uint32_t next, int* fault) {
  frames_.clear();
  for (; next < batch.end && frames_.size() < kMaxPlanned; ++next) {
    const uint32_t* span = &batch.spans[2 * next];
    *fault = CheckSpan(rules, batch.slab, batch.slab_bytes, span);
    if (*fault != 0) break;
    frames_.push_back({const_cast<uint8_t*>(batch.slab) + span[0], span[1]});
  }
  return static_cast<uint32_t>(frames_.size());
}

FrameRun SegmentIo::WriteBatch(Channel& channel, const FrameRules& rules, const Batch& batch, uint32_t next,
                               uint8_t* accepted) {
  FrameRun run;
  run.next = next;
  run.accepted = accepted;
  if (!HasPlanOf(batch, next)) plan_ = WriteUnits{};
  while (run.next < batch.end) {
    if (plan_.count == 0) {
      int fault = 0;
      if (Gather(rules, batch, run.next, &fault) == 0) {
        run.outcome = fault;
        return run;
      }
      MakePlan(rules, batch, run.next);
    }
    run.outcome = WritePlan(channel, rules, batch, &run);
    if (run.outcome != 0) return run;
  }
  return run;
}

void SegmentIo::MakePlan(const FrameRules& rules, const Batch& batch, uint32_t next) {
  plan_ = coalescer_.Plan(rules_, frames_.data(), static_cast<uint32_t>(frames_.size()));
  plan_batch_ = batch;
  plan_rules_ = rules;
  plan_next_ = next;
  plan_unit_ = plan_single_ = 0;
}

bool SegmentIo::HasPlanOf(const Batch& batch, uint32_t next) const {
  return plan_batch_.number == batch.number && plan_next_ == next && next < batch.end &&
         frames_.size() <= batch.end - next;
}

int SegmentIo::WritePlan(Channel& channel, const FrameRules& rules, const Batch& batch, FrameRun* run) {
  bool holds =
      rules == plan_rules_ && batch.slab == plan_batch_.slab && batch.slab_bytes == plan_batch_.slab_bytes;
  for (; plan_unit_ < plan_.count; ++plan_unit_, plan_single_ = 0) {
    const WriteUnit& unit = plan_.units[plan_unit_];
    bool whole = holds && plan_single_ == 0 && !(singly_ && unit.joined());
    int outcome = whole ? WriteWhole(channel, unit, run) : 0;
    bool refused = unit.joined() && RefusesJoin(outcome);
    singly_ = singly_ || refused;
    if (!whole || refused) outcome = WriteSingly(channel, rules, batch, unit, run);
    if (outcome == -EAGAIN) return outcome;
    if (outcome != 0) {
      plan_ = WriteUnits{};
      return outcome;
    }
  }
  plan_ = WriteUnits{};
  run->next += static_cast<uint32_t>(frames_.size());
  return 0;
}

// 0 if each of its frames was accepted or lost, -EAGAIN, what refuses the join, or what ends the device.
int SegmentIo::WriteWhole(Channel& channel, const WriteUnit& unit, FrameRun* run) {
  int outcome = WriteParts(channel, unit.parts, unit.part_count);
  if (outcome == -EAGAIN || EndsDevice(outcome) || (unit.joined() && RefusesJoin(outcome))) return outcome;
  for (uint32_t i = 0; i < unit.frame_count; ++i) {
    run->Count(plan_next_ + unit.frames[i], outcome, frames_[unit.frames[i]].iov_len);
  }
  return 0;
}

// 0 if each of its frames was accepted or lost, -EAGAIN, which leaves the rest to the next call, or what ends
// the device.
int SegmentIo::WriteSingly(Channel& channel, const FrameRules& rules, const Batch& batch,
                           const WriteUnit& unit, FrameRun* run) {
  for (; plan_single_ < unit.frame_count; ++plan_single_) {
    uint32_t number = plan_next_ + unit.frames[plan_single_];
    const uint32_t* span = &batch.spans[2 * number];
    int outcome = CheckSpan(rules, batch.slab, batch.slab_bytes, span);
    if (outcome == 0) outcome = Write(channel, batch.slab + span[0], span[1]);
    if (outcome == -EAGAIN || EndsDevice(outcome)) return outcome;
    run->Count(number, outcome, span[1]);
  }
  return 0;
}

}  // namespace tapfd
