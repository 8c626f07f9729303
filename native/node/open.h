// The opening calls for JavaScript: settings in, an open queue with what is known of its device out.

#ifndef TAPFD_NODE_OPEN_H_
#define TAPFD_NODE_OPEN_H_

#include <napi.h>

namespace tapfd {

// openTap, openTapQueue, openMacvtap, openMacvtapQueue, adoptQueue.
void RegisterOpen(Napi::Env env, Napi::Object exports);

}  // namespace tapfd

#endif  // TAPFD_NODE_OPEN_H_
