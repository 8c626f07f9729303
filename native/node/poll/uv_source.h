// Polling by libuv, on the environment's own loop. No other file uses libuv.

#ifndef TAPFD_NODE_POLL_UV_SOURCE_H_
#define TAPFD_NODE_POLL_UV_SOURCE_H_

#include <napi.h>

#include "node/poll/source.h"

namespace tapfd {

Result<PollSource*> OpenUvSource(Napi::Env env, int fd, PollListener* listener);

}  // namespace tapfd

#endif  // TAPFD_NODE_POLL_UV_SOURCE_H_
