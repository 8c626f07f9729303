#include "node/link_details.h"

namespace tapfd {

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

}  // namespace tapfd
