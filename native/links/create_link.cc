// Creates a link: chooses its names, makes it in its namespace, and removes it again when a step fails.

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>

#include <cerrno>
#include <cstdio>
#include <random>
#include <set>
#include <utility>

#include "links/link.h"
#include "links/link_request.h"
#include "sys/net_namespace.h"

namespace tapfd {

namespace {

// ---- names ----

// Numbers tried for one %d; the kernel itself tries eight pages of bits (net/core/dev.c __dev_alloc_name).
constexpr int kMaxNumbers = 32768;

Result<std::set<std::string>> NamesInUse(RtnlSocket& socket) {
  RtnlMessage request(RTM_GETLINK, 0, LinkHeader());
  request.PutU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  // A name that is missing from an inconsistent list, or taken since, fails with EEXIST and is skipped then.
  Result<RtnlList> list = socket.Dump(request, std::chrono::milliseconds(0));
  if (!list.ok()) return list.failure();
  std::set<std::string> names;
  for (const RtnlReply& reply : list.value().replies) {
    RtnlAttributes attributes = reply.view().Attributes<ifinfomsg>();
    RtnlAttribute attribute;
    while (attributes.Next(&attribute)) {
      if (attribute.type == IFLA_IFNAME) names.insert(attribute.Text());
    }
  }
  return names;
}

// The requested name, with the lowest free number instead of its %d. The number is chosen here and not by the
// kernel, so that the link's name is known in advance, and because the kernel names a veth's peer first:
// "veth0" and "veth%d" would always collide.
class NameChoice {
 public:
  // In the namespace of `socket`.
  NameChoice(RtnlSocket& socket, const std::string& wanted) : socket_(socket), wanted_(wanted) {
    place_ = wanted.find("%d");
  }

  // Known before the other end's name is chosen; empty if this one is to be chosen, too.
  std::string fixed() const { return is_template() ? "" : wanted_; }

  // Never `besides`, the other end's name in the same namespace.
  Result<std::string> Next(const std::string& besides = "") {
    if (!is_template()) return wanted_;
    if (!used_) {
      Result<std::set<std::string>> used = NamesInUse(socket_);
      if (!used.ok()) return used.failure();
      used_ = std::move(used.value());
    }
    for (int number = 0; number < kMaxNumbers; number++) {
      std::string name = wanted_;
      name.replace(place_, 2, std::to_string(number));
      if (name.size() >= IFNAMSIZ) break;
      if (name != besides && used_->count(name) == 0) return name;
    }
    return Failure::FromError(ENFILE, "rtnetlink RTM_NEWLINK")
        .WithMessage("no number is free for " + wanted_);
  }
  // After EEXIST, which may be about something else than the name (a vxlan id): whether to try another name.
  bool Skip(const std::string& name) {
    // Taken since, or another link's alternative name.
    if (!is_template() || !GetLinkByName(socket_, name).ok()) return false;
    used_->insert(name);
    return true;
  }

 private:
  bool is_template() const { return place_ != std::string::npos; }

  RtnlSocket& socket_;
  std::string wanted_;
  size_t place_;
  std::optional<std::set<std::string>> used_;
};

// For a link whose index is unknown.
void RemoveByName(RtnlSocket& socket, const std::string& name) {
  RtnlMessage request(RTM_DELLINK, 0, LinkHeader());
  request.PutString(IFLA_IFNAME, name);
  socket.Tell(request);
}

// Makes the link under exactly `name`, and returns its index in `home`, where it will be.
Result<int> CreateNamed(RtnlSocket& socket, const NewLink& link, const std::string& name, RtnlSocket& home) {
  RtnlMessage request = NewLinkMessage(link, name);
  Result<std::vector<RtnlReply>> replies = socket.Ask(request);
  if (!replies.ok()) return replies.failure();
  for (const RtnlReply& reply : replies.value()) {
    auto header = reply.view().Fixed<ifinfomsg>();
    if (reply.header.nlmsg_type == RTM_NEWLINK && header) return header->ifi_index;
  }
  // Kernels before 6.2 do not echo the new link, nor do later ones for vxlan or a link in another namespace;
  // NLM_F_EXCL guarantees that the link of this name is ours.
  Result<Link> made = GetLinkByName(home, name);
  if (made.ok()) return made.value().index;
  // ENODEV: somebody has removed or renamed it, and the name may be another link's by now.
  if (made.failure().error != ENODEV) RemoveByName(home, name);
  return made.failure();
}

// A link whose name is taken in the namespace of the request is made under this one and renamed: kernels that
// look for the name there refuse it (__rtnl_newlink in net/core/rtnetlink.c).
std::string StandInName() {
  char name[IFNAMSIZ];
  std::snprintf(name, sizeof name, "tapfd-%08x", std::random_device()());
  return name;
}

Result<int> CreateElsewhere(RtnlSocket& socket, const NewLink& link, const std::string& name,
                            RtnlSocket& home) {
  if (!GetLinkByName(socket, name).ok()) return CreateNamed(socket, link, name, home);
  // Nothing shall appear there for nothing.
  if (GetLinkByName(home, name).ok()) return Failure::FromError(EEXIST, "rtnetlink RTM_NEWLINK");
  Result<int> index = CreateNamed(socket, link, StandInName(), home);
  if (!index.ok()) return index;
  LinkChanges own_name;
  own_name.name = name;
  Status named = SetLink(home, index.value(), own_name);
  if (named.ok()) return index;
  RemoveOwnLink(home, {index.value(), link.kind, std::nullopt});
  return named.failure();
}

// `home` and `peer_home` are in the namespaces where the two ends will be.
Result<int> CreateUnderFreeNames(RtnlSocket& socket, NewLink link, RtnlSocket& home, RtnlSocket& peer_home) {
  NameChoice names(home, link.name.empty() ? link.kind + "%d" : link.name);
  NameChoice peer_names(peer_home, link.kind == "veth" && link.peer_name.empty() ? "veth%d" : link.peer_name);
  bool together = home.SharesNamespaceWith(peer_home);
  for (;;) {
    Result<std::string> name = names.Next(together ? peer_names.fixed() : "");
    if (!name.ok()) return name.failure();
    Result<std::string> peer_name = peer_names.Next(together ? name.value() : "");
    if (!peer_name.ok()) return peer_name.failure();
    link.peer_name = peer_name.value();
    Result<int> made = link.changes.netns_fd ? CreateElsewhere(socket, link, name.value(), home)
                                             : CreateNamed(socket, link, name.value(), home);
    if (made.ok()) return made;
    made.failure().interface = names.fixed();
    if (made.failure().error != EEXIST) return made;
    bool skipped = names.Skip(name.value());
    if (peer_names.Skip(peer_name.value()) || skipped) continue;
    // The kernel does not say whose name is taken.
    bool is_peers = !GetLinkByName(home, name.value()).ok() && !link.peer_name.empty() &&
                    GetLinkByName(peer_home, link.peer_name).ok();
    if (is_peers) made.failure().interface = link.peer_name;
    return made;
  }
}

// Opened in the namespace where a link will be.
Result<RtnlSocket> OpenSocketIn(int netns_fd) {
  Fd copy(fcntl(netns_fd, F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return Failure::FromErrno("fcntl F_DUPFD_CLOEXEC");
  Result<NetNamespace> target = NetNamespace::FromFd(std::move(copy), "the other namespace");
  if (!target.ok()) return target.failure();
  return RunInNamespace(target.value(), [] { return RtnlSocket::Open(); });
}

Result<Link> FinishNewLink(RtnlSocket& home, const LinkIdentity& made, const LinkChanges& changes) {
  Status set = SetLink(home, made.index, changes);
  Result<Link> finished = set.ok() ? GetLink(home, made.index) : Result<Link>(set.failure());
  if (!finished.ok()) RemoveOwnLink(home, made);
  return finished;
}

// TypeScript has checked them; text that is not an address must not produce a link without one.
bool IsAddressOrEmpty(const std::string& printed) {
  in6_addr address;
  return printed.empty() || inet_pton(AF_INET, printed.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, printed.c_str(), &address) == 1;
}

}  // namespace

Result<Link> CreateLink(RtnlSocket& socket, const NewLink& link) {
  if (!IsAddressOrEmpty(link.vxlan_remote) || !IsAddressOrEmpty(link.vxlan_local)) {
    return Failure::FromError(EINVAL, "rtnetlink RTM_NEWLINK")
        .WithMessage("a vxlan endpoint is not an IP address");
  }
  // Opened first: when a namespace cannot be entered, nothing is created.
  std::optional<RtnlSocket> target, peer_target;
  for (auto [fd, opened] :
       {std::pair(link.changes.netns_fd, &target), std::pair(link.peer_netns_fd, &peer_target)}) {
    if (!fd) continue;
    Result<RtnlSocket> other = OpenSocketIn(*fd);
    if (!other.ok()) return other.failure();
    *opened = std::move(other.value());
  }
  RtnlSocket& home = target ? *target : socket;
  Result<int> index = CreateUnderFreeNames(socket, link, home, peer_target ? *peer_target : socket);
  if (!index.ok()) return index.failure();
  // What the kernel takes for its lower device is another one: that of a veth is its peer, that of a macvlan
  // on a macvlan the device below both.
  Result<Link> finished =
      FinishNewLink(home, {index.value(), link.kind, std::nullopt}, ChangesLeftAfterCreation(link));
  bool named = !link.name.empty() && link.name.find("%d") == std::string::npos;
  if (!finished.ok() && named) finished.failure().interface = link.name;
  return finished;
}

}  // namespace tapfd
