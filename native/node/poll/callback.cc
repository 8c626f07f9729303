#include "node/poll/callback.h"

#include "node/addon_state.h"
#include "node/poll/thread_loop.h"

namespace tapfd {

CallbackContext::CallbackContext(Napi::Env env, const char* name) : env_(env) {
  if (StateOf(env).thread_loop == nullptr) context_.emplace(env, name);
}

void CallbackContext::Call(napi_value receiver, napi_value function,
                           std::initializer_list<napi_value> arguments) const {
  napi_status status =
      context_ ? napi_make_callback(env_, *context_, receiver, function, arguments.size(), arguments.begin(),
                                    nullptr)
               : napi_call_function(env_, receiver, function, arguments.size(), arguments.begin(), nullptr);
  if (status == napi_ok) return;
  bool pending = false;
  napi_value error = nullptr;
  // Nothing pending: the environment is ending, and there is nothing to report to.
  if (napi_is_exception_pending(env_, &pending) == napi_ok && pending &&
      napi_get_and_clear_last_exception(env_, &error) == napi_ok) {
    napi_fatal_exception(env_, error);
  }
}

}  // namespace tapfd
