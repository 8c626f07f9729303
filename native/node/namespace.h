// Network namespaces for JavaScript: the handle that other native calls take, and creating and removing one.

#ifndef TAPFD_NODE_NAMESPACE_H_
#define TAPFD_NODE_NAMESPACE_H_

#include <napi.h>

#include <memory>
#include <set>

#include "sys/net_namespace.h"

namespace tapfd {

// JavaScript's handle on a namespace (src/base/native-links.ts `NamespaceHandle`): `key`, `fd`, `close()`.
// Running work holds a share of the pointer, so close() does not take the namespace from it.
class NamespaceHandle : public Napi::ObjectWrap<NamespaceHandle> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  static Napi::Object Make(Napi::Env env, std::shared_ptr<const NetNamespace> ns);
  // From a value that src/base/native-links.ts typed as NamespaceHandle; null after close().
  static std::shared_ptr<const NetNamespace> From(const Napi::Value& value);

  // At the end of the environment.
  static void CloseAll(Napi::Env env);

  explicit NamespaceHandle(const Napi::CallbackInfo& info);
  ~NamespaceHandle() override;

 private:
  Napi::Value Key(const Napi::CallbackInfo& info);
  Napi::Value Descriptor(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  std::shared_ptr<const NetNamespace> ns_;
  // Shared: the last handles are destroyed after the environment's own state.
  std::shared_ptr<std::set<NamespaceHandle*>> handles_;
};

// For a call that was given a handle after close().
Failure NamespaceClosed();

// openNamespace, openNamespaceOfDevice, createNamespace, removeNamespace, startInside.
void RegisterNamespace(Napi::Env env, Napi::Object exports);

}  // namespace tapfd

#endif  // TAPFD_NODE_NAMESPACE_H_
