#include "node/network/shaping.h"

#include <memory>
#include <string>

#include "links/link.h"
#include "links/traffic_control.h"
#include "node/arguments.h"
#include "node/async.h"
#include "node/namespace.h"
#include "sys/inside/sysctl.h"
#include "sys/net_namespace.h"

namespace tapfd {

namespace {

using Namespace = std::shared_ptr<const NetNamespace>;

// The shape, or what takes it away if there is none.
Napi::Value ShapeLinkCall(const Napi::CallbackInfo& info) {
  Namespace ns = NamespaceHandle::From(info[0]);
  std::string name = StringFrom(info[1]).value_or("");
  std::optional<Shape> shape;
  if (info[2].IsObject()) {
    auto object = info[2].As<Napi::Object>();
    shape = Shape{NumberIn<uint64_t>(object, "bytesPerSecond").value_or(0),
                  NumberIn<uint32_t>(object, "burstBytes").value_or(0),
                  NumberIn<uint32_t>(object, "limitBytes").value_or(0)};
  }
  return RunAsync(info.Env(), [ns, name, shape]() -> Status {
    if (!ns) return NamespaceClosed();
    Result<RtnlSocket> socket = RunInNamespace(*ns, [] { return RtnlSocket::Open(); });
    if (!socket.ok()) return socket.failure();
    Result<Link> link = GetLinkByName(socket.value(), name);
    if (!link.ok()) return link.failure();
    int index = link.value().index;
    return shape ? ShapeLink(socket.value(), index, *shape) : UnshapeLink(socket.value(), index);
  });
}

Napi::Value WriteSysctlCall(const Napi::CallbackInfo& info) {
  Namespace ns = NamespaceHandle::From(info[0]);
  std::string name = StringFrom(info[1]).value_or("");
  std::string value = StringFrom(info[2]).value_or("");
  return RunAsync(info.Env(), [ns, name, value]() -> Status {
    if (!ns) return NamespaceClosed();
    return RunInNamespace(*ns, [&] { return WriteSysctl(name, value); });
  });
}

}  // namespace

void RegisterShaping(Napi::Env env, Napi::Object exports) {
  exports.Set("shapeLink", Napi::Function::New(env, ShapeLinkCall, "shapeLink"));
  exports.Set("writeSysctl", Napi::Function::New(env, WriteSysctlCall, "writeSysctl"));
}

}  // namespace tapfd
