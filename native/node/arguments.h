// Reads arguments that src/ has checked.
//
// A worker may be terminated between any two calls of Node-API. From then on, calls that read from objects
// fail and return empty values, and node-addon-api aborts the process when an empty value is used. These
// functions treat an empty value as absent instead. Incomplete arguments must not be acted on: RunAsync
// (node/async.h) then does nothing.

#ifndef TAPFD_NODE_ARGUMENTS_H_
#define TAPFD_NODE_ARGUMENTS_H_

#include <napi.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "links/address.h"
#include "sys/mac_address.h"

namespace tapfd {

inline Napi::Value ValueIn(const Napi::Object& object, const char* key) {
  return object.IsEmpty() ? Napi::Value() : object.Get(key);
}

inline Napi::Object ObjectIn(const Napi::Object& object, const char* key) {
  return ValueIn(object, key).As<Napi::Object>();
}

inline std::vector<Napi::Value> ElementsOf(const Napi::Value& value) {
  std::vector<Napi::Value> elements;
  if (!value.IsArray()) return elements;
  auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) elements.push_back(array.Get(i));
  return elements;
}

template <typename T>
std::optional<T> NumberFrom(const Napi::Value& value) {
  if (!value.IsNumber()) return std::nullopt;
  return static_cast<T>(value.As<Napi::Number>().Int64Value());
}

inline std::optional<bool> BooleanFrom(const Napi::Value& value) {
  if (!value.IsBoolean()) return std::nullopt;
  return value.As<Napi::Boolean>().Value();
}

inline std::optional<std::string> StringFrom(const Napi::Value& value) {
  if (!value.IsString()) return std::nullopt;
  return value.As<Napi::String>().Utf8Value();
}

inline std::optional<MacAddress> MacFrom(const Napi::Value& value) {
  if (!value.IsTypedArray()) return std::nullopt;
  auto bytes = value.As<Napi::Uint8Array>();
  MacAddress mac{};
  if (bytes.ByteLength() != mac.size()) return std::nullopt;
  std::copy_n(bytes.Data(), mac.size(), mac.begin());
  return mac;
}

template <typename T>
std::optional<T> NumberIn(const Napi::Object& object, const char* key) {
  return NumberFrom<T>(ValueIn(object, key));
}

inline std::optional<bool> BooleanIn(const Napi::Object& object, const char* key) {
  return BooleanFrom(ValueIn(object, key));
}

inline std::optional<std::string> StringIn(const Napi::Object& object, const char* key) {
  return StringFrom(ValueIn(object, key));
}

inline std::optional<IpBytes> IpBytesFrom(const Napi::Value& value, size_t size) {
  if (!value.IsTypedArray()) return std::nullopt;
  Napi::Uint8Array from = value.As<Napi::Uint8Array>();
  IpBytes bytes{};
  if (from.ByteLength() != size) return std::nullopt;
  std::memcpy(bytes.data(), from.Data(), size);
  return bytes;
}

inline std::optional<IpPrefix> IpPrefixFrom(const Napi::Object& object) {
  Napi::Value value = ValueIn(object, "address");
  if (!value.IsTypedArray()) return std::nullopt;
  size_t size = value.As<Napi::Uint8Array>().ByteLength();
  if (size != 4 && size != 16) return std::nullopt;
  IpPrefix prefix;
  prefix.family = size == 4 ? AF_INET : AF_INET6;
  prefix.address = IpBytesFrom(value, size).value_or(IpBytes{});
  prefix.prefix_length = NumberIn<uint8_t>(object, "prefixLength").value_or(0);
  prefix.peer = IpBytesFrom(ValueIn(object, "peer"), size);
  prefix.broadcast = IpBytesFrom(ValueIn(object, "broadcast"), size);
  prefix.no_dad = BooleanIn(object, "noDad").value_or(false);
  prefix.valid_lifetime = NumberIn<uint32_t>(object, "validLifetimeSec");
  prefix.preferred_lifetime = NumberIn<uint32_t>(object, "preferredLifetimeSec");
  return prefix;
}

}  // namespace tapfd

#endif  // TAPFD_NODE_ARGUMENTS_H_
