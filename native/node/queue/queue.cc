#include "node/queue/queue.h"

#include <algorithm>
#include <utility>

#include "devices/open_macvtap.h"
#include "devices/tun_ioctl.h"
#include "node/addon_state.h"
#include "node/arguments.h"
#include "node/async.h"
#include "node/links.h"
#include "node/namespace.h"

namespace tapfd {

namespace {

// Handed to the constructor, which only native code may call with meaning.
struct QueueParts {
  Fd fd;
  std::optional<MadeLink> made_link;
  bool adopted;
};

// What closing takes: the link that the open made goes first, then the descriptor. Both may wait on RTNL.
Status CloseParts(const std::shared_ptr<Fd>& fd, const std::optional<MadeLink>& made_link) {
  Status removed = Done{};
  // A link that is gone may have left its index to a stranger; the descriptor, if it is still ours, tells.
  bool gone = fd && !GetInterface(fd->get()).ok();
  if (made_link && !gone) {
    removed =
        RunInNamespace(*made_link->ns, [&] { return RemoveMadeLink(made_link->index, made_link->lower); });
  }
  if (fd) fd->Close();
  return removed;
}

// A closing that is done in any case: when the environment ends before a pool thread takes it up, by the
// destructor.
class Closing {
 public:
  Closing(std::shared_ptr<Fd> fd, std::optional<MadeLink> made_link)
      : fd_(std::move(fd)), made_link_(std::move(made_link)) {}
  Closing(Closing&& other) noexcept
      : fd_(std::move(other.fd_)), made_link_(std::exchange(other.made_link_, std::nullopt)) {}
  Closing& operator=(Closing&&) = delete;
  ~Closing() {
    if (fd_ || made_link_) Run();
  }
  Status Run() {
    std::shared_ptr<Fd> fd = std::move(fd_);
    return CloseParts(fd, std::exchange(made_link_, std::nullopt));
  }

 private:
  std::shared_ptr<Fd> fd_;
  std::optional<MadeLink> made_link_;
};

void OnRestClosed(uv_handle_t* handle) {
  auto* poll = static_cast<QueuePoll*>(handle->data);
  napi_remove_async_cleanup_hook(poll->cleanup);
  delete poll;
}

void OnPollClosed(uv_handle_t* handle) {
  auto* poll = static_cast<QueuePoll*>(handle->data);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll->rest), OnRestClosed);
}

}  // namespace

void FrameQueue::Register(Napi::Env env, Napi::Object exports) {
  Napi::Function constructor =
      DefineClass(env, "FrameQueue",
                  {
                      InstanceAccessor<&FrameQueue::GetFd>("fd"),
                      InstanceAccessor<&FrameQueue::GetJoins>("joins"),
                      InstanceMethod<&FrameQueue::Listen>("listen"),
                      InstanceMethod<&FrameQueue::SetRules>("setRules"),
                      InstanceMethod<&FrameQueue::StartReading>("startReading"),
                      InstanceMethod<&FrameQueue::StopReading>("stopReading"),
                      InstanceMethod<&FrameQueue::WriteBatch>("writeFrames"),
                      InstanceMethod<&FrameQueue::UseOwnMemory>("useOwnMemory"),
                      InstanceMethod<&FrameQueue::AwaitWritable>("awaitWritable"),
                      InstanceMethod<&FrameQueue::RefLoop>("ref"),
                      InstanceMethod<&FrameQueue::UnrefLoop>("unref"),
                      InstanceMethod<&FrameQueue::Release>("release"),
                      InstanceMethod<&FrameQueue::TakePending>("takePending"),
                      InstanceMethod<&FrameQueue::KeepLink>("keepLink"),
                      InstanceMethod<&FrameQueue::CloseAsync>("close"),
                      InstanceMethod<&FrameQueue::GetInterfaceOf>("getInterface"),
                      InstanceMethod<&FrameQueue::GetMacOf>("getMac"),
                      InstanceMethod<&FrameQueue::GetNamespaceOf>("getNamespace"),
                      InstanceMethod<&FrameQueue::FindOtherQueuesOf>("findOtherQueues"),
                      InstanceMethod<&FrameQueue::SetMacOf>("setMac"),
                      InstanceMethod<&FrameQueue::SetPersistOf>("setPersist"),
                      InstanceMethod<&FrameQueue::SetOwnerOf>("setOwner"),
                      InstanceMethod<&FrameQueue::SetGroupOf>("setGroup"),
                      InstanceMethod<&FrameQueue::SetCarrierOf>("setCarrier"),
                      InstanceMethod<&FrameQueue::SetOffloadOf>("setOffload"),
                      InstanceMethod<&FrameQueue::SetSendBufferOf>("setSendBuffer"),
                      InstanceMethod<&FrameQueue::SetVnetHeaderBytesOf>("setVnetHeaderBytes"),
                      InstanceMethod<&FrameQueue::SetTxFilterOf>("setTxFilter"),
                      InstanceMethod<&FrameQueue::SetAttachedOf>("setAttached"),
                      InstanceMethod<&FrameQueue::SetSteeringProgramOf>("setSteeringProgram"),
                      InstanceMethod<&FrameQueue::SetFilterProgramOf>("setFilterProgram"),
                  });
  StateOf(env).frame_queue = Napi::Persistent(constructor);
  exports.Set("useBurstMemory", Napi::Function::New(env, UseBurstMemory, "useBurstMemory"));
}

Napi::Object FrameQueue::Make(Napi::Env env, Fd fd, std::optional<MadeLink> made_link, bool adopted) {
  QueueParts parts{std::move(fd), std::move(made_link), adopted};
  Napi::Object queue = StateOf(env).frame_queue.New({Napi::External<QueueParts>::New(env, &parts)});
  // Where the environment is ending, the constructor may not even have run.
  if (adopted) parts.fd.Release();
  return queue;
}

FrameQueue::FrameQueue(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FrameQueue>(info) {
  if (!info[0].IsExternal()) {
    Napi::TypeError::New(Env(), "FrameQueue is made by opening a device").ThrowAsJavaScriptException();
    return;
  }
  auto* parts = info[0].As<Napi::External<QueueParts>>().Data();
  queues_ = StateOf(Env()).queues;
  async_calls_ = AsyncCallsOf(Env());
  int number = parts->fd.get();
  // Two owners of one number would read each other's frames, and the second to close it would close a
  // stranger's file.
  bool owned = std::any_of(queues_->begin(), queues_->end(),
                           [number](FrameQueue* other) { return other->fd_ && other->fd_->get() == number; });
  if (owned) {
    parts->fd.Release();
    Failure failure = Failure::Refused("ERR_TAPFD_INVALID_STATE", "descriptor " + std::to_string(number) +
                                                                      " is a device of this thread already");
    FailureToError(Env(), failure).ThrowAsJavaScriptException();
    return;
  }
  queues_->insert(this);
  fd_ = std::make_shared<Fd>(std::move(parts->fd));
  made_link_ = std::move(parts->made_link);
  channel_.fd = fd_->get();
  channel_.shared = parts->adopted;
  context_.emplace(Env(), "TAPFD");
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(Env(), &loop);
  auto poll = std::make_unique<QueuePoll>();
  int error = uv_poll_init(loop, &poll->handle, fd_->get());
  if (error != 0) {
    // EEXIST: another handle of this loop polls this very number. That one can only be adopted.
    if (parts->adopted) fd_->Release();
    FailureToError(Env(), Failure::FromError(-error, "epoll_ctl")).ThrowAsJavaScriptException();
    return;
  }
  napi_value write = nullptr;
  napi_create_function(Env(), "write", NAPI_AUTO_LENGTH, WriteOne, this, &write);
  napi_set_named_property(Env(), write, "queue", Value());
  napi_set_named_property(Env(), Value(), "write", write);
  poll_ = poll.release();
  poll_->queue = this;
  poll_->handle.data = poll_;
  uv_idle_init(loop, &poll_->rest);
  uv_unref(reinterpret_cast<uv_handle_t*>(&poll_->rest));
  poll_->rest.data = poll_;
  napi_add_async_cleanup_hook(Env(), OnEnvironmentEnd, poll_, &poll_->cleanup);
}

FrameQueue::~FrameQueue() {
  if (queues_) queues_->erase(this);
  StopPolling();
  if (!fd_ && !made_link_) return;
  // On a thread of its own: a garbage collection must not wait on RTNL.
  auto closing = std::make_shared<Closing>(std::move(fd_), std::move(made_link_));
  async_calls_->RunApart([closing] { closing->Run(); });
}

void FrameQueue::OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* argument) {
  FrameQueue* queue = static_cast<QueuePoll*>(argument)->queue;
  // null: closing already; its close callback removes the hook.
  if (queue != nullptr) queue->StopPolling();
}

void FrameQueue::CloseAll(Napi::Env env) {
  for (FrameQueue* queue : *StateOf(env).queues) {
    queue->StopPolling();
    CloseParts(queue->fd_, queue->made_link_);
    queue->fd_.reset();
    queue->made_link_.reset();
  }
}

void FrameQueue::StopPolling() {
  if (poll_ == nullptr) return;
  QueuePoll* poll = std::exchange(poll_, nullptr);
  poll->queue = nullptr;
  reading_ = false;
  awaiting_writable_ = false;
  Hold(false);
  uv_idle_stop(&poll->rest);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll->handle), OnPollClosed);
}

void FrameQueue::Hold(bool hold) {
  if (hold == held_) return;
  held_ = hold;
  if (hold) {
    Ref();
    on_burst_.Ref();
    on_writable_.Ref();
  } else {
    on_writable_.Unref();
    on_burst_.Unref();
    Unref();
  }
}

int FrameQueue::UpdatePolling() {
  // In a callback JavaScript often stops and starts again: only how it leaves things matters, and each change
  // costs the loop an epoll_ctl(2).
  if (poll_ == nullptr || in_callback_) return 0;
  UpdateRest();
  int events = (reading_ ? UV_READABLE : 0) | (awaiting_writable_ ? UV_WRITABLE : 0);
  if (events == polled_events_) return 0;
  polled_events_ = events;
  Hold(events != 0);
  return events == 0 ? uv_poll_stop(&poll_->handle) : uv_poll_start(&poll_->handle, events, OnPoll);
}

// While it is active it reads in place of OnPoll, so that a turn of the loop brings one burst and not two: it
// stops by itself, in the turn after the last rest.
void FrameQueue::UpdateRest() {
  if (HasPending()) {
    uv_idle_start(&poll_->rest, OnRest);
  } else if (!reading_) {
    uv_idle_stop(&poll_->rest);
  }
}

Napi::Value FrameQueue::GetJoins(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), segment_ && !segment_->joins_refused());
}

Napi::Value FrameQueue::GetFd(const Napi::CallbackInfo& info) {
  channel_.shared = true;
  return Napi::Number::New(info.Env(), fd_ ? fd_->get() : -1);
}

void FrameQueue::Listen(const Napi::CallbackInfo& info) {
  on_burst_ = Napi::Weak(info[0].As<Napi::Function>());
  on_writable_ = Napi::Weak(info[1].As<Napi::Function>());
  burst_limit_ = info[2].As<Napi::Number>().Uint32Value();
}

void FrameQueue::SetRules(const Napi::CallbackInfo& info) {
  auto object = info[0].As<Napi::Object>();
  rules_.ethernet = BooleanIn(object, "ethernet").value_or(false);
  rules_.packet_info = BooleanIn(object, "packetInfo").value_or(false);
  rules_.vnet_header = NumberIn<uint32_t>(object, "vnetHeaderBytes").value_or(0);
  rules_.mtu = NumberIn<uint32_t>(object, "mtu").value_or(0);
  rules_.super_frames = BooleanIn(object, "superFrames").value_or(false);
  channel_.down = BooleanIn(object, "down").value_or(false);
  std::optional<MacAddress> source = MacFrom(ValueIn(object, "sourceMac"));
  bool segment = BooleanIn(object, "segment").value_or(false);
  bool joins_udp = BooleanIn(object, "joinsUdp").value_or(false);
  if (segment && !segment_) segment_ = std::make_unique<SegmentIo>(rules_.ethernet, joins_udp);
  if (segment) segment_->JoinUdp(joins_udp);
  rules_.check_source = source.has_value();
  if (source) rules_.mac = *source;
}

void FrameQueue::StartReading(const Napi::CallbackInfo& info) {
  if (reading_) return;
  reading_ = true;
  int error = UpdatePolling();
  if (error != 0)
    FailureToError(info.Env(), Failure::FromError(-error, "epoll_ctl")).ThrowAsJavaScriptException();
}

void FrameQueue::StopReading(const Napi::CallbackInfo& info) {
  if (!reading_) return;
  reading_ = false;
  UpdatePolling();
}

void FrameQueue::AwaitWritable(const Napi::CallbackInfo& info) {
  awaiting_writable_ = true;
  int error = UpdatePolling();
  if (error != 0)
    FailureToError(info.Env(), Failure::FromError(-error, "epoll_ctl")).ThrowAsJavaScriptException();
}

void FrameQueue::RefLoop(const Napi::CallbackInfo& info) {
  if (poll_ != nullptr) uv_ref(reinterpret_cast<uv_handle_t*>(&poll_->handle));
}

void FrameQueue::UnrefLoop(const Napi::CallbackInfo& info) {
  if (poll_ != nullptr) uv_unref(reinterpret_cast<uv_handle_t*>(&poll_->handle));
}

Napi::Value FrameQueue::Release(const Napi::CallbackInfo& info) {
  StopPolling();
  int fd = fd_ ? fd_->Release() : -1;
  fd_.reset();
  HoldForLink(made_link_.has_value());
  return Napi::Number::New(info.Env(), fd);
}

void FrameQueue::HoldForLink(bool hold) {
  if (hold == held_for_link_) return;
  held_for_link_ = hold;
  if (hold) {
    Ref();
  } else {
    Unref();
  }
}

void FrameQueue::KeepLink(const Napi::CallbackInfo& info) {
  made_link_.reset();
  HoldForLink(false);
}

Napi::Value FrameQueue::CloseAsync(const Napi::CallbackInfo& info) {
  StopPolling();
  HoldForLink(false);
  Closing closing(std::move(fd_), std::exchange(made_link_, std::nullopt));
  return RunAsync(info.Env(), [closing = std::move(closing)]() mutable { return closing.Run(); });
}

void FrameQueue::OnPoll(uv_poll_t* handle, int status, int events) {
  auto* poll = static_cast<QueuePoll*>(handle->data);
  FrameQueue* queue = poll->queue;
  Napi::Env env = queue->Env();
  Napi::HandleScope scope(env);
  // JavaScript may drop or close the queue in a callback: this keeps the object until we are through.
  [[maybe_unused]] Napi::Object self = queue->Value();
  if (status < 0) {
    // libuv stops at POLLERR, which tun raises when the device is gone, and calls it UV_EBADF.
    queue->reading_ = queue->awaiting_writable_ = false;
    queue->UpdatePolling();
    queue->Deliver(0, env.Undefined(), status == UV_EBADF ? EBADFD : -status);
    return;
  }
  bool readable =
      (events & UV_READABLE) != 0 && uv_is_active(reinterpret_cast<uv_handle_t*>(&poll->rest)) == 0;
  queue->in_callback_ = true;
  if ((events & UV_WRITABLE) != 0 && queue->awaiting_writable_) queue->DeliverWritable();
  if (readable && queue->reading_) queue->DeliverBurst();
  queue->in_callback_ = false;
  queue->UpdatePolling();
}

void FrameQueue::OnRest(uv_idle_t* handle) {
  FrameQueue* queue = static_cast<QueuePoll*>(handle->data)->queue;
  if (!queue->HasPending()) {
    uv_idle_stop(handle);
    return;
  }
  Napi::HandleScope scope(queue->Env());
  [[maybe_unused]] Napi::Object self = queue->Value();
  queue->in_callback_ = true;
  queue->DeliverBurst();
  queue->in_callback_ = false;
  queue->UpdatePolling();
}

void RegisterQueue(Napi::Env env, Napi::Object exports) {
  FrameQueue::Register(env, exports);
}

}  // namespace tapfd
