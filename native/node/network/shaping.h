// How a network behaves: the shaping of its links, and its sysctls.

#ifndef TAPFD_NODE_NETWORK_SHAPING_H_
#define TAPFD_NODE_NETWORK_SHAPING_H_

#include <napi.h>

namespace tapfd {

void RegisterShaping(Napi::Env env, Napi::Object exports);

}  // namespace tapfd

#endif  // TAPFD_NODE_NETWORK_SHAPING_H_
