// watchLinks for JavaScript: a watch polled on the environment's event loop.

#ifndef TAPFD_NODE_LINK_WATCH_H_
#define TAPFD_NODE_LINK_WATCH_H_

#include <napi.h>

namespace tapfd {

void RegisterLinkWatch(Napi::Env env, Napi::Object exports);

}  // namespace tapfd

#endif  // TAPFD_NODE_LINK_WATCH_H_
