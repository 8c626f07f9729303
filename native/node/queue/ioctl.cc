// FrameQueue's calls to the device: one ioctl each, on the pool, because any of them may wait on RTNL.

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "devices/living_device.h"
#include "devices/tun_ioctl.h"
#include "node/arguments.h"
#include "node/async.h"
#include "node/namespace.h"
#include "node/queue/queue.h"

namespace tapfd {

namespace {

// A program is a descriptor of a loaded one (borrowed), instructions to load, or null to remove the program.
template <typename Set>
auto ProgramSetter(const Napi::Value& value, Set set) {
  int borrowed = value.IsNumber() ? value.As<Napi::Number>().Int32Value() : -1;
  std::vector<uint8_t> instructions;
  if (value.IsTypedArray()) {
    auto bytes = value.As<Napi::Uint8Array>();
    instructions.assign(bytes.Data(), bytes.Data() + bytes.ByteLength());
  }
  return [borrowed, set, instructions = std::move(instructions)](int fd) -> Status {
    if (instructions.empty()) return set(fd, borrowed);
    Result<Fd> program = LoadSocketFilter(instructions);
    if (!program.ok()) return program.failure();
    return set(fd, program.value().get());  // the kernel holds its own reference
  };
}

}  // namespace

template <typename Call, typename Convert>
Napi::Value FrameQueue::OnPool(Call call, Convert convert) {
  // The share is given up on the pool: whatever closes a descriptor may wait on RTNL.
  auto work = [fd = fd_, call = std::move(call)]() mutable {
    std::shared_ptr<Fd> share = std::move(fd);
    return call(share ? share->get() : -1);
  };
  return RunAsync(Env(), std::move(work), std::move(convert));
}

template <typename Call>
Napi::Value FrameQueue::OnPool(Call call) {
  return OnPool(std::move(call), [](Napi::Env env, Done&) -> Napi::Value { return env.Undefined(); });
}

Napi::Value FrameQueue::GetInterfaceOf(const Napi::CallbackInfo& info) {
  return OnPool([](int fd) { return GetInterface(fd); },
                [](Napi::Env env, AttachedInterface& attached) -> Napi::Value {
                  Napi::Object object = Napi::Object::New(env);
                  object.Set("name", attached.name);
                  object.Set("flags", attached.flags);
                  return object;
                });
}

Napi::Value FrameQueue::GetMacOf(const Napi::CallbackInfo& info) {
  return OnPool(
      [](int fd) { return GetMac(fd); },
      [](Napi::Env env, MacAddress& mac) -> Napi::Value { return Napi::String::New(env, FormatMac(mac)); });
}

Napi::Value FrameQueue::GetNamespaceOf(const Napi::CallbackInfo& info) {
  return OnPool(
      [](int fd) -> Result<std::shared_ptr<const NetNamespace>> {
        Result<Fd> ns_fd = GetDeviceNamespace(fd);
        if (!ns_fd.ok()) return ns_fd.failure();
        Result<NetNamespace> ns = NetNamespace::FromFd(std::move(ns_fd.value()), "the device's namespace");
        if (!ns.ok()) return ns.failure();
        return std::make_shared<const NetNamespace>(std::move(ns.value()));
      },
      [](Napi::Env env, std::shared_ptr<const NetNamespace>& ns) -> Napi::Value {
        return NamespaceHandle::Make(env, ns);
      });
}

Napi::Value FrameQueue::SetMacOf(const Napi::CallbackInfo& info) {
  MacAddress mac = MacFrom(info[0]).value_or(MacAddress{});
  return OnPool([mac](int fd) { return SetMac(fd, mac); });
}

Napi::Value FrameQueue::SetPersistOf(const Napi::CallbackInfo& info) {
  return OnPool([value = info[0].As<Napi::Boolean>().Value()](int fd) { return SetPersist(fd, value); });
}

Napi::Value FrameQueue::SetOwnerOf(const Napi::CallbackInfo& info) {
  return OnPool([uid = info[0].As<Napi::Number>().Uint32Value()](int fd) { return SetOwner(fd, uid); });
}

Napi::Value FrameQueue::SetGroupOf(const Napi::CallbackInfo& info) {
  return OnPool([gid = info[0].As<Napi::Number>().Uint32Value()](int fd) { return SetGroup(fd, gid); });
}

Napi::Value FrameQueue::SetCarrierOf(const Napi::CallbackInfo& info) {
  return OnPool([value = info[0].As<Napi::Boolean>().Value()](int fd) { return SetCarrier(fd, value); });
}

Napi::Value FrameQueue::SetOffloadOf(const Napi::CallbackInfo& info) {
  std::vector<unsigned> masks;
  for (const Napi::Value& mask : ElementsOf(info[0])) masks.push_back(NumberFrom<uint32_t>(mask).value_or(0));
  return OnPool([masks](int fd) { return NegotiateOffload(fd, masks); },
                [](Napi::Env env, unsigned& mask) -> Napi::Value { return Napi::Number::New(env, mask); });
}

Napi::Value FrameQueue::SetSendBufferOf(const Napi::CallbackInfo& info) {
  return OnPool(
      [bytes = info[0].As<Napi::Number>().Int32Value()](int fd) { return SetSendBuffer(fd, bytes); });
}

Napi::Value FrameQueue::SetVnetHeaderBytesOf(const Napi::CallbackInfo& info) {
  return OnPool(
      [bytes = info[0].As<Napi::Number>().Int32Value()](int fd) { return SetVnetHeaderBytes(fd, bytes); });
}

Napi::Value FrameQueue::SetVnetHeaderOf(const Napi::CallbackInfo& info) {
  return OnPool([on = info[0].As<Napi::Boolean>().Value()](int fd) { return SetMacvtapVnetHeader(fd, on); },
                [](Napi::Env env, unsigned& flags) -> Napi::Value { return Napi::Number::New(env, flags); });
}

Napi::Value FrameQueue::SetTxFilterOf(const Napi::CallbackInfo& info) {
  bool all_multicast = info[0].As<Napi::Boolean>().Value();
  std::vector<MacAddress> addresses;
  for (const Napi::Value& address : ElementsOf(info[1])) {
    addresses.push_back(MacFrom(address).value_or(MacAddress{}));
  }
  return OnPool([=](int fd) { return SetTxFilter(fd, all_multicast, addresses); });
}

Napi::Value FrameQueue::SetAttachedOf(const Napi::CallbackInfo& info) {
  bool attached = info[0].As<Napi::Boolean>().Value();
  int vnet_header_bytes = NumberFrom<int>(info[1]).value_or(0);
  return OnPool([attached, vnet_header_bytes](int fd) {
    Status fits = attached ? CheckVnetHeaderBytes(fd, vnet_header_bytes) : Status(Done{});
    return fits.ok() ? SetQueueAttached(fd, attached) : fits;
  });
}

Napi::Value FrameQueue::SetSteeringProgramOf(const Napi::CallbackInfo& info) {
  return OnPool(ProgramSetter(info[0], SetSteeringProgram));
}

Napi::Value FrameQueue::SetFilterProgramOf(const Napi::CallbackInfo& info) {
  return OnPool(ProgramSetter(info[0], SetFilterProgram));
}

}  // namespace tapfd
