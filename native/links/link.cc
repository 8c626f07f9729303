#include "links/link.h"

#include <net/if.h>

#include <cerrno>
#include <utility>

#include "links/link_request.h"

namespace tapfd {

namespace {

Status SetUpFlag(RtnlSocket& socket, int index, bool up) {
  RtnlMessage message(RTM_SETLINK, 0, LinkHeader(index, up ? IFF_UP : 0, IFF_UP));
  return socket.Tell(message);
}

Result<Link> AskForLink(RtnlSocket& socket, RtnlMessage& request) {
  Result<std::vector<RtnlReply>> replies = socket.Ask(request);
  if (!replies.ok()) return replies.failure();
  for (const RtnlReply& reply : replies.value()) {
    if (std::optional<Link> link = LinkFromMessage(reply.view())) return std::move(*link);
  }
  return Failure::FromError(ENODEV, "rtnetlink RTM_GETLINK");
}

}  // namespace

Result<LinkList> ListLinks(RtnlSocket& socket) {
  RtnlMessage request(RTM_GETLINK, 0, LinkHeader());
  Result<RtnlList> found = socket.Dump(request);
  if (!found.ok()) return found.failure();
  LinkList list{{}, found.value().consistent};
  for (const RtnlReply& reply : found.value().replies) {
    if (std::optional<Link> link = LinkFromMessage(reply.view())) list.links.push_back(std::move(*link));
  }
  return list;
}

Result<Link> GetLink(RtnlSocket& socket, int index) {
  RtnlMessage request(RTM_GETLINK, 0, LinkHeader(index));
  return AskForLink(socket, request);
}

Result<Link> GetLinkByName(RtnlSocket& socket, const std::string& name) {
  RtnlMessage request(RTM_GETLINK, 0, LinkHeader());
  // Either finds both kinds of names; the first takes 15 bytes.
  request.PutString(name.size() < IFNAMSIZ ? IFLA_IFNAME : IFLA_ALT_IFNAME, name);
  Result<Link> link = AskForLink(socket, request);
  if (!link.ok()) link.failure().interface = name;
  return link;
}

Status SetLink(RtnlSocket& socket, int index, const LinkChanges& changes) {
  if (changes.empty()) {
    Result<Link> link = GetLink(socket, index);
    return link.ok() ? Status(Done{}) : Status(link.failure());
  }
  std::string kind;
  if (changes.macvlan_mode) {
    Result<Link> link = GetLink(socket, index);
    if (!link.ok()) return link.failure();
    kind = link.value().kind;
    if (!link.value().macvlan_mode) {
      return Failure::FromError(EOPNOTSUPP, "rtnetlink RTM_NEWLINK")
          .WithInterface(link.value().name)
          .WithMessage("only macvlan and macvtap links have a mode");
    }
  }
  LinkChanges rest = changes;
  rest.up.reset();
  bool in_one = changes.netns_fd || rest.empty();
  if (changes.up && !in_one && !*changes.up) {
    Status down = SetUpFlag(socket, index, false);
    if (!down.ok()) return down;
  }
  RtnlMessage message = ChangeMessage(index, changes, kind, in_one);
  Status changed = socket.Tell(message);
  if (!changed.ok()) return changed;
  if (changes.up && !in_one && *changes.up) return SetUpFlag(socket, index, true);
  return Done{};
}

Status RemoveLink(RtnlSocket& socket, int index) {
  RtnlMessage request(RTM_DELLINK, 0, LinkHeader(index));
  return socket.Tell(request);
}

Status RemoveOwnLink(RtnlSocket& socket, const LinkIdentity& own) {
  Result<Link> link = GetLink(socket, own.index);
  if (!link.ok()) return link.failure();
  bool is_own = link.value().kind == own.kind && link.value().lower == own.lower.value_or(link.value().lower);
  if (!is_own) return Done{};
  return RemoveLink(socket, own.index);
}

}  // namespace tapfd
