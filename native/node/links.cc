#include "node/links.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "node/arguments.h"
#include "node/async.h"
#include "node/link_watch.h"
#include "node/namespace.h"
#include "sys/net_namespace.h"

namespace tapfd {

namespace {

using Namespace = std::shared_ptr<const NetNamespace>;

// ---- from JavaScript; src/links/links.ts checked every value ----

// A namespace named by an option, kept while the call borrows its descriptor. `closed` if the handle was
// closed before: acting without the namespace would act in the wrong one.
struct BorrowedNamespace {
  Namespace ns;
  bool closed = false;

  std::optional<int> fd() const { return ns ? std::optional<int>(ns->fd()) : std::nullopt; }
};

BorrowedNamespace NamespaceIn(const Napi::Object& object, const char* key) {
  BorrowedNamespace borrowed;
  Napi::Value value = ValueIn(object, key);
  if (!value.IsObject()) return borrowed;
  borrowed.ns = NamespaceHandle::From(value);
  borrowed.closed = borrowed.ns == nullptr;
  return borrowed;
}

NewLink NewLinkFromObject(const Napi::Object& object) {
  NewLink link;
  link.kind = StringIn(object, "kind").value_or("");
  link.name = StringIn(object, "name").value_or("");
  link.changes = LinkChangesFromObject(ObjectIn(object, "changes"));
  link.lower = NumberIn<int>(object, "lower").value_or(0);
  link.macvlan_mode = NumberIn<uint32_t>(object, "macvlanMode");
  for (const Napi::Value& value : ElementsOf(ValueIn(object, "sourceMacs"))) {
    if (auto mac = MacFrom(value)) link.source_macs.push_back(*mac);
  }
  link.tx_queues = NumberIn<uint32_t>(object, "txQueues");
  link.rx_queues = NumberIn<uint32_t>(object, "rxQueues");
  link.peer_name = StringIn(object, "peerName").value_or("");
  link.peer_mac = MacFrom(ValueIn(object, "peerMac"));
  link.vxlan_id = NumberIn<uint32_t>(object, "vxlanId");
  link.vxlan_remote = StringIn(object, "vxlanRemote").value_or("");
  link.vxlan_local = StringIn(object, "vxlanLocal").value_or("");
  link.vxlan_port = NumberIn<uint16_t>(object, "vxlanPort");
  link.vxlan_learning = BooleanIn(object, "vxlanLearning");
  link.bridge_stp = BooleanIn(object, "bridgeStp");
  link.bridge_vlan_filtering = BooleanIn(object, "bridgeVlanFiltering");
  link.bridge_multicast_snooping = BooleanIn(object, "bridgeMulticastSnooping");
  link.bridge_forward_delay_cs = NumberIn<uint32_t>(object, "bridgeForwardDelayCs");
  link.bridge_ageing_time_cs = NumberIn<uint32_t>(object, "bridgeAgeingTimeCs");
  return link;
}

// A link by its index, or by its name when `index` is 0.
struct LinkRef {
  int index = 0;
  std::string name;
};

LinkRef LinkRefFrom(const Napi::Value& value) {
  LinkRef ref;
  if (value.IsNumber()) ref.index = value.As<Napi::Number>().Int32Value();
  if (value.IsString()) ref.name = value.As<Napi::String>().Utf8Value();
  return ref;
}

Result<Link> GetByRef(RtnlSocket& socket, const LinkRef& ref) {
  return ref.index != 0 ? GetLink(socket, ref.index) : GetLinkByName(socket, ref.name);
}

// The index alone, without a request if it is known.
Result<int> IndexOf(RtnlSocket& socket, const LinkRef& ref) {
  if (ref.index != 0) return ref.index;
  Result<Link> link = GetLinkByName(socket, ref.name);
  if (!link.ok()) return link.failure();
  return link.value().index;
}

// ---- to JavaScript ----

Napi::Number NumberOf(Napi::Env env, uint64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

Napi::Object StatsToObject(Napi::Env env, const LinkStats& stats) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("rxPackets", NumberOf(env, stats.rx_packets));
  object.Set("txPackets", NumberOf(env, stats.tx_packets));
  object.Set("rxBytes", NumberOf(env, stats.rx_bytes));
  object.Set("txBytes", NumberOf(env, stats.tx_bytes));
  object.Set("rxErrors", NumberOf(env, stats.rx_errors));
  object.Set("txErrors", NumberOf(env, stats.tx_errors));
  object.Set("rxDropped", NumberOf(env, stats.rx_dropped));
  object.Set("txDropped", NumberOf(env, stats.tx_dropped));
  object.Set("multicast", NumberOf(env, stats.multicast));
  return object;
}

Napi::Object TunToObject(Napi::Env env, const TunLinkInfo& tun) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("type", NumberOf(env, tun.type));
  if (tun.owner) object.Set("owner", NumberOf(env, *tun.owner));
  if (tun.group) object.Set("group", NumberOf(env, *tun.group));
  object.Set("packetInfo", tun.packet_info);
  object.Set("vnetHeader", tun.vnet_header);
  object.Set("persist", tun.persist);
  object.Set("multiQueue", tun.multi_queue);
  object.Set("queues", NumberOf(env, tun.queues));
  object.Set("disabledQueues", NumberOf(env, tun.disabled_queues));
  return object;
}

Napi::Object VxlanToObject(Napi::Env env, const VxlanLinkInfo& vxlan) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("id", NumberOf(env, vxlan.id));
  object.Set("remote", vxlan.remote);
  object.Set("local", vxlan.local);
  object.Set("port", NumberOf(env, vxlan.port));
  object.Set("learning", vxlan.learning);
  return object;
}

Napi::Object BridgePortToObject(Napi::Env env, const BridgePortInfo& port) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("state", NumberOf(env, port.state));
  object.Set("isolated", port.isolated);
  object.Set("unicastFlood", port.unicast_flood);
  object.Set("multicastFlood", port.multicast_flood);
  object.Set("broadcastFlood", port.broadcast_flood);
  return object;
}

Napi::Object IpPrefixToObject(Napi::Env env, const IpPrefix& prefix) {
  Napi::Object object = Napi::Object::New(env);
  auto bytes = [&](const IpBytes& from) {
    return Napi::Buffer<uint8_t>::Copy(env, from.data(), prefix.family == AF_INET ? 4 : 16);
  };
  object.Set("address", bytes(prefix.address));
  object.Set("prefixLength", NumberOf(env, prefix.prefix_length));
  if (prefix.peer) object.Set("peer", bytes(*prefix.peer));
  if (prefix.broadcast) object.Set("broadcast", bytes(*prefix.broadcast));
  object.Set("noDad", prefix.no_dad);
  if (prefix.valid_lifetime) object.Set("validLifetimeSec", NumberOf(env, *prefix.valid_lifetime));
  if (prefix.preferred_lifetime)
    object.Set("preferredLifetimeSec", NumberOf(env, *prefix.preferred_lifetime));
  object.Set("flags", NumberOf(env, prefix.flags));
  return object;
}

// ---- the calls ----

// Runs `work(RtnlSocket&)` on a pool thread, inside `ns`.
template <typename Work, typename Convert>
Napi::Value RunWithSocket(Napi::Env env, Namespace ns, Work work, Convert convert) {
  using Outcome = decltype(work(std::declval<RtnlSocket&>()));
  return RunAsync(
      env,
      [ns = std::move(ns), work = std::move(work)]() -> Outcome {
        if (!ns) return NamespaceClosed();
        Result<RtnlSocket> socket = RunInNamespace(*ns, [] { return RtnlSocket::Open(); });
        if (!socket.ok()) return socket.failure();
        return work(socket.value());
      },
      std::move(convert));
}

template <typename Work>
Napi::Value RunWithSocket(Napi::Env env, Namespace ns, Work work) {
  return RunWithSocket(env, std::move(ns), std::move(work),
                       [](Napi::Env e, Done&) -> Napi::Value { return e.Undefined(); });
}

Napi::Value ListLinksCall(const Napi::CallbackInfo& info) {
  return RunWithSocket(
      info.Env(), NamespaceHandle::From(info[0]), [](RtnlSocket& socket) { return ListLinks(socket); },
      [](Napi::Env env, LinkList& list) -> Napi::Value {
        Napi::Array links = Napi::Array::New(env, list.links.size());
        for (uint32_t i = 0; i < list.links.size(); i++) links.Set(i, LinkToObject(env, list.links[i]));
        Napi::Object object = Napi::Object::New(env);
        object.Set("links", links);
        object.Set("consistent", list.consistent);
        return object;
      });
}

Napi::Value GetLinkCall(const Napi::CallbackInfo& info) {
  return RunWithSocket(
      info.Env(), NamespaceHandle::From(info[0]),
      [ref = LinkRefFrom(info[1])](RtnlSocket& socket) { return GetByRef(socket, ref); }, LinkToObject);
}

Napi::Value CreateLinkCall(const Napi::CallbackInfo& info) {
  Napi::Object object = info[1].As<Napi::Object>();
  BorrowedNamespace peer = NamespaceIn(object, "peerNetns");
  BorrowedNamespace move = NamespaceIn(ObjectIn(object, "changes"), "netns");
  NewLink link = NewLinkFromObject(object);
  link.peer_netns_fd = peer.fd();
  return RunWithSocket(
      info.Env(), NamespaceHandle::From(info[0]),
      [link, peer, move](RtnlSocket& socket) -> Result<Link> {
        if (peer.closed || move.closed) return NamespaceClosed();
        return CreateLink(socket, link);
      },
      LinkToObject);
}

Napi::Value SetLinkCall(const Napi::CallbackInfo& info) {
  Napi::Object object = info[2].As<Napi::Object>();
  BorrowedNamespace move = NamespaceIn(object, "netns");
  return RunWithSocket(info.Env(), NamespaceHandle::From(info[0]),
                       [ref = LinkRefFrom(info[1]), changes = LinkChangesFromObject(object),
                        move](RtnlSocket& socket) -> Status {
                         if (move.closed) return NamespaceClosed();
                         Result<int> index = IndexOf(socket, ref);
                         if (!index.ok()) return index.failure();
                         return SetLink(socket, index.value(), changes);
                       });
}

Napi::Value RemoveLinkCall(const Napi::CallbackInfo& info) {
  return RunWithSocket(info.Env(), NamespaceHandle::From(info[0]),
                       [ref = LinkRefFrom(info[1])](RtnlSocket& socket) -> Status {
                         Result<int> index = IndexOf(socket, ref);
                         if (!index.ok()) return index.failure();
                         return RemoveLink(socket, index.value());
                       });
}

// addAddress and removeAddress.
template <Status (*Change)(RtnlSocket&, int, const IpPrefix&)>
Napi::Value ChangeAddressCall(const Napi::CallbackInfo& info) {
  return RunWithSocket(info.Env(), NamespaceHandle::From(info[0]),
                       [ref = LinkRefFrom(info[1]),
                        prefix = IpPrefixFrom(info[2].As<Napi::Object>())](RtnlSocket& socket) -> Status {
                         if (!prefix) return Failure::FromError(EAFNOSUPPORT, "rtnetlink RTM_NEWADDR");
                         Result<int> index = IndexOf(socket, ref);
                         if (!index.ok()) return index.failure();
                         return Change(socket, index.value(), *prefix);
                       });
}

Napi::Value ListAddressesCall(const Napi::CallbackInfo& info) {
  return RunWithSocket(
      info.Env(), NamespaceHandle::From(info[0]),
      [ref = LinkRefFrom(info[1])](RtnlSocket& socket) -> Result<std::vector<IpPrefix>> {
        Result<int> index = IndexOf(socket, ref);
        if (!index.ok()) return index.failure();
        return ListAddresses(socket, index.value());
      },
      [](Napi::Env env, std::vector<IpPrefix>& prefixes) -> Napi::Value {
        Napi::Array array = Napi::Array::New(env, prefixes.size());
        for (uint32_t i = 0; i < prefixes.size(); i++) array.Set(i, IpPrefixToObject(env, prefixes[i]));
        return array;
      });
}

}  // namespace

Napi::Object LinkToObject(Napi::Env env, const Link& link) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("index", NumberOf(env, static_cast<uint64_t>(link.index)));
  object.Set("name", link.name);
  Napi::Array names = Napi::Array::New(env, link.alternative_names.size());
  for (uint32_t i = 0; i < link.alternative_names.size(); i++) names.Set(i, link.alternative_names[i]);
  object.Set("alternativeNames", names);
  object.Set("kind", link.kind);
  object.Set("portKind", link.port_kind);
  if (link.mac) object.Set("mac", FormatMac(*link.mac));
  object.Set("mtu", NumberOf(env, link.mtu));
  object.Set("flags", NumberOf(env, link.flags));
  object.Set("operState", NumberOf(env, link.oper_state));
  object.Set("carrier", link.carrier);
  object.Set("master", NumberOf(env, static_cast<uint64_t>(link.master)));
  object.Set("lower", NumberOf(env, static_cast<uint64_t>(link.lower)));
  if (link.lower_netns_id) object.Set("lowerNetnsId", Napi::Number::New(env, *link.lower_netns_id));
  object.Set("txQueueLength", NumberOf(env, link.tx_queue_length));
  object.Set("txQueues", NumberOf(env, link.tx_queues));
  object.Set("rxQueues", NumberOf(env, link.rx_queues));
  object.Set("alias", link.alias);
  object.Set("stats", StatsToObject(env, link.stats));
  if (link.tun) object.Set("tun", TunToObject(env, *link.tun));
  if (link.macvlan_mode) object.Set("macvlanMode", NumberOf(env, *link.macvlan_mode));
  if (link.vxlan) object.Set("vxlan", VxlanToObject(env, *link.vxlan));
  if (link.bridge_port) object.Set("bridgePort", BridgePortToObject(env, *link.bridge_port));
  if (link.address_generation) object.Set("addressGeneration", NumberOf(env, *link.address_generation));
  return object;
}

LinkChanges LinkChangesFromObject(const Napi::Object& object) {
  LinkChanges changes;
  changes.name = StringIn(object, "name");
  changes.mac = MacFrom(ValueIn(object, "mac"));
  changes.mtu = NumberIn<uint32_t>(object, "mtu");
  changes.up = BooleanIn(object, "up");
  changes.master = NumberIn<int>(object, "master");
  changes.all_multicast = BooleanIn(object, "allMulticast");
  changes.promiscuous = BooleanIn(object, "promiscuous");
  changes.tx_queue_length = NumberIn<uint32_t>(object, "txQueueLength");
  changes.alias = StringIn(object, "alias");
  changes.carrier = BooleanIn(object, "carrier");
  changes.macvlan_mode = NumberIn<uint32_t>(object, "macvlanMode");
  changes.address_generation = NumberIn<uint8_t>(object, "addressGeneration");
  changes.netns_fd = NamespaceIn(object, "netns").fd();
  return changes;
}

std::vector<IpPrefix> IpPrefixesFromArray(const Napi::Value& value) {
  std::vector<IpPrefix> prefixes;
  for (const Napi::Value& element : ElementsOf(value)) {
    if (auto prefix = IpPrefixFrom(element.As<Napi::Object>())) prefixes.push_back(*prefix);
  }
  return prefixes;
}

void RegisterLinks(Napi::Env env, Napi::Object exports) {
  auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("listLinks", ListLinksCall);
  add("getLink", GetLinkCall);
  add("createLink", CreateLinkCall);
  add("setLink", SetLinkCall);
  add("removeLink", RemoveLinkCall);
  add("addAddress", ChangeAddressCall<AddAddress>);
  add("removeAddress", ChangeAddressCall<RemoveAddress>);
  add("listAddresses", ListAddressesCall);
  RegisterLinkWatch(env, exports);
}

}  // namespace tapfd
