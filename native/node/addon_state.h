// The addon's state in one environment (the main thread, or one worker). There are no mutable statics.

#ifndef TAPFD_NODE_ADDON_STATE_H_
#define TAPFD_NODE_ADDON_STATE_H_

#include <napi.h>

#include <map>
#include <memory>
#include <set>
#include <string>

#include "frames/io.h"
#include "node/async.h"
#include "sys/namespace_file.h"

namespace tapfd {

// The memory that bursts are read into: shared by all queues of an environment, since no two bursts overlap.
struct BurstMemory {
  Napi::FunctionReference take_slab;  // (minBytes) => Buffer, never given to two slabs' worth of frames
  Napi::Reference<Napi::Value> slab_buffer;  // keeps the current slab's memory alive
  Slab slab;                                 // the current slab; its data is looked up again for each burst
  Napi::Reference<Napi::Value> spans_array;  // Uint32Array of [offset, length] pairs
  uint32_t* spans = nullptr;
  uint32_t spans_capacity = 0;  // pairs
  std::unique_ptr<uint8_t[]> spill;
};

class ThreadLoop;
class FrameQueue;
class FdBundle;
class FdSocket;
class NamespaceHandle;

struct AddonState {
  // Shared with pool threads, whose last step may outlive the environment.
  std::shared_ptr<AsyncCalls> async_calls = std::make_shared<AsyncCalls>();
  // Polls in place of libuv where that cannot. Shared: handles may be destroyed after this state.
  std::shared_ptr<ThreadLoop> thread_loop;
  BurstMemory bursts;
  std::shared_ptr<std::set<FrameQueue*>> queues = std::make_shared<std::set<FrameQueue*>>();
  std::shared_ptr<std::set<FdSocket*>> fd_sockets = std::make_shared<std::set<FdSocket*>>();
  // What holds a descriptor and is left to the garbage collector, which other runtimes do not run at the end.
  std::shared_ptr<std::set<NamespaceHandle*>> namespace_handles =
      std::make_shared<std::set<NamespaceHandle*>>();
  std::shared_ptr<std::set<FdBundle*>> fd_bundles = std::make_shared<std::set<FdBundle*>>();
  Napi::FunctionReference namespace_handle;  // constructor
  Napi::FunctionReference frame_queue;       // constructor
  Napi::FunctionReference link_watch;        // constructor
  Napi::FunctionReference fd_socket;         // constructor
  Napi::FunctionReference fd_bundle;         // constructor
  // The namespaces that this environment has made and not removed, by path: removed when it ends.
  std::map<std::string, std::unique_ptr<NamespaceFile>> namespace_files;
};

inline AddonState& StateOf(Napi::Env env) {
  return *env.GetInstanceData<AddonState>();
}

}  // namespace tapfd

#endif  // TAPFD_NODE_ADDON_STATE_H_
