// Parts of a link as JavaScript objects: its counters, and what is particular to its kind.

#ifndef TAPFD_NODE_LINK_DETAILS_H_
#define TAPFD_NODE_LINK_DETAILS_H_

#include <napi.h>

#include "links/link.h"

namespace tapfd {

inline Napi::Number NumberOf(Napi::Env env, uint64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

// src/base/native-links.ts `NativeLink`.
Napi::Object StatsToObject(Napi::Env env, const LinkStats& stats);
Napi::Object TunToObject(Napi::Env env, const TunLinkInfo& tun);
Napi::Object VxlanToObject(Napi::Env env, const VxlanLinkInfo& vxlan);
Napi::Object BridgePortToObject(Napi::Env env, const BridgePortInfo& port);

}  // namespace tapfd

#endif  // TAPFD_NODE_LINK_DETAILS_H_
