// The messages that create and change links, and the header at the start of every message about links.

#ifndef TAPFD_LINKS_LINK_REQUEST_H_
#define TAPFD_LINKS_LINK_REQUEST_H_

#include <linux/rtnetlink.h>

#include <string>

#include "links/link.h"
#include "links/rtnl/message.h"

namespace tapfd {

ifinfomsg LinkHeader(int index = 0, unsigned flags = 0, unsigned change = 0);

// What the kernel accepts when it creates the link; everything else in `changes` is set afterwards.
RtnlMessage NewLinkMessage(const NewLink& link, const std::string& name);
LinkChanges ChangesLeftAfterCreation(const NewLink& link);

// `kind` is needed for the mode only. Within one message the kernel sets the flags before the master, so
// `with_up` is for when nothing else is to be set, or when the link leaves this namespace and a second
// message could not reach it.
RtnlMessage ChangeMessage(int index, const LinkChanges& changes, const std::string& kind, bool with_up);

}  // namespace tapfd

#endif  // TAPFD_LINKS_LINK_REQUEST_H_
