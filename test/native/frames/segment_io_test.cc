// native/frames/segment_io.h without a real descriptor: this file replaces read(2) and writev(2), delivers
// what a test has prepared, and answers writes like kernels that are full, refuse joined frames, or have lost
// the device.

#include "frames/segment_io.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>

#include "coalesce_oracle.h"
#include "random_spec.h"

using tapfd::Burst;
using tapfd::FrameRun;
using tapfd::SegmentIo;
using tapfd::VnetHeader;

namespace {

constexpr int kFd = 1000;  // no descriptor of this process

// What the kernel delivers; then EAGAIN.
std::deque<Bytes> to_read;
// What it has accepted, including vnet headers.
std::vector<Bytes> taken;
// Its answer to a write: 0, or an errno.
std::function<int(const Bytes&)> answer;
uint32_t writes = 0;

bool IsJoined(const Bytes& written) {
  return written[1] != VnetHeader::kGsoNone;
}

// The frames that a kernel would make of what it has accepted, with joined ones split again.
std::vector<Bytes> TakenFrames() {
  std::vector<Bytes> frames;
  for (const Bytes& written : taken) {
    VnetHeader header;
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

tapfd::FrameRules Rules() {
  tapfd::FrameRules rules;
  rules.mtu = 1500;
  return rules;
}

FrameRun Write(SegmentIo& io, const Packed& batch, uint32_t next = 0) {
  tapfd::Channel channel{kFd, false, true};
  return io.WriteBatch(channel, Rules(), batch.memory.get(), batch.bytes, batch.spans.data(), next,
                       batch.count());
}

// Two alternating flows, so that there is more than one unit, and a frame of no flow between them.
std::vector<Bytes> TwoFlows(uint32_t count) {
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

uint64_t BytesOf(const std::vector<Bytes>& frames) {
  uint64_t bytes = 0;
  for (const Bytes& frame : frames) bytes += frame.size();
  return bytes;
}

void Forget() {
  taken.clear();
  writes = 0;
}

// Each frame once and unchanged, whatever the order of units.
void CheckAllTaken(std::vector<Bytes> frames, const char* what) {
  std::vector<Bytes> got = TakenFrames();
  CHECK(got.size() == frames.size(), "%s: %zu frames in, %zu out", what, frames.size(), got.size());
  std::sort(got.begin(), got.end());
  std::sort(frames.begin(), frames.end());
  CHECK(got == frames, "%s: other frames", what);
}

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
  run = Write(io, batch, run.next);
  CHECK(run.outcome == 0 && run.next == 13 && run.bytes == BytesOf(frames), "full at write %u: then %d", nth,
        run.outcome);
  CheckAllTaken(frames, "full");
  Forget();
}

// A batch that is abandoned halfway, its memory gone, and another at the same address.
void CheckOtherMemory() {
  SegmentIo io(true, false);
  answer = [](const Bytes&) { return writes == 2 ? EAGAIN : 0; };
  auto first = std::make_unique<Packed>(TwoFlows(12));
  CHECK(Write(io, *first).outcome == -EAGAIN, "not full");
  first.reset();
  Forget();
  answer = [](const Bytes&) { return 0; };
  std::vector<Bytes> frames = TwoFlows(30);
  Packed second(frames);
  FrameRun run = Write(io, second);
  CHECK(run.outcome == 0 && run.next == 31, "outcome %d", run.outcome);
  CheckAllTaken(frames, "other memory");
  Forget();
}

// Whether frames were lost for this reason alone.
bool IsLoss(const FrameRun& run, int reason, uint32_t frames) {
  return run.losses.count == 1 && run.losses.by_reason[0].reason == reason && run.losses.frames() == frames;
}

// Losses are reported by number and without their bytes; the rest is written.
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
  CHECK(run.losses.by_reason[1].reason == -EINVAL && run.losses.by_reason[1].frames == 1,
        "the second reason");
  Forget();

  SegmentIo gone(true, false);
  answer = [](const Bytes&) { return EBADFD; };
  run = Write(gone, batch);
  CHECK(run.outcome == -EBADFD && run.next == 0, "outcome %d", run.outcome);
  CHECK(writes == 1, "%u writes to what is gone", writes);
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

Bytes SuperFrame(uint32_t payload_bytes, uint16_t segment_bytes) {
  FrameSpec spec;
  SpecOffsets at = OffsetsOf(spec);
  Bytes payload(payload_bytes, 7);
  VnetHeader header;
  header.flags = VnetHeader::kNeedsChecksum;
  header.gso_type = VnetHeader::kGsoTcpV4;
  header.gso_size = segment_bytes;
  header.checksum_start = static_cast<uint16_t>(at.transport);
  header.checksum_offset = 16;
  Bytes whole(sizeof header);
  std::memcpy(whole.data(), &header, sizeof header);
  Put(whole, BuildFrame(spec, payload.data(), payload.size(), true));
  return whole;
}

struct Reader {
  explicit Reader(SegmentIo& reading, size_t slab_bytes, uint32_t max_frames)
      : io(reading), limit(max_frames) {
    memory.reset(new uint8_t[slab_bytes]);
    slab = tapfd::Slab{memory.get(), slab_bytes, 0};
    spans.resize(2 * max_frames);
  }
  Burst Read() {
    tapfd::Channel channel{kFd, false, true};
    return io.Read(channel, slab, Rules().room(), limit, spans.data());
  }
  SegmentIo& io;
  uint32_t limit;
  std::unique_ptr<uint8_t[]> memory;
  tapfd::Slab slab;
  std::vector<uint32_t> spans;
};

void CheckMalformed() {
  SegmentIo io(true, false);
  Reader reader(io, 64 * 1024, 64);
  Bytes good = SuperFrame(2500, 1000);
  Bytes bad = good;
  bad[14 + 10 + 3] ^= 1;  // IPv4 total length
  to_read = {bad, good, Bytes(9), bad, good};
  Burst burst = reader.Read();
  CHECK(burst.count == 6 && burst.error == 0, "%u frames", burst.count);
  CHECK(io.has_faults() && io.TakeFaults() == 3 && !io.has_faults() && io.TakeFaults() == 0, "faults");
  // A flood of them ends the burst, as frames would.
  to_read.assign(200, bad);
  burst = reader.Read();
  CHECK(burst.count == 0 && io.TakeFaults() == 64 && to_read.size() == 136, "%zu left", to_read.size());
  to_read.clear();
}

void CheckPending() {
  SegmentIo io(true, false);
  // More segments than one burst may have.
  Reader few(io, 64 * 1024, 4);
  to_read = {SuperFrame(10000, 1000)};
  CHECK(few.Read().count == 4 && io.pending() && io.pending_room() == 1054, "%zu", io.pending_room());
  CHECK(few.Read().count == 4 && few.Read().count == 2 && !io.pending() && io.pending_room() == 0, "rest");

  // Segments longer than the MTU and than the space left: they wait for a slab with room.
  Reader small(io, 16 * 1024, 64);
  to_read = {SuperFrame(27000, 9000), SuperFrame(100, 1000)};
  CHECK(small.Read().count == 1 && io.pending() && io.pending_room() == 9054, "%zu", io.pending_room());
  CHECK(small.Read().count == 0 && io.pending(), "no room, and something was read");
  Reader fresh(io, io.pending_room(), 64);
  CHECK(fresh.Read().count == 1 && fresh.slab.left() < 8, "a slab of just that size");
  Reader last(io, 16 * 1024, 64);
  CHECK(last.Read().count == 2 && !io.pending(), "the rest");
}

// Super-frames with changed bytes, truncated, through slabs of any size: nothing is read past their end, and
// all reading ends.
void CheckRandomReads(Random& random) {
  SegmentIo io(true, false);
  uint64_t faults = 0, frames = 0;
  for (int round = 0; round < 20000; ++round) {
    for (uint32_t i = random.Between(1, 4); i > 0; --i) {
      Bytes frame = SuperFrame(random.Below(4000), static_cast<uint16_t>(random.Between(1, 3000)));
      for (uint32_t changes = random.Below(3); changes > 0; --changes) {
        frame[random.Below(64)] = static_cast<uint8_t>(random.Next());
      }
      if (random.OneIn(8)) frame.resize(random.Below(static_cast<uint32_t>(frame.size())));
      to_read.push_back(frame);
    }
    for (int turn = 0; !to_read.empty() || io.pending(); ++turn) {
      CHECK(turn < 100000, "no end");
      size_t room = Rules().room();
      size_t size = std::max(room, io.pending_room()) + random.Below(5000);
      Reader reader(io, size, random.Between(1, 64));
      Burst burst = reader.Read();
      CHECK(burst.count <= reader.limit && burst.error == 0, "%u frames", burst.count);
      for (uint32_t i = 0; i < burst.count; ++i) {
        CHECK(size_t{reader.spans[2 * i]} + reader.spans[2 * i + 1] <= reader.slab.used, "past the slab");
      }
      CHECK(reader.slab.used <= size, "past the slab");
      uint32_t new_faults = io.TakeFaults();
      // One whose frames are longer than the slab waits for another.
      CHECK(burst.count + new_faults > 0 || io.pending(), "nothing came of it");
      faults += new_faults;
      frames += burst.count;
    }
  }
  CHECK(faults > 1000 && frames > 10000, "%lu faults, %lu frames", faults, frames);
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
      return !random.OneIn(10) ? 0 : random.OneIn(2) ? EAGAIN : random.OneIn(2) ? ENOBUFS : EIO;
    };
    uint32_t refused = 0, lost = 0;
    uint64_t bytes = 0;
    FrameRun run;
    for (int turn = 0; run.next < batch.count(); ++turn) {
      CHECK(turn < 10000, "no end");
      run = Write(io, batch, run.next);
      lost += run.losses.frames();
      bytes += run.bytes;
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
    CHECK(BytesOf(got) == bytes, "%lu bytes told, %lu taken", bytes, BytesOf(got));
    faults += refused;
    Forget();
  }
  CHECK(waits > 1000 && faults > 1000 && joined > 1000, "%lu waits, %lu faults, %lu joined", waits, faults,
        joined);
}

}  // namespace

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

int main() {
  CheckJoinedWrites();
  CheckRefusedJoin();
  for (uint32_t nth = 1; nth <= 3; ++nth) CheckFullAt(nth, false);
  for (uint32_t nth = 1; nth <= 14; ++nth) CheckFullAt(nth, true);
  CheckOtherMemory();
  CheckLost();
  CheckRefusedFrame();
  CheckMalformed();
  CheckPending();
  Random random(7);
  CheckRandomReads(random);
  CheckRandomWrites(random);
  std::printf("reads and writes\n");
}
