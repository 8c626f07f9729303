// FrameQueue's frames: reading bursts and batches, writing frames and batches.

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <memory>

#include "node/addon_state.h"
#include "node/queue/queue.h"
#include "sys/freed_memory.h"

namespace tapfd {

namespace {

// For callbacks from the event loop, where no JavaScript could catch the exception.
void ReportException(Napi::Env env) {
  if (!env.IsExceptionPending()) return;
  napi_fatal_exception(env, env.GetAndClearPendingException().Value());
}

// src/frames/slab.ts MAX_SLAB_BYTES: slabs come and go by the thousand each second.
constexpr size_t kBusySlabBytes = 256 * 1024;

}  // namespace

void FrameQueue::UseBurstMemory(const Napi::CallbackInfo& info) {
  BurstMemory& bursts = StateOf(info.Env()).bursts;
  bursts.take_slab = Napi::Persistent(info[0].As<Napi::Function>());
  auto spans = info[1].As<Napi::Uint32Array>();
  bursts.spans_array = Napi::Persistent(info[1]);
  bursts.spans = spans.Data();
  bursts.spans_capacity = static_cast<uint32_t>(spans.ElementLength() / 2);
  bursts.spill = std::make_unique<uint8_t[]>(kSpillBytes);
}

void FrameQueue::UseOwnMemory(const Napi::CallbackInfo& info) {
  own_slab_.Reset();
  own_spans_.Reset();
  if (info[0].IsUndefined()) return;
  own_slab_ = Napi::Persistent(info[0]);
  own_spans_ = Napi::Persistent(info[1]);
}

void FrameQueue::DeliverWritable() {
  awaiting_writable_ = false;
  on_writable_.MakeCallback(Value(), std::initializer_list<napi_value>{}, *context_);
  ReportException(Env());
}

// Looks up the current slab's memory again, because JavaScript may have detached it, and takes a new slab if
// there is no room for a frame.
bool FrameQueue::RefreshSlab() {
  BurstMemory& bursts = StateOf(Env()).bursts;
  // The rest of a super-frame may have been read under an earlier MTU, or have longer frames than the MTU.
  size_t room = std::max<size_t>(rules_.room(), segment_ ? segment_->pending_room() : 0);
  void* data = nullptr;
  size_t size = 0;
  if (!bursts.slab_buffer.IsEmpty()) {
    napi_get_buffer_info(Env(), bursts.slab_buffer.Value(), &data, &size);
    bursts.slab.data = static_cast<uint8_t*>(data);
    bursts.slab.size = size;
    if (bursts.slab.used < size && bursts.slab.left() >= room) return true;
  }
  Napi::Value fresh = bursts.take_slab.Call({Napi::Number::New(Env(), static_cast<double>(room))});
  if (fresh.IsEmpty() || napi_get_buffer_info(Env(), fresh, &data, &size) != napi_ok) return false;
  bursts.slab_buffer = Napi::Persistent(fresh);
  bursts.slab = Slab{static_cast<uint8_t*>(data), size, 0};
  if (size >= kBusySlabBytes) KeepFreedMemory();
  return size >= room;
}

void FrameQueue::DeliverBurst() {
  BurstMemory& bursts = StateOf(Env()).bursts;
  if (!own_slab_.IsEmpty()) {
    DeliverBatch(bursts.spill.get());
    return;
  }
  if (!RefreshSlab()) {
    ReportException(Env());
    return;
  }
  uint32_t limit = std::min(burst_limit_, bursts.spans_capacity);
  Burst burst = ReadFrames(bursts.slab, rules_.room(), limit, bursts.spans, bursts.spill.get());
  if (burst.count == 0 && burst.error == 0 && !(segment_ && segment_->has_faults())) return;
  Deliver(bursts.slab_buffer.Value(), bursts.spans_array.Value(), burst.count,
          SpilledFrame(burst, bursts.slab, bursts.spans, bursts.spill.get()), burst.error);
}

// Reads a batch into the batch reader's own memory, from its beginning. JavaScript stops the reading while it
// uses the batch.
void FrameQueue::DeliverBatch(uint8_t* spill) {
  void* slab = nullptr;
  void* spans = nullptr;
  size_t slab_bytes = 0, spans_bytes = 0;
  napi_get_buffer_info(Env(), own_slab_.Value(), &slab, &slab_bytes);
  napi_get_buffer_info(Env(), own_spans_.Value(), &spans, &spans_bytes);
  Slab memory{static_cast<uint8_t*>(slab), slab_bytes, 0};
  auto limit = static_cast<uint32_t>(spans_bytes / (2 * sizeof(uint32_t)));
  auto* pairs = static_cast<uint32_t*>(spans);
  if (slab_bytes == 0 || limit == 0) {  // detached by JavaScript
    DeliverError(EFAULT);
    return;
  }
  Burst burst = ReadFrames(memory, std::min<size_t>(rules_.room(), slab_bytes), limit, pairs, spill);
  if (burst.count == 0 && burst.error == 0 && !(segment_ && segment_->has_faults())) return;
  Deliver(own_slab_.Value(), own_spans_.Value(), burst.count, SpilledFrame(burst, memory, pairs, spill),
          burst.error);
}

Burst FrameQueue::ReadFrames(Slab& slab, size_t room, uint32_t limit, uint32_t* spans, uint8_t* spill) {
  if (segment_) return segment_->Read(channel_, slab, room, limit, spans);
  return ReadBurst(channel_, slab, room, limit, spans, spill);
}

// The last frame of a burst in separate memory if it did not fit in the slab, else undefined.
Napi::Value FrameQueue::SpilledFrame(const Burst& burst, const Slab& slab, const uint32_t* spans,
                                     const uint8_t* spill) {
  if (burst.spilled == 0) return Env().Undefined();
  const uint32_t* span = &spans[2 * (burst.count - 1)];
  auto whole = Napi::Buffer<uint8_t>::New(Env(), span[1] + burst.spilled);
  std::copy_n(slab.data + span[0], span[1], whole.Data());
  std::copy_n(spill, burst.spilled, whole.Data() + span[1]);
  return whole;
}

void FrameQueue::DeliverError(int error) {
  napi_value none = Env().Undefined();
  Deliver(none, none, 0, none, error);
}

void FrameQueue::Deliver(napi_value slab, napi_value spans, uint32_t count, napi_value last, int error) {
  uint32_t faults = segment_ ? segment_->TakeFaults() : 0;
  on_burst_.MakeCallback(Value(),
                         {slab, spans, Napi::Number::New(Env(), count), last,
                          Napi::Number::New(Env(), -error), Napi::Number::New(Env(), faults)},
                         *context_);
  ReportException(Env());
}

Napi::Value FrameQueue::TakePending(const Napi::CallbackInfo& info) {
  Napi::Array frames = Napi::Array::New(info.Env());
  while (segment_ && segment_->pending()) {
    size_t bytes = segment_->pending_room();
    auto frame = Napi::Buffer<uint8_t>::New(info.Env(), bytes);
    if (frame.IsEmpty()) break;
    Slab slab{frame.Data(), bytes, 0};
    uint32_t span[2];
    segment_->Read(channel_, slab, bytes, 1, span);  // a waiting frame: nothing is read from the device
    frames.Set(frames.Length(), frame);
  }
  return frames;
}

int FrameQueue::Send(const uint8_t* frame, size_t length) {
  if (!fd_) return -EBADF;
  return segment_ ? segment_->Write(channel_, frame, length) : WriteFrame(channel_, frame, length);
}

// Called once per frame, so without InstanceMethod: finding the object behind `this` costs as much as all the
// rest of the call. Instead, the function has its queue as data, and keeps it alive.
napi_value FrameQueue::WriteOne(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr;
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, &data);
  auto* queue = static_cast<FrameQueue*>(data);
  size_t length = 0;
  napi_get_buffer_info(env, argument, &data, &length);
  auto* frame = static_cast<const uint8_t*>(data);
  int outcome = static_cast<int>(CheckFrame(queue->rules_, frame, length));
  if (outcome == 0) outcome = queue->Send(frame, length);
  napi_value result = nullptr;
  napi_create_int32(env, outcome, &result);
  return result;
}

// writeFrames(batch, slab, spans, first, end, report, accepted): returns the outcome of the first frame that
// was not accepted, 0 if all were; `report` gets its number, what was accepted, and the losses. `accepted`,
// if there is one with a byte for each frame, says which they were.
Napi::Value FrameQueue::WriteBatch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  void* slab = nullptr;
  void* spans = nullptr;
  void* report = nullptr;
  void* accepted = nullptr;
  size_t slab_bytes = 0, spans_bytes = 0, report_bytes = 0, accepted_bytes = 0;
  uint32_t number = info[0].As<Napi::Number>().Uint32Value();
  napi_get_buffer_info(env, info[1], &slab, &slab_bytes);
  napi_get_buffer_info(env, info[2], &spans, &spans_bytes);
  uint32_t first = info[3].As<Napi::Number>().Uint32Value();
  uint32_t end = info[4].As<Napi::Number>().Uint32Value();
  napi_get_buffer_info(env, info[5], &report, &report_bytes);
  if (!info[6].IsUndefined()) napi_get_buffer_info(env, info[6], &accepted, &accepted_bytes);
  end = std::min(end, static_cast<uint32_t>(spans_bytes / (2 * sizeof(uint32_t))));
  if (!fd_) return Napi::Number::New(env, -EBADF);
  auto* bytes = static_cast<const uint8_t*>(slab);
  auto* pairs = static_cast<const uint32_t*>(spans);
  auto* marks = accepted_bytes < end ? nullptr : static_cast<uint8_t*>(accepted);
  SegmentIo::Batch batch{number, bytes, slab_bytes, pairs, end};
  FrameRun run = segment_ ? segment_->WriteBatch(channel_, rules_, batch, first, marks)
                          : WriteFrames(channel_, rules_, bytes, slab_bytes, pairs, first, end, marks);
  // src/frames/queued-write.ts `report`
  if (report_bytes >= (4 + 3 * Losses::kMaxReasons) * sizeof(int32_t)) {
    auto* fields = static_cast<int32_t*>(report);
    *fields++ = static_cast<int32_t>(run.next);
    *fields++ = static_cast<int32_t>(run.frames);
    *fields++ = static_cast<int32_t>(run.bytes);
    *fields++ = static_cast<int32_t>(run.losses.count);
    for (uint32_t i = 0; i < run.losses.count; ++i) {
      *fields++ = run.losses.by_reason[i].reason;
      *fields++ = static_cast<int32_t>(run.losses.by_reason[i].frames);
      *fields++ = static_cast<int32_t>(run.losses.by_reason[i].first_bytes);
    }
  }
  return Napi::Number::New(env, run.outcome);
}

}  // namespace tapfd
