// native/node/: what JavaScript calls, and the threads and handles behind it: the only folder that knows
// Node-API and libuv. On top of devices.
//
// addon.cc: the addon's entry point, which registers each part's functions. Runs once for the main thread and
// once for each worker.

#include <napi.h>

#include <memory>

#include "node/addon_state.h"
#include "node/async.h"
#include "node/fd_socket/bundle.h"
#include "node/fd_socket/socket.h"
#include "node/links.h"
#include "node/namespace.h"
#include "node/network/shaping.h"
#include "node/open.h"
#include "node/poll/thread_loop.h"
#include "node/queue/queue.h"

namespace tapfd {

namespace {

// Releases everything that would outlive the environment. Idempotent: Node runs clean-up hooks when a
// thread's work is done and for worker.terminate(), but after process.exit() or an uncaught exception only
// JavaScript's 'exit' event.
void EndEnvironment(Napi::Env env) {
  AddonState& state = StateOf(env);
  state.async_calls->End();
  if (state.thread_loop) state.thread_loop->End();
  FrameQueue::CloseAll(env);
  FdSocket::CloseAll(env);
  state.namespace_files.clear();
}

// pollByThread(schedule): before anything is polled. Returns what `schedule` is to call.
Napi::Value PollByThread(const Napi::CallbackInfo& info) {
  auto loop = std::make_shared<ThreadLoop>(info.Env(), info[0].As<Napi::Function>());
  Status started = loop->Start();
  if (!started.ok()) {
    FailureToError(info.Env(), started.failure()).ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  StateOf(info.Env()).thread_loop = loop;
  return Napi::Function::New(info.Env(), [loop](const Napi::CallbackInfo&) { loop->Turn(); });
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new AddonState());
  env.AddCleanupHook([env] {
    EndEnvironment(env);
    NamespaceHandle::CloseAll(env);
    FdBundle::CloseAll(env);
  });
  exports.Set("endEnvironment",
              Napi::Function::New(env, [](const Napi::CallbackInfo& info) { EndEnvironment(info.Env()); }));
  exports.Set("pollByThread", Napi::Function::New(env, PollByThread));
  RegisterNamespace(env, exports);
  RegisterLinks(env, exports);
  RegisterShaping(env, exports);
  RegisterOpen(env, exports);
  RegisterQueue(env, exports);
  RegisterFdSocket(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Initialize)

}  // namespace tapfd
