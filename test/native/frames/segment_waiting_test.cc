// native/frames/segment_io.h: batches that wait for the kernel, and what may happen meanwhile. The measure is
// a device that does not join.

#include <sys/syscall.h>
#include <unistd.h>

#include <map>

#include "scripted_kernel.h"

using tapfd::FrameFault;
using tapfd::FrameRun;
using tapfd::SegmentIo;

namespace {

// The kernel is full once, at the nth write: nothing is written twice, and nothing is left out.
void CheckFullAt(uint32_t nth, bool refuses_joined) {
  SegmentIo io(true, false);
  answer = [&](const Bytes& written) {
    if (writes == nth) return EAGAIN;
    return refuses_joined && IsJoined(written) ? EINVAL : 0;
  };
  std::vector<Bytes> frames = TwoFlows(12);
  Packed batch(frames);
  FrameRun run = Write(io, batch);
  CHECK(run.outcome == -EAGAIN && run.next == 0, "full at write %u: outcome %d", nth, run.outcome);
  CHECK(run.frames == TakenFrames().size() && run.bytes == BytesOf(TakenFrames()),
        "full at write %u: %u told, %zu taken", nth, run.frames, TakenFrames().size());
  uint32_t before = run.frames;
  run = Write(io, batch, run.next);
  CHECK(run.outcome == 0 && run.next == 13 && before + run.frames == 13, "full at write %u: then %d", nth,
        run.outcome);
  CheckAllTaken(frames, "full");
  Forget();
}

// Full at the second write: the first flow has been written.
void WriteFirstFlow(SegmentIo& io, const Packed& batch) {
  answer = [](const Bytes&) { return writes == 2 ? EAGAIN : 0; };
  CHECK(Write(io, batch).outcome == -EAGAIN, "not full");
  Forget();
  answer = [](const Bytes&) { return 0; };
}

// A batch is abandoned halfway, and another has its place in memory, and as many frames.
void CheckOtherBatch() {
  SegmentIo io(true, false);
  Packed batch(TwoFlows(12));
  WriteFirstFlow(io, batch);
  std::vector<Bytes> frames = TwoFlows(12);
  for (Bytes& frame : frames) frame[6] ^= 2;  // another source
  uint8_t* at = batch.memory.get();
  for (uint32_t i = 0; i < batch.count(); ++i) at[batch.spans[2 * i] + 6] ^= 2;
  FrameRun run = Write(io, batch, 0, Rules(), 2);
  CHECK(run.outcome == 0 && run.next == 13 && run.frames == 13, "outcome %d, %u frames", run.outcome,
        run.frames);
  CheckAllTaken(frames, "another batch");
  Forget();
}

// The memory is given away while the batch waits. What is not written yet is refused, as by a device that
// does not join, and whatever is at that address later is another batch.
void CheckMemoryGone() {
  SegmentIo io(true, false);
  Packed batch(TwoFlows(12));
  WriteFirstFlow(io, batch);
  tapfd::Channel channel{kFd, false, true};
  FrameRun run = io.WriteBatch(channel, Rules(), {1, nullptr, 0, batch.spans.data(), batch.count()}, 0);
  CHECK(run.outcome == 0 && run.next == 13 && run.frames == 0, "outcome %d, %u frames", run.outcome,
        run.frames);
  CHECK(run.losses.frames() == 7 && run.losses.by_reason[0].reason == static_cast<int>(FrameFault::kTooLong),
        "%u refused", run.losses.frames());
  CHECK(writes == 0, "%u writes", writes);

  WriteFirstFlow(io, batch);
  // The list of frames is gone, too.
  run = io.WriteBatch(channel, Rules(), {1, nullptr, 0, nullptr, 0}, 0);
  CHECK(run.outcome == 0 && run.next == 0 && writes == 0, "outcome %d", run.outcome);
  run = Write(io, batch, 0, Rules(), 2);
  CHECK(run.outcome == 0 && run.frames == 13, "%u frames", run.frames);
  CheckAllTaken(TwoFlows(12), "after what is gone");
  Forget();
}

// The MAC or the MTU changes while a batch waits: the frames not written yet are measured against the new
// one.
void CheckNewRules() {
  tapfd::FrameRules rules = Rules();
  rules.check_source = true;
  std::copy_n(TwoFlows(2)[0].begin() + 6, 6, rules.mac.begin());
  for (int what = 0; what < 3; ++what) {
    SegmentIo io(true, false);
    std::vector<Bytes> frames = TwoFlows(12);
    std::copy_n(frames[0].begin() + 6, 6, frames[12].begin() + 6);
    Packed batch(frames);
    answer = [](const Bytes&) { return writes == 2 ? EAGAIN : 0; };
    FrameRun run = Write(io, batch, 0, rules);
    CHECK(run.outcome == -EAGAIN && run.frames == 6, "%u frames", run.frames);
    tapfd::FrameRules fresh = rules;
    if (what == 0) fresh.mac[5] ^= 1;
    if (what == 1) fresh.mtu = 500;
    if (what == 2) fresh.mtu = 9000;
    run = Write(io, batch, 0, fresh);
    CHECK(run.outcome == 0 && run.next == 13, "outcome %d", run.outcome);
    const tapfd::Losses::Loss& loss = run.losses.by_reason[0];
    if (what == 0) {
      CHECK(run.frames == 0 && loss.reason == static_cast<int>(FrameFault::kSourceMac) && loss.frames == 7,
            "%u with the old MAC", run.frames);
    } else if (what == 1) {
      CHECK(run.frames == 1 && loss.reason == static_cast<int>(FrameFault::kTooLong) && loss.frames == 6 &&
                loss.first_bytes == frames[1].size(),
            "%u within the new MTU", run.frames);
    } else {
      CHECK(run.frames == 7 && run.losses.count == 0, "%u", run.frames);
      CheckAllTaken(frames, "new rules");
    }
    Forget();
  }
}

// The same random batches for a device that joins and for one that does not.

// What became of some batches: frames by outcome, 0 for those accepted.
struct Outcomes {
  std::map<int, uint32_t> frames;
  uint64_t bytes = 0;
  std::vector<Bytes> taken;

  bool operator==(const Outcomes& other) const {
    return frames == other.frames && bytes == other.bytes && taken == other.taken;
  }
};

struct RandomBatch {
  std::vector<Bytes> frames;
  tapfd::FrameRules rules;
  bool down;
};

RandomBatch MakeBatch(Random& random) {
  RandomBatch batch;
  batch.frames = TwoFlows(random.Between(1, 300));
  for (Bytes& frame : batch.frames) {
    if (random.OneIn(40)) frame[6 + random.Below(6)] ^= 1;
    if (random.OneIn(40)) frame.resize(random.Below(40));
    if (random.OneIn(40)) frame.resize(1200 + random.Below(1000));
  }
  batch.rules = Rules();
  batch.rules.mtu = random.OneIn(4) ? 900 : 1500;
  batch.rules.check_source = random.OneIn(2);
  std::copy_n(TwoFlows(2)[0].begin() + 6, 6, batch.rules.mac.begin());
  batch.down = random.OneIn(5);
  return batch;
}

// `io`: null for the device that does not join.
void WriteAll(SegmentIo* io, const RandomBatch& random_batch, uint32_t number, Random& random,
              Outcomes& outcomes) {
  answer = [&](const Bytes&) { return random.OneIn(6) ? EAGAIN : random_batch.down ? EIO : 0; };
  Packed batch(random_batch.frames);
  uint32_t next = 0;
  while (next < batch.count()) {
    tapfd::Channel channel{kFd, false, true};
    FrameRun run = io != nullptr ? Write(*io, batch, next, random_batch.rules, number)
                                 : tapfd::WriteFrames(channel, random_batch.rules, batch.memory.get(),
                                                      batch.bytes, batch.spans.data(), next, batch.count());
    next = run.next;
    outcomes.bytes += run.bytes;
    if (run.frames != 0) outcomes.frames[0] += run.frames;
    for (uint32_t i = 0; i < run.losses.count; ++i) {
      outcomes.frames[run.losses.by_reason[i].reason] += run.losses.by_reason[i].frames;
    }
    if (run.outcome == 0 || run.outcome == -EAGAIN) continue;
    ++outcomes.frames[run.outcome];
    ++next;
  }
}

Outcomes Run(uint64_t seed, bool joins) {
  Outcomes outcomes;
  SegmentIo io(true, false);
  Random batches(seed);
  Random kernel(seed);
  for (uint32_t number = 0; number < 20; ++number) {
    WriteAll(joins ? &io : nullptr, MakeBatch(batches), number, kernel, outcomes);
  }
  outcomes.taken = joins ? TakenFrames() : taken;
  std::sort(outcomes.taken.begin(), outcomes.taken.end());
  Forget();
  return outcomes;
}

void CheckSameAsPlain() {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Outcomes plain = Run(seed, false);
    CHECK(plain.frames.size() >= 4, "seed %lu: only %zu outcomes", seed, plain.frames.size());
    CHECK(Run(seed, true) == plain, "seed %lu: not as a device that does not join", seed);
  }
}

}  // namespace

extern "C" ssize_t write(int fd, const void* from, size_t length) {
  if (fd != kFd) return syscall(SYS_write, fd, from, length);
  struct iovec part = {const_cast<void*>(from), length};
  return writev(fd, &part, 1);
}

int main() {
  for (uint32_t nth = 1; nth <= 3; ++nth) CheckFullAt(nth, false);
  for (uint32_t nth = 1; nth <= 14; ++nth) CheckFullAt(nth, true);
  CheckOtherBatch();
  CheckMemoryGone();
  CheckNewRules();
  CheckSameAsPlain();
  std::printf("waits\n");
}
