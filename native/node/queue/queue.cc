#include "node/queue/queue.h"

#include <algorithm>
#include <cerrno>
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

// The argument of the constructor, which JavaScript cannot call successfully.
struct QueueParts {
  Fd fd;
  std::optional<MadeLink> made_link;
  bool adopted;
};

// Removes the link that the open made, then closes the descriptor. Both may wait on RTNL.
Status CloseParts(const std::shared_ptr<Fd>& fd, const std::optional<MadeLink>& made_link) {
  Status removed = Done{};
  // If the link is gone, another may have its index; the descriptor, if still ours, tells.
  bool gone = fd && !GetInterface(fd->get()).ok();
  if (made_link && !gone) {
    removed =
        RunInNamespace(*made_link->ns, [&] { return RemoveMadeLink(made_link->index, made_link->lower); });
  }
  if (fd) fd->Close();
  return removed;
}

// Closes in any case: if the environment ends before a pool thread runs it, the destructor does.
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

}  // namespace

void FrameQueue::Register(Napi::Env env, Napi::Object exports) {
  Napi::Function constructor =
      DefineClass(env, "FrameQueue",
                  {
                      InstanceAccessor<&FrameQueue::GetFd>("fd"),
                      InstanceAccessor<&FrameQueue::GetJoins>("joins"),
                      InstanceMethod<&FrameQueue::OnBurst>("onBurst"),
                      InstanceMethod<&FrameQueue::OnWritable>("onWritable"),
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
  // If the environment is ending, the constructor may not even have run.
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
  // Two owners of one number would read each other's frames, and the second to close it would close an
  // unrelated file.
  bool owned = std::any_of(queues_->begin(), queues_->end(),
                           [number](FrameQueue* other) { return other->fd_ && other->fd_->get() == number; });
  if (owned) {
    parts->fd.Release();
    Failure failure =
        Failure::Refused("ERR_TAPFD_INVALID_STATE", "descriptor " + std::to_string(number) +
                                                        " already belongs to a device of this thread");
    FailureToError(Env(), failure).ThrowAsJavaScriptException();
    return;
  }
  queues_->insert(this);
  fd_ = std::make_shared<Fd>(std::move(parts->fd));
  made_link_ = std::move(parts->made_link);
  channel_.fd = fd_->get();
  channel_.shared = parts->adopted;
  context_.emplace(Env(), "TAPFD");
  Status opened = poll_.Open(Env(), fd_->get(), this);
  if (!opened.ok()) {
    // EEXIST: another handle of this loop polls the same number. This happens only to an adopted one.
    if (parts->adopted) fd_->Release();
    FailureToError(Env(), opened.failure()).ThrowAsJavaScriptException();
    return;
  }
  napi_value write = nullptr;
  napi_create_function(Env(), "write", NAPI_AUTO_LENGTH, WriteOne, this, &write);
  napi_set_named_property(Env(), write, "queue", Value());
  napi_set_named_property(Env(), Value(), "write", write);
}

FrameQueue::~FrameQueue() {
  if (queues_) queues_->erase(this);
  StopPolling();
  if (!fd_ && !made_link_) return;
  // A garbage collection must not wait on RTNL.
  async_calls_->CloseInBackground(Closing(std::move(fd_), std::move(made_link_)));
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
  if (!poll_.is_open()) return;
  reading_ = false;
  awaiting_writable_ = false;
  Hold(false);
  poll_.Close();
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

Status FrameQueue::UpdatePolling() {
  // In a callback, JavaScript often stops and restarts reading: only the final state matters, and each change
  // costs the loop an epoll_ctl(2).
  if (!poll_.is_open() || in_callback_) return Done{};
  // While OnTurn() is active it reads instead of OnPoll(), so that a turn of the loop brings one burst and
  // not two. It stops itself in the turn after the last waiting frame.
  if (HasPending()) {
    poll_.RunEveryTurn(true);
  } else if (!reading_) {
    poll_.RunEveryTurn(false);
  }
  unsigned events = (reading_ ? PollHandle::kReadable : 0) | (awaiting_writable_ ? PollHandle::kWritable : 0);
  Hold(events != 0);
  return poll_.Watch(events);
}

Napi::Value FrameQueue::GetJoins(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), segment_ && !segment_->joins_refused());
}

Napi::Value FrameQueue::GetFd(const Napi::CallbackInfo& info) {
  channel_.shared = true;
  return Napi::Number::New(info.Env(), fd_ ? fd_->get() : -1);
}

void FrameQueue::OnBurst(const Napi::CallbackInfo& info) {
  on_burst_ = Napi::Weak(info[0].As<Napi::Function>());
  burst_limit_ = info[1].As<Napi::Number>().Uint32Value();
}

void FrameQueue::OnWritable(const Napi::CallbackInfo& info) {
  on_writable_ = Napi::Weak(info[0].As<Napi::Function>());
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
  Status updated = UpdatePolling();
  if (!updated.ok()) FailureToError(info.Env(), updated.failure()).ThrowAsJavaScriptException();
}

void FrameQueue::StopReading(const Napi::CallbackInfo& info) {
  if (!reading_) return;
  reading_ = false;
  UpdatePolling();
}

void FrameQueue::AwaitWritable(const Napi::CallbackInfo& info) {
  awaiting_writable_ = true;
  Status updated = UpdatePolling();
  if (!updated.ok()) FailureToError(info.Env(), updated.failure()).ThrowAsJavaScriptException();
}

void FrameQueue::RefLoop(const Napi::CallbackInfo& info) {
  poll_.Ref();
}

void FrameQueue::UnrefLoop(const Napi::CallbackInfo& info) {
  poll_.Unref();
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

void FrameQueue::OnPoll(int error, unsigned events) {
  Napi::HandleScope scope(Env());
  // JavaScript may drop or close the queue in a callback: this keeps the object until the end of the call.
  [[maybe_unused]] Napi::Object self = Value();
  if (error != 0) {
    // POLLERR: tun raises it when the device is gone.
    reading_ = awaiting_writable_ = false;
    UpdatePolling();
    DeliverError(error == EBADF ? EBADFD : error);
    return;
  }
  bool readable = (events & PollHandle::kReadable) != 0 && !poll_.runs_every_turn();
  in_callback_ = true;
  if ((events & PollHandle::kWritable) != 0 && awaiting_writable_) DeliverWritable();
  if (readable && reading_) DeliverBurst();
  in_callback_ = false;
  UpdatePolling();
}

void FrameQueue::OnTurn() {
  if (!HasPending()) {
    poll_.RunEveryTurn(false);
    return;
  }
  Napi::HandleScope scope(Env());
  [[maybe_unused]] Napi::Object self = Value();
  in_callback_ = true;
  DeliverBurst();
  in_callback_ = false;
  UpdatePolling();
}

void RegisterQueue(Napi::Env env, Napi::Object exports) {
  FrameQueue::Register(env, exports);
}

}  // namespace tapfd
