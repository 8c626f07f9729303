// The calls that open devices for JavaScript: they take settings and return an open queue with the facts of
// its device.

#ifndef TAPFD_NODE_OPEN_H_
#define TAPFD_NODE_OPEN_H_

#include <napi.h>

namespace tapfd {

// openTap, openTapQueue, openMacvtap, openMacvtapQueue, adoptQueue.
void RegisterOpen(Napi::Env env, Napi::Object exports);

}  // namespace tapfd

#endif  // TAPFD_NODE_OPEN_H_
