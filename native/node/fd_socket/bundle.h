// Descriptors that were received or duplicated and do not belong to JavaScript yet.

#ifndef TAPFD_NODE_FD_SOCKET_BUNDLE_H_
#define TAPFD_NODE_FD_SOCKET_BUNDLE_H_

#include <napi.h>

#include <memory>
#include <set>
#include <vector>

#include "node/async.h"
#include "sys/fd.h"

namespace tapfd {

// From an array of numbers that TypeScript has checked.
std::vector<int> FdNumbersFrom(const Napi::Value& value);

// src/base/native-fd-socket.ts `NativeFdBundle`: descriptors that this process owns and JavaScript has not
// taken yet. close(), the garbage collector and the environment's end close what is left.
class FdBundle final : public Napi::ObjectWrap<FdBundle> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  static Napi::Object Make(Napi::Env env, std::vector<Fd> fds);

  // At the end of the environment.
  static void CloseAll(Napi::Env env);

  explicit FdBundle(const Napi::CallbackInfo& info);
  ~FdBundle() override;

 private:
  Napi::Value Numbers(const Napi::CallbackInfo& info);
  Napi::Value Take(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  void CloseInBackground();

  std::vector<Fd> fds_;
  // Shared: the last bundles are destroyed after the environment's own state.
  std::shared_ptr<AsyncCalls> async_calls_;
  std::shared_ptr<std::set<FdBundle*>> bundles_;
};

}  // namespace tapfd

#endif  // TAPFD_NODE_FD_SOCKET_BUNDLE_H_
