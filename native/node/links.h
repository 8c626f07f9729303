// rtnetlink for JavaScript: links, addresses, the watch. The calls that open devices use the conversions too.

#ifndef TAPFD_NODE_LINKS_H_
#define TAPFD_NODE_LINKS_H_

#include <napi.h>

#include <vector>

#include "links/address.h"
#include "links/link.h"

namespace tapfd {

// The object of src/base/native-links.ts `NativeLink`.
Napi::Object LinkToObject(Napi::Env env, const Link& link);
// From src/base/native-links.ts `NativeLinkChanges`, already checked by TypeScript.
LinkChanges LinkChangesFromObject(const Napi::Object& object);
// From an array of src/base/native-links.ts `NativeIpPrefix`.
std::vector<IpPrefix> IpPrefixesFromArray(const Napi::Value& value);

void RegisterLinks(Napi::Env env, Napi::Object exports);

}  // namespace tapfd

#endif  // TAPFD_NODE_LINKS_H_
