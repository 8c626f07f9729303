// native/frames/segment_io.h: writing to kernels that refuse joined frames, lose some, or have lost the
// device.

#include "scripted_kernel.h"

using tapfd::FrameRun;
using tapfd::SegmentIo;

namespace {

void CheckJoinedWrites() {
  SegmentIo io(true, false);
  answer = [](const Bytes&) { return 0; };
  std::vector<Bytes> frames = TwoFlows(20);
  Packed batch(frames);
  FrameRun run = Write(io, batch);
  CHECK(run.outcome == 0 && run.next == 21 && run.losses.count == 0, "outcome %d, next %u", run.outcome,
        run.next);
  CHECK(run.bytes == BytesOf(frames), "%lu bytes", run.bytes);
  CHECK(writes == 3, "%u writes", writes);
  CheckAllTaken(frames, "joined");
  Forget();
}

// The frames are written singly instead, each once and in order, and no joined write is tried again.
void CheckRefusedJoin() {
  SegmentIo io(true, false);
  uint32_t refused = 0;
  answer = [&](const Bytes& written) {
    if (!IsJoined(written)) return 0;
    ++refused;
    return EINVAL;
  };
  std::vector<Bytes> frames = TwoFlows(20);
  Packed batch(frames);
  for (int round = 0; round < 3; ++round) {
    FrameRun run = Write(io, batch);
    CHECK(run.outcome == 0 && run.next == 21 && run.losses.count == 0, "outcome %d, next %u", run.outcome,
          run.next);
    CHECK(run.bytes == BytesOf(frames), "%lu bytes", run.bytes);
    CHECK(refused == 1, "%u joined writes were tried", refused);
    CheckAllTaken(frames, "pieces");
    // A flow's frames in their order.
    for (uint32_t i = 0; i < 10; ++i) {
      CHECK(TakenFrames()[i] == frames[2 * i], "piece %u of the first flow", i);
      CHECK(TakenFrames()[10 + i] == frames[2 * i + 1], "piece %u of the second flow", i);
    }
    Forget();
  }
}

// Whether frames were lost for this reason alone.
bool IsLoss(const FrameRun& run, int reason, uint32_t frames) {
  return run.losses.count == 1 && run.losses.by_reason[0].reason == reason && run.losses.frames() == frames;
}

// Losses are reported by number and with the length of the first; the rest is written.
void CheckLost() {
  SegmentIo io(true, false);
  answer = [](const Bytes&) { return writes == 1 ? ENOBUFS : 0; };
  std::vector<Bytes> frames = TwoFlows(20);
  Packed batch(frames);
  FrameRun run = Write(io, batch);
  CHECK(run.outcome == 0 && run.next == 21 && IsLoss(run, -ENOBUFS, 10), "%u lost", run.losses.frames());
  CHECK(run.bytes == BytesOf(frames) - 10 * frames[0].size(), "%lu bytes", run.bytes);
  CHECK(TakenFrames().size() == 11, "%zu taken", TakenFrames().size());
  Forget();

  SegmentIo pieces(true, false);
  answer = [](const Bytes& written) { return IsJoined(written) ? EINVAL : writes == 5 ? ENOMEM : 0; };
  run = Write(pieces, batch);
  CHECK(run.outcome == 0 && run.next == 21 && IsLoss(run, -ENOMEM, 1), "%u lost", run.losses.frames());
  CHECK(run.bytes == BytesOf(frames) - frames[0].size(), "%lu bytes", run.bytes);
  Forget();

  // Each for its own reason.
  SegmentIo both(true, false);
  answer = [](const Bytes&) { return writes == 1 ? ENOBUFS : writes == 3 ? EINVAL : 0; };
  run = Write(both, batch);
  CHECK(run.outcome == 0 && run.losses.count == 2 && run.losses.frames() == 11, "%u lost",
        run.losses.frames());
  const tapfd::Losses::Loss& second = run.losses.by_reason[1];
  CHECK(second.reason == -EINVAL && second.frames == 1 && second.first_bytes == 42, "the second reason");
  Forget();

  SegmentIo gone(true, false);
  answer = [](const Bytes&) { return EBADFD; };
  run = Write(gone, batch);
  CHECK(run.outcome == -EBADFD && run.next == 0, "outcome %d", run.outcome);
  CHECK(writes == 1, "%u writes to what is gone", writes);
  Forget();

  // What was written before the end of the device was written.
  SegmentIo ending(true, false);
  answer = [](const Bytes&) { return writes == 2 ? EBADFD : 0; };
  run = Write(ending, batch);
  CHECK(run.outcome == -EBADFD && run.frames == 10 && TakenFrames().size() == 10, "%u written", run.frames);
  Forget();
}

// A frame that fails its check ends the run there; the frames before it have been written.
void CheckRefusedFrame() {
  SegmentIo io(true, false);
  answer = [](const Bytes&) { return 0; };
  std::vector<Bytes> frames = TwoFlows(8);
  frames[4] = Bytes(1515);
  Packed batch(frames);
  FrameRun run = Write(io, batch);
  CHECK(run.outcome == static_cast<int>(tapfd::FrameFault::kTooLong) && run.next == 4, "next %u", run.next);
  CHECK(TakenFrames().size() == 4, "%zu", TakenFrames().size());
  run = Write(io, batch, 5);
  CHECK(run.outcome == 0 && run.next == 9 && TakenFrames().size() == 8, "next %u", run.next);
  Forget();
  // Spans that JavaScript has changed to point outside the memory.
  batch.spans[2] = 0xfffffff0;
  CHECK(Write(io, batch).next == 1, "a span out of the memory");
  batch.spans[2] = 0;
  batch.spans[3] = 0xffffffff;
  CHECK(Write(io, batch).next == 1, "a span longer than the memory");
  Forget();
}

// Batches with spans that JavaScript has changed, for a kernel in any state: every frame is accepted, lost or
// refused exactly once.
void CheckRandomWrites(Random& random) {
  uint64_t waits = 0, faults = 0, joined = 0;
  for (int round = 0; round < 3000; ++round) {
    SegmentIo io(true, random.OneIn(2));
    std::vector<Bytes> frames = TwoFlows(random.Between(1, 300));
    Packed batch(frames);
    for (uint32_t i = random.Below(4); i > 0; --i) {
      uint32_t& field = batch.spans[random.Below(static_cast<uint32_t>(batch.spans.size()))];
      field = random.OneIn(2) ? random.Below(static_cast<uint32_t>(batch.bytes))
                              : static_cast<uint32_t>(random.Next());
    }
    answer = [&](const Bytes& written) {
      if (IsJoined(written)) {
        ++joined;
        if (random.OneIn(200)) return random.OneIn(2) ? EINVAL : EMSGSIZE;
      }
      if (random.OneIn(100)) return static_cast<int>(random.Between(12, 40));
      return !random.OneIn(10) ? 0 : random.OneIn(2) ? EAGAIN : random.OneIn(2) ? ENOBUFS : EIO;
    };
    uint32_t refused = 0, lost = 0, accepted = 0;
    uint64_t bytes = 0;
    FrameRun run;
    for (int turn = 0; run.next < batch.count(); ++turn) {
      CHECK(turn < 10000, "no end");
      run = Write(io, batch, run.next);
      lost += run.losses.frames();
      bytes += run.bytes;
      accepted += run.frames;
      if (run.outcome > 0) {
        ++refused;
        ++run.next;
      } else {
        CHECK(run.outcome == 0 || run.outcome == -EAGAIN, "outcome %d", run.outcome);
        waits += run.outcome == -EAGAIN;
      }
    }
    std::vector<Bytes> got = TakenFrames();
    CHECK(got.size() + refused + lost == batch.count(), "%zu taken, %u refused, %u lost of %u", got.size(),
          refused, lost, batch.count());
    CHECK(got.size() == accepted, "%u frames told, %zu taken", accepted, got.size());
    CHECK(BytesOf(got) == bytes, "%lu bytes told, %lu taken", bytes, BytesOf(got));
    faults += refused;
    Forget();
  }
  CHECK(waits > 1000 && faults > 1000 && joined > 1000, "%lu waits, %lu faults, %lu joined", waits, faults,
        joined);
}

}  // namespace

int main() {
  CheckJoinedWrites();
  CheckRefusedJoin();
  CheckLost();
  CheckRefusedFrame();
  Random random(7);
  CheckRandomWrites(random);
  std::printf("writes\n");
}
