// Unix sockets for JavaScript: polling, descriptors in both directions, and how a socket is closed.

#ifndef TAPFD_NODE_FD_SOCKET_SOCKET_H_
#define TAPFD_NODE_FD_SOCKET_SOCKET_H_

#include <napi.h>

#include <memory>
#include <optional>
#include <set>

#include "node/async.h"
#include "node/poll_handle.h"
#include "sys/fd.h"
#include "sys/unix_socket.h"

namespace tapfd {

// src/base/native.ts `NativeFdSocket`: a connected socket, or one that listens. Lives on its environment's
// thread.
//
// JavaScript asks and is told EAGAIN; then it awaits. Only while it does is the socket polled, holds itself
// and what is to be called; otherwise the garbage collector may take it, and its destructor closes the
// descriptor. close(), the destructor and the environment's end share GiveUp.
class FdSocket final : public Napi::ObjectWrap<FdSocket>, private PollHandle::Listener {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  // `adopted`: when making the object fails, the descriptor is the caller's still.
  static Napi::Object Make(Napi::Env env, ListeningSocket parts, PeerCredentials peer, bool adopted);
  static Napi::Object Make(Napi::Env env, ConnectedSocket& socket);

  // The environment ends: closes every descriptor and removes every socket file, now.
  static void CloseAll(Napi::Env env);

  explicit FdSocket(const Napi::CallbackInfo& info);
  ~FdSocket() override;

 private:
  Napi::Value GetFd(const Napi::CallbackInfo& info);
  Napi::Value GetPeer(const Napi::CallbackInfo& info);
  Napi::Value Receive(const Napi::CallbackInfo& info);
  Napi::Value Send(const Napi::CallbackInfo& info);
  Napi::Value Accept(const Napi::CallbackInfo& info);
  void Shutdown(const Napi::CallbackInfo& info);
  void AwaitReadable(const Napi::CallbackInfo& info);
  void AwaitWritable(const Napi::CallbackInfo& info);
  void StopAwaitingReadable(const Napi::CallbackInfo& info);
  void RefLoop(const Napi::CallbackInfo& info);
  void UnrefLoop(const Napi::CallbackInfo& info);
  Napi::Value CloseAsync(const Napi::CallbackInfo& info);

  void OnPoll(int error, unsigned events) override;
  void OnEnvironmentEnd() override { GiveUp(); }
  // Starts, changes or stops the polling to what is awaited.
  Status UpdatePolling();
  // While it polls, JavaScript's garbage collector leaves this object alone.
  void Hold(bool hold);
  void Await(const Napi::CallbackInfo& info, Napi::FunctionReference* slot);
  void Call(Napi::FunctionReference* slot);
  // Stops polling, and takes out what is to be closed.
  ListeningSocket GiveUp();

  Fd fd_;
  SocketFile file_;  // of one that listens
  PeerCredentials peer_;
  // Opened when it is needed for the first time: that makes the descriptor non-blocking, which one that is
  // only to be handed to a child process should not be.
  PollHandle poll_;
  bool closed_ = false;
  bool held_ = false;
  Napi::FunctionReference on_readable_;
  Napi::FunctionReference on_writable_;
  std::optional<Napi::AsyncContext> context_;
  // Shared: the last sockets are destroyed after the environment's own state.
  std::shared_ptr<std::set<FdSocket*>> sockets_;
  std::shared_ptr<AsyncCalls> async_calls_;
};

// The FdSocket and FdBundle classes, and the calls that make them.
void RegisterFdSocket(Napi::Env env, Napi::Object exports);

}  // namespace tapfd

#endif  // TAPFD_NODE_FD_SOCKET_SOCKET_H_
