// Calls of JavaScript from the event loop, with no JavaScript below.

#ifndef TAPFD_NODE_POLL_CALLBACK_H_
#define TAPFD_NODE_POLL_CALLBACK_H_

#include <napi.h>

#include <initializer_list>
#include <optional>

namespace tapfd {

// The asynchronous context that they belong to: that of its making.
class CallbackContext {
 public:
  CallbackContext(Napi::Env env, const char* name);
  // What is thrown is uncaught: there is no caller that could catch it.
  void Call(napi_value receiver, napi_value function, std::initializer_list<napi_value> arguments) const;

 private:
  const Napi::Env env_;
  // A runtime that is polled by a thread has entered its own kind already. napi_make_callback would crash
  // Deno.
  std::optional<Napi::AsyncContext> context_;
};

}  // namespace tapfd

#endif  // TAPFD_NODE_POLL_CALLBACK_H_
