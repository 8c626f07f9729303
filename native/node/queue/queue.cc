#include "node/queue/queue.h"

#include <fcntl.h>

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
struct NewQueue {
  QueueParts parts;
  bool adopted;
};

// Takes back what the open changed, removes the link that it made, and gives up this share of the descriptor.
// All of it may wait on RTNL. The last share closes it: a call on the pool has one, so the number is not
// another file's while the call uses it.
Status CloseParts(QueueParts& parts) {
  Status removed = Done{};
  if (parts.fd) parts.undo.Run(parts.fd->get());
  // If the link is gone, another may have its index; the descriptor, if still ours, tells.
  bool gone = parts.fd && !GetInterface(parts.fd->get()).ok();
  if (parts.made_link && !gone) removed = RemoveMadeLink(*parts.made_link);
  parts.made_link.reset();
  parts.fd.reset();
  return removed;
}

// Closes in any case: if the environment ends before a pool thread runs it, the destructor does.
class Closing {
 public:
  explicit Closing(QueueParts parts) : parts_(std::move(parts)) {}
  Closing(Closing&& other) noexcept = default;
  Closing& operator=(Closing&&) = delete;
  ~Closing() {
    if (parts_.fd || parts_.made_link) Run();
  }
  Status Run() { return CloseParts(parts_); }

 private:
  QueueParts parts_;
};

}  // namespace

Failure AlreadyOwned(int fd) {
  return Failure::Refused("ERR_TAPFD_INVALID_STATE",
                          "descriptor " + std::to_string(fd) + " already belongs to a device of this thread");
}

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
                      InstanceMethod<&FrameQueue::KeepChanges>("keepChanges"),
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
                      InstanceMethod<&FrameQueue::SetVnetHeaderOf>("setVnetHeader"),
                      InstanceMethod<&FrameQueue::SetTxFilterOf>("setTxFilter"),
                      InstanceMethod<&FrameQueue::SetAttachedOf>("setAttached"),
                      InstanceMethod<&FrameQueue::SetSteeringProgramOf>("setSteeringProgram"),
                      InstanceMethod<&FrameQueue::SetFilterProgramOf>("setFilterProgram"),
                  });
  StateOf(env).frame_queue = Napi::Persistent(constructor);
  exports.Set("useBurstMemory", Napi::Function::New(env, UseBurstMemory, "useBurstMemory"));
}

Napi::Object FrameQueue::Make(Napi::Env env, QueueParts parts, bool adopted) {
  NewQueue argument{std::move(parts), adopted};
  Napi::Object queue = StateOf(env).frame_queue.New({Napi::External<NewQueue>::New(env, &argument)});
  // If the environment is ending, the constructor may not even have run.
  if (argument.parts.fd && adopted) argument.parts.fd->Release();
  if (argument.parts.fd) CloseParts(argument.parts);
  return queue;
}

bool FrameQueue::Owns(Napi::Env env, int fd) {
  const auto& queues = *StateOf(env).queues;
  return std::any_of(queues.begin(), queues.end(),
                     [fd](FrameQueue* queue) { return queue->fd_ && queue->fd_->get() == fd; });
}

FrameQueue::FrameQueue(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FrameQueue>(info) {
  if (!info[0].IsExternal()) {
    Napi::TypeError::New(Env(), "FrameQueue is made by opening a device").ThrowAsJavaScriptException();
    return;
  }
  auto* argument = info[0].As<Napi::External<NewQueue>>().Data();
  QueueParts& parts = argument->parts;
  bool adopted = argument->adopted;
  // Two owners of one number would read each other's frames, and the second to close it would close an
  // unrelated file. Adopting looks for that first; this is for two that adopt one number at once.
  if (Owns(Env(), parts.fd->get())) {
    FailureToError(Env(), AlreadyOwned(parts.fd->get())).ThrowAsJavaScriptException();
    return;
  }
  queues_ = StateOf(Env()).queues;
  async_calls_ = AsyncCallsOf(Env());
  queues_->insert(this);
  fd_ = std::move(parts.fd);
  made_link_ = std::move(parts.made_link);
  undo_ = std::move(parts.undo);
  channel_.fd = fd_->get();
  channel_.shared = adopted;
  context_.emplace(Env(), "TAPFD");
  // Makes it non-blocking, which another holder may have undone.
  Status opened = poll_.Open(Env(), fd_->get(), this);
  if (!opened.ok()) {
    // EEXIST: another handle of this loop polls the same number. This happens only to an adopted one.
    if (adopted) fd_->Release();
    FailureToError(Env(), opened.failure()).ThrowAsJavaScriptException();
    return;
  }
  // A plain dup is not close-on-exec.
  if (adopted) fcntl(fd_->get(), F_SETFD, FD_CLOEXEC);
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
  async_calls_->CloseInBackground(Closing(TakeParts()));
}

void FrameQueue::CloseAll(Napi::Env env) {
  for (FrameQueue* queue : *StateOf(env).queues) {
    queue->StopPolling();
    QueueParts parts = queue->TakeParts();
    CloseParts(parts);
  }
}

QueueParts FrameQueue::TakeParts() {
  return {std::move(fd_), std::move(made_link_), std::move(undo_)};
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
  HoldForLink(made_link_ != nullptr);
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

void FrameQueue::KeepChanges(const Napi::CallbackInfo& info) {
  undo_ = OpenUndo();
}

Napi::Value FrameQueue::CloseAsync(const Napi::CallbackInfo& info) {
  StopPolling();
  HoldForLink(false);
  Closing closing(TakeParts());
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
