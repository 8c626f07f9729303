// The messages that make and change links, and the header that every message about links begins with.

#ifndef TAPFD_LINKS_LINK_REQUEST_H_
#define TAPFD_LINKS_LINK_REQUEST_H_

#include <linux/rtnetlink.h>

#include <string>

#include "links/link.h"
#include "links/rtnl/message.h"

namespace tapfd {

ifinfomsg LinkHeader(int index = 0, unsigned flags = 0, unsigned change = 0);

// What the kernel takes as it makes the link; everything else in `changes` is set afterwards.
RtnlMessage NewLinkMessage(const NewLink& link, const std::string& name);
LinkChanges ChangesLeftAfterCreation(const NewLink& link);

// `kind` is needed for the mode only. In one message the kernel sets the flags before the master, so
// `with_up` is for when nothing else is left, or when the link leaves this namespace and cannot be reached by
// a second message.
RtnlMessage ChangeMessage(int index, const LinkChanges& changes, const std::string& kind, bool with_up);

}  // namespace tapfd

#endif  // TAPFD_LINKS_LINK_REQUEST_H_
