#include "node/fd_socket/socket.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "node/addon_state.h"
#include "node/arguments.h"
#include "node/fd_socket/bundle.h"

namespace tapfd {

namespace {

// The argument of the constructor, which JavaScript cannot call successfully.
struct SocketParts {
  ListeningSocket owned;
  PeerCredentials peer;
};

// While a peer reads as fast as this process writes, one sendmsg(2) goes on until all is sent.
constexpr size_t kMaxSendBytes = 256 * 1024;

}  // namespace

void FdSocket::Register(Napi::Env env, Napi::Object exports) {
  Napi::Function constructor =
      DefineClass(env, "FdSocket",
                  {
                      InstanceAccessor<&FdSocket::GetFd>("fd"),
                      InstanceAccessor<&FdSocket::GetPeer>("peer"),
                      InstanceMethod<&FdSocket::Receive>("receive"),
                      InstanceMethod<&FdSocket::Send>("send"),
                      InstanceMethod<&FdSocket::Accept>("accept"),
                      InstanceMethod<&FdSocket::Shutdown>("shutdown"),
                      InstanceMethod<&FdSocket::AwaitReadable>("awaitReadable"),
                      InstanceMethod<&FdSocket::AwaitWritable>("awaitWritable"),
                      InstanceMethod<&FdSocket::StopAwaitingReadable>("stopAwaitingReadable"),
                      InstanceMethod<&FdSocket::RefLoop>("ref"),
                      InstanceMethod<&FdSocket::UnrefLoop>("unref"),
                      InstanceMethod<&FdSocket::CloseAsync>("close"),
                  });
  StateOf(env).fd_socket = Napi::Persistent(constructor);
}

Napi::Object FdSocket::Make(Napi::Env env, ListeningSocket parts, PeerCredentials peer, bool adopted) {
  SocketParts handed{std::move(parts), peer};
  Napi::Object made = StateOf(env).fd_socket.New({Napi::External<SocketParts>::New(env, &handed)});
  if (made.IsEmpty() && adopted) handed.owned.fd.Release();
  return made;
}

Napi::Object FdSocket::Make(Napi::Env env, ConnectedSocket& socket) {
  return Make(env, ListeningSocket{std::move(socket.fd), SocketFile()}, socket.peer, false);
}

FdSocket::FdSocket(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FdSocket>(info) {
  if (!info[0].IsExternal()) {
    closed_ = true;
    Napi::TypeError::New(Env(), "FdSocket is made by connecting").ThrowAsJavaScriptException();
    return;
  }
  auto* parts = info[0].As<Napi::External<SocketParts>>().Data();
  int number = parts->owned.fd.get();
  sockets_ = StateOf(Env()).fd_sockets;
  async_calls_ = AsyncCallsOf(Env());
  // With two owners of one number, the second to close it would close an unrelated file.
  bool owned = std::any_of(sockets_->begin(), sockets_->end(),
                           [number](FdSocket* other) { return other->fd_.get() == number; });
  if (owned) {
    closed_ = true;
    Failure failure =
        Failure::Refused("ERR_TAPFD_INVALID_STATE", "descriptor " + std::to_string(number) +
                                                        " already belongs to a socket of this thread");
    FailureToError(Env(), failure).ThrowAsJavaScriptException();
    return;
  }
  fd_ = std::move(parts->owned.fd);
  file_ = std::move(parts->owned.file);
  peer_ = parts->peer;
  context_.emplace(Env(), "TAPFD_SOCKET");
  sockets_->insert(this);
}

FdSocket::~FdSocket() {
  if (sockets_) sockets_->erase(this);
  if (closed_) return;
  async_calls_->CloseInBackground(Release());
}

ListeningSocket FdSocket::Release() {
  closed_ = true;
  Hold(false);
  poll_.Close();
  on_readable_.Reset();
  on_writable_.Reset();
  return ListeningSocket{std::move(fd_), std::move(file_)};
}

void FdSocket::CloseAll(Napi::Env env) {
  for (FdSocket* socket : *StateOf(env).fd_sockets) socket->Release();
}

void FdSocket::Hold(bool hold) {
  if (hold == held_) return;
  held_ = hold;
  hold ? Ref() : Unref();
}

Status FdSocket::UpdatePolling() {
  if (!poll_.is_open()) return Done{};
  unsigned events = (on_readable_.IsEmpty() ? 0 : PollHandle::kReadable) |
                    (on_writable_.IsEmpty() ? 0 : PollHandle::kWritable);
  Hold(events != 0);
  return poll_.Watch(events);
}

void FdSocket::Await(const Napi::CallbackInfo& info, Napi::FunctionReference* slot) {
  if (closed_) return;
  Status awaited = poll_.is_open() ? Status(Done{}) : poll_.Open(Env(), fd_.get(), this);
  if (awaited.ok()) {
    *slot = Napi::Persistent(info[0].As<Napi::Function>());
    awaited = UpdatePolling();
  }
  if (awaited.ok()) return;
  slot->Reset();
  UpdatePolling();
  FailureToError(info.Env(), awaited.failure()).ThrowAsJavaScriptException();
}

void FdSocket::AwaitReadable(const Napi::CallbackInfo& info) {
  Await(info, &on_readable_);
}

void FdSocket::AwaitWritable(const Napi::CallbackInfo& info) {
  Await(info, &on_writable_);
}

void FdSocket::StopAwaitingReadable(const Napi::CallbackInfo&) {
  on_readable_.Reset();
  UpdatePolling();
}

void FdSocket::OnPoll(int error, unsigned events) {
  Napi::HandleScope scope(Env());
  // JavaScript may drop or close the socket in a callback: this keeps the object until the end of the call.
  [[maybe_unused]] Napi::Object self = Value();
  // POLLERR: the peer has closed with data unread. The next call reports the error.
  if (error != 0 || (events & PollHandle::kWritable) != 0) Call(&on_writable_);
  if (error != 0 || (events & PollHandle::kReadable) != 0) Call(&on_readable_);
  UpdatePolling();
}

// Each callback is called once.
void FdSocket::Call(Napi::FunctionReference* slot) {
  if (slot->IsEmpty()) return;
  Napi::FunctionReference callback = std::move(*slot);
  slot->Reset();
  context_->Call(Value(), callback.Value(), {});
}

Napi::Value FdSocket::GetFd(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), fd_.get());
}

Napi::Value FdSocket::GetPeer(const Napi::CallbackInfo& info) {
  Napi::Object peer = Napi::Object::New(info.Env());
  peer.Set("pid", static_cast<double>(peer_.pid));
  peer.Set("uid", peer_.uid);
  peer.Set("gid", peer_.gid);
  return peer;
}

// receive(buffer): a negative errno, or what was received.
Napi::Value FdSocket::Receive(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (closed_) return Napi::Number::New(env, -EBADF);
  void* data = nullptr;
  size_t size = 0;
  napi_get_buffer_info(env, info[0], &data, &size);
  Received received = ReceiveUnix(fd_.get(), static_cast<uint8_t*>(data), size);
  if (received.error != 0) return Napi::Number::New(env, -received.error);
  Napi::Object object = Napi::Object::New(env);
  object.Set("bytes", static_cast<double>(received.bytes));
  object.Set("end", received.end);
  object.Set("truncated", received.truncated);
  object.Set("lostFds", received.lost_fds);
  if (!received.fds.empty()) {
    Napi::Object bundle = FdBundle::Make(env, std::move(received.fds));
    if (bundle.IsEmpty()) return env.Undefined();
    object.Set("fds", bundle);
  }
  return object;
}

// send(data, offset, fds): bytes sent, or a negative errno.
Napi::Value FdSocket::Send(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (closed_) return Napi::Number::New(env, -EBADF);
  void* data = nullptr;
  size_t size = 0;
  napi_get_buffer_info(env, info[0], &data, &size);
  size_t offset = std::min(size, static_cast<size_t>(info[1].As<Napi::Number>().Int64Value()));
  size_t part = std::min(size - offset, kMaxSendBytes);
  ssize_t sent = SendUnix(fd_.get(), static_cast<uint8_t*>(data) + offset, part, FdNumbersFrom(info[2]));
  return Napi::Number::New(env, static_cast<double>(sent));
}

// accept(): undefined if no connection is waiting.
Napi::Value FdSocket::Accept(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Result<ConnectedSocket> accepted =
      closed_ ? Result<ConnectedSocket>(Failure::FromError(EBADF, "accept4")) : AcceptUnix(fd_.get());
  if (accepted.ok()) return Make(env, accepted.value());
  int error = accepted.failure().error;
  // ECONNABORTED: a client that has already gone (accept(2)).
  if (error != EAGAIN && error != ECONNABORTED)
    FailureToError(env, accepted.failure()).ThrowAsJavaScriptException();
  return env.Undefined();
}

void FdSocket::Shutdown(const Napi::CallbackInfo& info) {
  if (closed_) return;
  Status done = ShutdownWrite(fd_.get());
  if (!done.ok()) FailureToError(info.Env(), done.failure()).ThrowAsJavaScriptException();
}

void FdSocket::RefLoop(const Napi::CallbackInfo&) {
  poll_.Ref();
}

void FdSocket::UnrefLoop(const Napi::CallbackInfo&) {
  poll_.Unref();
}

Napi::Value FdSocket::CloseAsync(const Napi::CallbackInfo& info) {
  return RunAsync(info.Env(), [parts = std::optional<ListeningSocket>(Release())]() mutable -> Status {
    parts.reset();
    return Done{};
  });
}

}  // namespace tapfd
