// The calls that create an FdSocket: connecting, listening, a pair, adopting a descriptor.

#include <string>
#include <utility>

#include "node/arguments.h"
#include "node/async.h"
#include "node/fd_socket/bundle.h"
#include "node/fd_socket/socket.h"

namespace tapfd {

namespace {

Napi::Value Connect(const Napi::CallbackInfo& info) {
  UnixAddress address = UnixAddress::From(info[0].As<Napi::String>().Utf8Value());
  return RunAsync(
      info.Env(), [address] { return ConnectUnix(address); },
      [](Napi::Env env, ConnectedSocket& socket) -> Napi::Value { return FdSocket::Make(env, socket); });
}

Napi::Value Listen(const Napi::CallbackInfo& info) {
  auto object = info[0].As<Napi::Object>();
  ListenSettings settings;
  settings.address = UnixAddress::From(StringIn(object, "address").value_or(""));
  settings.path = StringIn(object, "path").value_or("");
  settings.backlog = NumberIn<int>(object, "backlog").value_or(0);
  if (auto mode = NumberIn<uint32_t>(object, "mode")) settings.mode = *mode;
  return RunAsync(
      info.Env(), [settings] { return ListenUnix(settings); },
      [](Napi::Env env, ListeningSocket& socket) -> Napi::Value {
        return FdSocket::Make(env, std::move(socket), PeerCredentials{}, false);
      });
}

Napi::Value Pair(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Result<std::pair<ConnectedSocket, ConnectedSocket>> pair = PairUnix();
  if (!pair.ok()) {
    FailureToError(env, pair.failure()).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  Napi::Array array = Napi::Array::New(env, 2);
  array.Set(0U, FdSocket::Make(env, pair.value().first));
  array.Set(1U, FdSocket::Make(env, pair.value().second));
  return array;
}

Napi::Value Adopt(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = info[0].As<Napi::Number>().Int32Value();
  Result<PeerCredentials> peer = CheckAdoptable(fd);
  if (!peer.ok()) {
    FailureToError(env, peer.failure()).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  return FdSocket::Make(env, ListeningSocket{Fd(fd), SocketFile()}, peer.value(), true);
}

}  // namespace

void RegisterFdSocket(Napi::Env env, Napi::Object exports) {
  FdBundle::Register(env, exports);
  FdSocket::Register(env, exports);
  exports.Set("connectUnix", Napi::Function::New(env, Connect, "connectUnix"));
  exports.Set("listenUnix", Napi::Function::New(env, Listen, "listenUnix"));
  exports.Set("unixPair", Napi::Function::New(env, Pair, "unixPair"));
  exports.Set("adoptUnix", Napi::Function::New(env, Adopt, "adoptUnix"));
}

}  // namespace tapfd
