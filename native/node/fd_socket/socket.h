// Unix sockets for JavaScript: polling, descriptors in both directions, and closing.

#ifndef TAPFD_NODE_FD_SOCKET_SOCKET_H_
#define TAPFD_NODE_FD_SOCKET_SOCKET_H_

#include <napi.h>

#include <memory>
#include <optional>
#include <set>

#include "node/async.h"
#include "node/poll/callback.h"
#include "node/poll/handle.h"
#include "sys/fd.h"
#include "sys/unix_socket.h"

namespace tapfd {

// src/base/native-fd-socket.ts `NativeFdSocket`: a connected socket, or one that listens. Lives on its
// environment's thread.
//
// JavaScript tries a call, and waits after EAGAIN. Only while it waits is the socket polled, and keeps itself
// and its callbacks alive; otherwise the garbage collector may take it, and its destructor closes the
// descriptor. close(), the destructor and the environment's end share Release().
class FdSocket final : public Napi::ObjectWrap<FdSocket>, private PollHandle::Listener {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  // `adopted`: if creating the object fails, the caller still owns the descriptor.
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
  void OnEnvironmentEnd() override { Release(); }
  // Starts, changes or stops the polling as the callbacks require.
  Status UpdatePolling();
  // Keeps this object from the garbage collector while it polls.
  void Hold(bool hold);
  void Await(const Napi::CallbackInfo& info, Napi::FunctionReference* slot);
  void Call(Napi::FunctionReference* slot);
  // Stops polling, and returns what is to be closed.
  ListeningSocket Release();

  Fd fd_;
  SocketFile file_;  // of one that listens
  PeerCredentials peer_;
  // Opened when it is first needed: that makes the descriptor non-blocking, which one that is only passed to
  // a child process should not be.
  PollHandle poll_;
  bool closed_ = false;
  bool held_ = false;
  Napi::FunctionReference on_readable_;
  Napi::FunctionReference on_writable_;
  std::optional<CallbackContext> context_;
  // Shared: the last sockets are destroyed after the environment's own state.
  std::shared_ptr<std::set<FdSocket*>> sockets_;
  std::shared_ptr<AsyncCalls> async_calls_;
};

// The FdSocket and FdBundle classes, and the calls that make them.
void RegisterFdSocket(Napi::Env env, Napi::Object exports);

}  // namespace tapfd

#endif  // TAPFD_NODE_FD_SOCKET_SOCKET_H_
