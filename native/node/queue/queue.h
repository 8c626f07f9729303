// One open descriptor for JavaScript: polling, bursts, writes, ioctls, and closing.

#ifndef TAPFD_NODE_QUEUE_QUEUE_H_
#define TAPFD_NODE_QUEUE_QUEUE_H_

#include <napi.h>

#include <memory>
#include <optional>
#include <set>

#include "devices/open_tap.h"
#include "frames/io.h"
#include "frames/segment_io.h"
#include "node/async.h"
#include "node/poll/callback.h"
#include "node/poll/handle.h"
#include "sys/fd.h"

namespace tapfd {

// What goes with an open queue until it is given up.
struct QueueParts {
  std::shared_ptr<Fd> fd;
  // A macvtap link that the open made: removed when its queue is closed, even after release(), unless it is
  // to be kept.
  std::unique_ptr<MadeLink> made_link;
  // Run when the queue is closed before keepChanges().
  OpenUndo undo;
};

// src/base/native-queue.ts `NativeQueue`. Lives on its environment's thread; pool threads use only the shared
// Fd.
//
// While it polls it keeps itself and its callbacks alive; otherwise JavaScript's garbage collector may take
// it, and its destructor closes the descriptor. close(), release(), the destructor and the environment's end
// share StopPolling(). A link that an open made is handled separately from polling: the link outlives a
// release(), and this object with it, because the descriptor's new owner needs the link.
class FrameQueue final : public Napi::ObjectWrap<FrameQueue>, private PollHandle::Listener {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  // If that fails, the descriptor is closed, unless it was adopted: then the caller still owns it.
  static Napi::Object Make(Napi::Env env, QueueParts parts, bool adopted);
  // Whether a queue of this environment has this number.
  static bool Owns(Napi::Env env, int fd);

  // The environment ends: closes every queue's descriptor and removes every link that an open made, now.
  static void CloseAll(Napi::Env env);

  explicit FrameQueue(const Napi::CallbackInfo& info);
  ~FrameQueue() override;

 private:
  Napi::Value GetFd(const Napi::CallbackInfo& info);
  Napi::Value GetJoins(const Napi::CallbackInfo& info);
  void OnBurst(const Napi::CallbackInfo& info);
  void OnWritable(const Napi::CallbackInfo& info);
  void SetRules(const Napi::CallbackInfo& info);
  void StartReading(const Napi::CallbackInfo& info);
  void StopReading(const Napi::CallbackInfo& info);
  void AwaitWritable(const Napi::CallbackInfo& info);
  void RefLoop(const Napi::CallbackInfo& info);
  void UnrefLoop(const Napi::CallbackInfo& info);
  Napi::Value Release(const Napi::CallbackInfo& info);
  void KeepLink(const Napi::CallbackInfo& info);
  void KeepChanges(const Napi::CallbackInfo& info);
  Napi::Value CloseAsync(const Napi::CallbackInfo& info);

  // frames.cc
  static void UseBurstMemory(const Napi::CallbackInfo& info);
  void UseOwnMemory(const Napi::CallbackInfo& info);
  Napi::Value TakePending(const Napi::CallbackInfo& info);
  static napi_value WriteOne(napi_env env, napi_callback_info info);
  Napi::Value WriteBatch(const Napi::CallbackInfo& info);

  // ioctl.cc
  Napi::Value GetInterfaceOf(const Napi::CallbackInfo& info);
  Napi::Value GetMacOf(const Napi::CallbackInfo& info);
  Napi::Value GetNamespaceOf(const Napi::CallbackInfo& info);
  Napi::Value FindOtherQueuesOf(const Napi::CallbackInfo& info);  // holders.cc
  Napi::Value SetMacOf(const Napi::CallbackInfo& info);
  Napi::Value SetPersistOf(const Napi::CallbackInfo& info);
  Napi::Value SetOwnerOf(const Napi::CallbackInfo& info);
  Napi::Value SetGroupOf(const Napi::CallbackInfo& info);
  Napi::Value SetCarrierOf(const Napi::CallbackInfo& info);
  Napi::Value SetOffloadOf(const Napi::CallbackInfo& info);
  Napi::Value SetSendBufferOf(const Napi::CallbackInfo& info);
  Napi::Value SetVnetHeaderBytesOf(const Napi::CallbackInfo& info);
  Napi::Value SetVnetHeaderOf(const Napi::CallbackInfo& info);
  Napi::Value SetTxFilterOf(const Napi::CallbackInfo& info);
  Napi::Value SetAttachedOf(const Napi::CallbackInfo& info);
  Napi::Value SetSteeringProgramOf(const Napi::CallbackInfo& info);
  Napi::Value SetFilterProgramOf(const Napi::CallbackInfo& info);

  // Runs `call(fd)` on the pool, with a share of the descriptor: it stays open until the call has returned.
  // Before close() and release(), src/descriptor/device-handle.ts waits for these calls.
  template <typename Call, typename Convert>
  Napi::Value OnPool(Call call, Convert convert);
  template <typename Call>
  Napi::Value OnPool(Call call);

  void OnPoll(int error, unsigned events) override;
  void OnTurn() override;
  void OnEnvironmentEnd() override { StopPolling(); }
  // Starts, changes or stops the polling as `reading_` and `awaiting_writable_` require.
  Status UpdatePolling();
  void StopPolling();
  QueueParts TakeParts();
  void Hold(bool hold);
  void HoldForLink(bool hold);
  bool HasPending() const { return reading_ && segment_ && segment_->pending(); }

  // frames.cc
  void DeliverWritable();
  void DeliverBurst();
  void DeliverBatch(uint8_t* spill);
  void Deliver(napi_value slab, napi_value spans, uint32_t count, napi_value last, int error);
  void DeliverError(int error);
  bool RefreshSlab();
  // Reads with or without splitting, as the queue is set up. The burst may hold frames or malformed
  // super-frames.
  Burst ReadFrames(Slab& slab, size_t room, uint32_t limit, uint32_t* spans, uint8_t* spill);
  Napi::Value SpilledFrame(const Burst& burst, const Slab& slab, const uint32_t* spans, const uint8_t* spill);
  int Send(const uint8_t* frame, size_t length);

  std::shared_ptr<Fd> fd_;
  Channel channel_;
  FrameRules rules_;
  std::unique_ptr<SegmentIo> segment_;  // if the library splits and joins
  uint32_t burst_limit_ = 64;
  // While frames of a super-frame are waiting, which epoll cannot know, every turn of the loop reads.
  PollHandle poll_;
  bool reading_ = false;
  bool awaiting_writable_ = false;
  bool held_ = false;
  bool held_for_link_ = false;
  bool in_callback_ = false;
  // While JavaScript reads batches.
  Napi::Reference<Napi::Value> own_slab_;
  Napi::Reference<Napi::Value> own_spans_;
  Napi::FunctionReference on_burst_;
  Napi::FunctionReference on_writable_;
  std::optional<CallbackContext> context_;
  std::unique_ptr<MadeLink> made_link_;
  OpenUndo undo_;
  // Shared: the last queues are destroyed after the environment's own state.
  std::shared_ptr<std::set<FrameQueue*>> queues_;
  std::shared_ptr<AsyncCalls> async_calls_;
};

// For a descriptor that FrameQueue::Owns().
Failure AlreadyOwned(int fd);

// useBurstMemory and the FrameQueue class.
void RegisterQueue(Napi::Env env, Napi::Object exports);

}  // namespace tapfd

#endif  // TAPFD_NODE_QUEUE_QUEUE_H_
