#include "node/open.h"

#include <memory>
#include <utility>

#include "devices/adopt_fd.h"
#include "devices/open_macvtap.h"
#include "devices/open_tap.h"
#include "node/arguments.h"
#include "node/async.h"
#include "node/links.h"
#include "node/namespace.h"
#include "node/queue/queue.h"

namespace tapfd {

namespace {

using Namespace = std::shared_ptr<const NetNamespace>;

QueueSettings QueueSettingsFrom(const Napi::Object& object) {
  QueueSettings settings;
  settings.vnet_header_bytes = NumberIn<int>(object, "vnetHeaderBytes").value_or(0);
  settings.multi_queue = BooleanIn(object, "multiQueue").value_or(false);
  settings.send_buffer_bytes = NumberIn<int>(object, "sendBufferBytes");
  for (const Napi::Value& mask : ElementsOf(ValueIn(object, "offloadMasks"))) {
    settings.offload_masks.push_back(NumberFrom<uint32_t>(mask).value_or(0));
  }
  return settings;
}

LinkSettings LinkSettingsFrom(const Napi::Object& object) {
  LinkSettings settings;
  settings.mac = MacFrom(ValueIn(object, "mac"));
  settings.mtu = NumberIn<uint32_t>(object, "mtu");
  settings.all_multicast = BooleanIn(object, "allMulticast");
  settings.bridge = StringIn(object, "bridge").value_or("");
  settings.ipv6 = BooleanIn(object, "ipv6");
  settings.addresses = IpPrefixesFromArray(ValueIn(object, "addresses"));
  settings.up = BooleanIn(object, "up").value_or(false);
  return settings;
}

TapSettings TapSettingsFrom(const Napi::Object& object) {
  TapSettings settings;
  settings.tun = BooleanIn(object, "tun").value_or(false);
  settings.name = StringIn(object, "name").value_or("");
  settings.device_path = StringIn(object, "devicePath").value_or("");
  settings.exclusive = BooleanIn(object, "exclusive").value_or(false);
  settings.packet_info = BooleanIn(object, "packetInfo").value_or(false);
  settings.napi = BooleanIn(object, "napi").value_or(false);
  settings.napi_frags = BooleanIn(object, "napiFrags").value_or(false);
  settings.owner = NumberIn<uint32_t>(object, "owner");
  settings.group = NumberIn<uint32_t>(object, "group");
  settings.carrier = BooleanIn(object, "carrier");
  settings.queue = QueueSettingsFrom(ObjectIn(object, "queue"));
  settings.link = LinkSettingsFrom(ObjectIn(object, "link"));
  return settings;
}

MacvtapSettings MacvtapSettingsFrom(const Napi::Object& object) {
  MacvtapSettings settings;
  settings.name = StringIn(object, "name").value_or("");
  settings.lower = StringIn(object, "lower").value_or("");
  settings.mode = NumberIn<uint32_t>(object, "mode");
  settings.guest_mac = MacFrom(ValueIn(object, "guestMac"));
  settings.queue = QueueSettingsFrom(ObjectIn(object, "queue"));
  settings.link = LinkSettingsFrom(ObjectIn(object, "link"));
  return settings;
}

AdoptSettings AdoptSettingsFrom(const Napi::Object& object) {
  AdoptSettings settings;
  settings.vnet_header = BooleanIn(object, "vnetHeader");
  settings.segment = BooleanIn(object, "segment").value_or(false);
  settings.guest_mac = MacFrom(ValueIn(object, "guestMac"));
  Napi::Object expected = ObjectIn(object, "expect");
  if (!expected.IsObject()) return settings;
  settings.expected_kind = StringIn(expected, "kind").value_or("");
  settings.expected_name = StringIn(expected, "name").value_or("");
  settings.expected_vnet_header_bytes = NumberIn<int>(expected, "vnetHeaderBytes");
  settings.expected_mac = MacFrom(ValueIn(expected, "mac"));
  return settings;
}

// Takes back what the open changed or made if the result never reaches JavaScript (a terminated worker).
struct Opened {
  OpenedQueue queue;
  const char* kind;

  Opened(OpenedQueue queue, const char* kind) : queue(std::move(queue)), kind(kind) {}
  Opened(Opened&& other) noexcept = default;
  Opened& operator=(Opened&&) = delete;
  ~Opened() {
    queue.undo.Run(queue.fd.get());
    if (queue.adopted) queue.fd.Release();  // still the caller's
    if (queue.made_link) RemoveMadeLink(*queue.made_link);
  }
};

Napi::Value OpenedToObject(Napi::Env env, Opened& opened) {
  OpenedQueue& queue = opened.queue;
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", opened.kind);
  object.Set("flags", queue.flags);
  object.Set("features", queue.features);
  object.Set("offload", queue.offload);
  object.Set("vnetHeaderBytes", queue.vnet_header_bytes);
  object.Set("link", LinkToObject(env, queue.link));
  QueueParts parts{std::make_shared<Fd>(std::move(queue.fd)), std::move(queue.made_link),
                   std::move(queue.undo)};
  Napi::Object made = FrameQueue::Make(env, std::move(parts), queue.adopted);
  if (made.IsEmpty()) return env.Undefined();
  object.Set("queue", made);
  return object;
}

template <typename Open>
Napi::Value OpenInNamespace(Napi::Env env, const Napi::Value& handle, const char* kind, Open open) {
  Namespace ns = NamespaceHandle::From(handle);
  auto work = [ns, kind, open = std::move(open)]() -> Result<Opened> {
    if (!ns) return NamespaceClosed();
    Result<OpenedQueue> opened = RunInNamespace(*ns, open);
    if (!opened.ok()) return opened.failure();
    return Opened(std::move(opened.value()), kind);
  };
  return RunAsync(env, std::move(work), OpenedToObject);
}

const char* KindName(const TapSettings& settings) {
  return settings.tun ? "tun" : "tap";
}

Napi::Value BindOpenTap(const Napi::CallbackInfo& info) {
  TapSettings settings = TapSettingsFrom(info[1].As<Napi::Object>());
  return OpenInNamespace(info.Env(), info[0], KindName(settings), [settings] { return OpenTap(settings); });
}

Napi::Value BindOpenTapQueue(const Napi::CallbackInfo& info) {
  TapSettings settings = TapSettingsFrom(info[1].As<Napi::Object>());
  int index = info[2].As<Napi::Number>().Int32Value();
  return OpenInNamespace(info.Env(), info[0], KindName(settings),
                         [settings, index] { return OpenTapQueue(settings, index); });
}

Napi::Value BindOpenMacvtap(const Napi::CallbackInfo& info) {
  MacvtapSettings settings = MacvtapSettingsFrom(info[1].As<Napi::Object>());
  return OpenInNamespace(info.Env(), info[0], "macvtap", [settings] { return OpenMacvtap(settings); });
}

Napi::Value BindOpenMacvtapQueue(const Napi::CallbackInfo& info) {
  QueueSettings settings = QueueSettingsFrom(info[1].As<Napi::Object>());
  int index = info[2].As<Napi::Number>().Int32Value();
  return OpenInNamespace(info.Env(), info[0], "macvtap",
                         [settings, index] { return OpenMacvtapQueue(settings, index); });
}

Napi::Value BindAdoptQueue(const Napi::CallbackInfo& info) {
  Namespace ns = NamespaceHandle::From(info[0]);
  int fd = info[1].As<Napi::Number>().Int32Value();
  AdoptSettings settings = AdoptSettingsFrom(info[2].As<Napi::Object>());
  bool owned = FrameQueue::Owns(info.Env(), fd);
  auto work = [ns, fd, settings, owned]() -> Result<Opened> {
    if (!ns) return NamespaceClosed();
    if (owned) return AlreadyOwned(fd);
    Result<AdoptedQueue> adopted = RunInNamespace(*ns, [&] { return AdoptQueue(fd, settings); });
    if (!adopted.ok()) return adopted.failure();
    return Opened(std::move(adopted.value().opened), KindName(adopted.value().kind));
  };
  return RunAsync(info.Env(), std::move(work), OpenedToObject);
}

}  // namespace

void RegisterOpen(Napi::Env env, Napi::Object exports) {
  exports.Set("openTap", Napi::Function::New(env, BindOpenTap, "openTap"));
  exports.Set("openTapQueue", Napi::Function::New(env, BindOpenTapQueue, "openTapQueue"));
  exports.Set("openMacvtap", Napi::Function::New(env, BindOpenMacvtap, "openMacvtap"));
  exports.Set("openMacvtapQueue", Napi::Function::New(env, BindOpenMacvtapQueue, "openMacvtapQueue"));
  exports.Set("adoptQueue", Napi::Function::New(env, BindAdoptQueue, "adoptQueue"));
}

}  // namespace tapfd
