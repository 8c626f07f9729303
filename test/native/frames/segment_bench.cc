// The cost of splitting and joining: CPU nanoseconds per frame, the best of many rounds. Prints, and checks
// nothing.

#include <sys/mman.h>

#include <algorithm>
#include <ctime>
#include <memory>

#include "coalesce_oracle.h"
#include "frames/coalesce.h"
#include "frames/segment.h"

using tapfd::VnetHeader;

namespace {

constexpr int kRounds = 300;

double CpuNow() {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

struct Spread {
  double best, median;
};

// `work` returns the number of frames it did.
template <typename Work>
Spread Measure(Work work) {
  std::vector<double> each;
  for (int round = 0; round < kRounds; ++round) {
    double start = CpuNow();
    uint32_t frames = work();
    each.push_back((CpuNow() - start) / frames);
  }
  std::sort(each.begin(), each.end());
  return {each.front(), each[each.size() / 2]};
}

void Print(const char* what, const FrameSpec& spec, size_t payload, Spread spread) {
  std::printf("%-34s IPv%d %s %5zu B: %6.1f ns a frame (median %6.1f)\n", what, spec.version,
              spec.protocol == 6 ? "TCP" : "UDP", payload, spread.best, spread.median);
}

// Into a slab of 2 MiB that is reused (`warm`: its first part only), as for batches.
void BenchSegment(const FrameSpec& spec, uint16_t segment_bytes, size_t slab_bytes, const char* what) {
  Random random(1);
  SpecOffsets at = OffsetsOf(spec);
  Bytes payload = RandomBytes(random, (65535 - at.payload) / segment_bytes * segment_bytes);
  Bytes frame = BuildFrame(spec, payload.data(), payload.size(), true);
  VnetHeader header;
  header.flags = VnetHeader::kNeedsChecksum;
  header.gso_type = spec.protocol == 17 ? VnetHeader::kGsoUdp
                    : spec.version == 4 ? VnetHeader::kGsoTcpV4
                                        : VnetHeader::kGsoTcpV6;
  header.gso_size = segment_bytes;
  header.checksum_start = static_cast<uint16_t>(at.transport);
  header.checksum_offset = spec.protocol == 6 ? 16 : 6;

  Bytes memory(slab_bytes);
  std::vector<uint32_t> spans(8192);
  tapfd::Segmenter segmenter;
  tapfd::Slab slab{memory.data(), memory.size(), 0};
  Print(what, spec, segment_bytes, Measure([&] {
          uint32_t count = 0;
          for (int i = 0; i < 32; ++i) {
            if (slab.left() < 2 * 65536) slab.used = 0;
            segmenter.Begin(header, frame.data(), frame.size(), spec.ethernet);
            while (!segmenter.done()) count += segmenter.Emit(slab, spans.data(), 4096);
          }
          return count;
        }));
}

void BenchComplete(const FrameSpec& spec, size_t payload_bytes) {
  Random random(1);
  Bytes payload = RandomBytes(random, payload_bytes);
  Bytes frame = BuildFrame(spec, payload.data(), payload.size(), true);
  VnetHeader header;
  header.flags = VnetHeader::kNeedsChecksum;
  header.checksum_start = static_cast<uint16_t>(OffsetsOf(spec).transport);
  header.checksum_offset = spec.protocol == 6 ? 16 : 6;
  Print("checksum completed in place", spec, payload_bytes, Measure([&] {
          for (int i = 0; i < 1000; ++i) tapfd::CompleteChecksum(header, frame.data(), frame.size());
          return 1000U;
        }));
}

// `flows` in turn: 1 joins neighbours, 256 joins nothing.
void BenchCoalesce(FrameSpec spec, size_t payload_bytes, uint32_t flows, const char* what) {
  Random random(1);
  Bytes payload = RandomBytes(random, payload_bytes);
  std::vector<Bytes> frames;
  uint16_t port = spec.source_port;
  for (uint32_t i = 0; i < 256; ++i) {
    spec.source_port = static_cast<uint16_t>(port + i % flows);
    frames.push_back(BuildFrame(spec, payload.data(), payload.size()));
    if (i % flows != flows - 1) continue;
    spec.sequence += static_cast<uint32_t>(payload_bytes);
    spec.id += 1;
  }
  Batch batch(frames);
  tapfd::Coalescer coalescer(256);
  tapfd::CoalesceRules rules{spec.ethernet, true};
  uint32_t units = 0;
  Spread spread = Measure([&] {
    units = coalescer.Plan(rules, batch.parts(), batch.count()).count;
    return batch.count();
  });
  Print(what, spec, payload_bytes, spread);
  std::printf("%36s %u frames in %u writes\n", "", batch.count(), units);
}

}  // namespace

int main() {
  for (int version : {4, 6}) {
    for (int protocol : {6, 17}) {
      FrameSpec spec;
      spec.version = version;
      spec.protocol = protocol;
      if (protocol == 6) spec.tcp_options = Bytes(12, 1);
      if (version == 6) {
        spec.source = Bytes(16, 0x20);
        spec.destination = Bytes(16, 0x21);
      }
      BenchSegment(spec, 1428, 256 * 1024, "cut, slab in the cache");
      BenchSegment(spec, 1428, 64 << 20, "cut, slab of 64 MiB");
      BenchSegment(spec, 64, 256 * 1024, "cut, slab in the cache");
      BenchComplete(spec, 1428);
      BenchCoalesce(spec, 1428, 1, "join, one flow");
      BenchCoalesce(spec, 1428, 16, "join, 16 flows in turn");
      BenchCoalesce(spec, 1428, 256, "nothing to join, 256 flows");
      BenchCoalesce(spec, 64, 1, "join, one flow");
      BenchCoalesce(spec, 64, 256, "nothing to join, 256 flows");
    }
  }
}
