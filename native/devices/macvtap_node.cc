#include "devices/macvtap_node.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "devices/tun_ioctl.h"

namespace tapfd {

namespace {

Failure WrongDevice(const std::string& interface, const std::string& why) {
  return Failure::Refused("ERR_TAPFD_WRONG_DEVICE", why).WithInterface(interface);
}

// A new instance of a file system that is mounted nowhere in the tree and goes away with its descriptor
// (Linux 5.2).
Result<Fd> DetachedMount(const char* type) {
  Fd context(static_cast<int>(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)));
  if (!context.valid()) return Failure::FromErrno("fsopen").WithPath(type);
  if (syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return Failure::FromErrno("fsconfig").WithPath(type);
  }
  Fd mount(static_cast<int>(syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
  if (!mount.valid()) return Failure::FromErrno("fsmount").WithPath(type);
  return mount;
}

Result<std::string> ReadSmallFile(int directory, const std::string& path) {
  Fd file(openat(directory, path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return Failure::FromErrno("openat").WithPath(path);
  char text[256];
  ssize_t length = read(file.get(), text, sizeof text);
  if (length < 0) return Failure::FromErrno("read").WithPath(path);
  while (length > 0 && text[length - 1] == '\n') --length;
  return std::string(text, static_cast<size_t>(length));
}

bool SysfsAgrees(int sysfs, const Link& link) {
  std::string folder = "class/net/" + link.name + "/";
  Result<std::string> index = ReadSmallFile(sysfs, folder + "ifindex");
  if (!index.ok() || index.value() != std::to_string(link.index)) return false;
  Result<std::string> address = ReadSmallFile(sysfs, folder + "address");
  return !link.mac || (address.ok() && address.value() == FormatMac(*link.mac));
}

// Without the privilege to mount a private sysfs, the one on /sys is used, but only if it shows exactly this
// namespace's links: a mount made in another namespace would give that one's device numbers.
Status CheckMountedSysfs(RtnlSocket& socket, int sysfs, const std::string& interface) {
  Result<LinkList> list = ListLinks(socket);
  if (!list.ok()) return list.failure();
  const std::vector<Link>& links = list.value().links;
  Fd folder(openat(sysfs, "class/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::unique_ptr<DIR, int (*)(DIR*)> entries(folder.valid() ? fdopendir(folder.get()) : nullptr, closedir);
  if (entries) folder.Release();  // closedir() closes it
  size_t shown = 0;
  while (entries) {
    const dirent* entry = readdir(entries.get());
    if (entry == nullptr) break;
    // `bonding_masters` is a plain file among the links.
    if (entry->d_name[0] != '.' && entry->d_type != DT_REG) ++shown;
  }
  bool same = shown == links.size();
  for (const Link& link : links) same = same && SysfsAgrees(sysfs, link);
  if (same) return Done{};
  return WrongDevice(
      interface,
      "the sysfs mounted on /sys shows another network namespace, and mounting the right one needs "
      "CAP_SYS_ADMIN (in a user namespace: together with its own mount namespace, unshare --mount)");
}

Result<Fd> OpenSysfs(RtnlSocket& socket, const std::string& interface) {
  // A new sysfs shows the namespace of the thread that mounts it.
  Result<Fd> own = DetachedMount("sysfs");
  if (own.ok() || (own.failure().error != EPERM && own.failure().error != ENOSYS)) return own;
  Fd mounted(open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!mounted.valid()) return Failure::FromErrno("open").WithPath("/sys");
  Status checked = CheckMountedSysfs(socket, mounted.get(), interface);
  if (!checked.ok()) return checked.failure();
  return mounted;
}

// The device number of the link's node, from the link's own namespace.
Result<dev_t> DeviceNumber(RtnlSocket& socket, const Link& link) {
  Result<Fd> sysfs = OpenSysfs(socket, link.name);
  if (!sysfs.ok()) return sysfs.failure();
  if (!SysfsAgrees(sysfs.value().get(), link)) {
    return WrongDevice(link.name,
                       "sysfs and rtnetlink disagree about " + link.name + ": it changed in the meantime");
  }
  std::string folder = "class/net/" + link.name + "/macvtap/tap" + std::to_string(link.index);
  Result<std::string> text = ReadSmallFile(sysfs.value().get(), folder + "/dev");
  if (!text.ok()) return std::move(text.failure()).WithInterface(link.name);
  unsigned major_number = 0, minor_number = 0;
  if (std::sscanf(text.value().c_str(), "%u:%u", &major_number, &minor_number) != 2) {
    return WrongDevice(link.name, "sysfs gives no device number for " + link.name);
  }
  return makedev(major_number, minor_number);
}

bool IsDevice(int fd, dev_t number) {
  struct stat st;
  return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == number;
}

// Creates and opens a node with this number where nothing else can see it.
Result<Fd> OpenPrivateNode(dev_t number, const std::string& interface) {
  Result<Fd> mount = DetachedMount("tmpfs");
  if (!mount.ok()) {
    return WrongDevice(interface, "/dev has no node for " + interface +
                                      " (or another device's), and making one privately needs CAP_SYS_ADMIN");
  }
  if (mknodat(mount.value().get(), "tap", S_IFCHR | 0600, number) != 0) {
    if (errno == EPERM) {
      return WrongDevice(interface,
                         "/dev has no node for " + interface +
                             " (or another device's), and making one needs CAP_MKNOD, and a device "
                             "cgroup that allows it");
    }
    return Failure::FromErrno("mknodat").WithInterface(interface);
  }
  Fd node(openat(mount.value().get(), "tap", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!node.valid()) return Failure::FromErrno("openat").WithInterface(interface);
  return node;
}

Result<Fd> OpenNode(dev_t number, const Link& link) {
  std::string path = "/dev/tap" + std::to_string(link.index);
  // O_PATH inspects without opening: opening another tenant's node, even for a moment, would take some of its
  // traffic.
  Fd found(open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!found.valid() || !IsDevice(found.get(), number)) return OpenPrivateNode(number, link.name);
  std::string reopen = "/proc/self/fd/" + std::to_string(found.get());
  Fd node(open(reopen.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!node.valid()) return Failure::FromErrno("open").WithPath(path).WithInterface(link.name);
  return node;
}

}  // namespace

Status ProveMacvtapNode(RtnlSocket& socket, const Link& link, int fd) {
  // The number is read while the descriptor is open. A link keeps its number as long as it stays in its
  // namespace (macvtap.c assigns it at NETDEV_REGISTER), and no other link has it meanwhile: equality, with
  // name and MAC from the descriptor itself, proves that a descriptor opened there belongs to this link. A
  // descriptor from before a move still shows the old number: if a later link has that number, only name and
  // MAC distinguish the two.
  Result<dev_t> number = DeviceNumber(socket, link);
  if (!number.ok()) return number.failure();
  if (!IsDevice(fd, number.value())) {
    return WrongDevice(link.name, "the descriptor is not the node of " + link.name);
  }
  Result<AttachedInterface> attached = GetInterface(fd);
  if (!attached.ok()) return std::move(attached.failure()).WithInterface(link.name);
  Result<MacAddress> mac = GetMac(fd);
  if (!mac.ok()) return std::move(mac.failure()).WithInterface(link.name);
  if (attached.value().name != link.name || (link.mac && mac.value() != *link.mac)) {
    return WrongDevice(link.name, "the descriptor's interface is " + attached.value().name + " with MAC " +
                                      FormatMac(mac.value()) + ", not " + link.name);
  }
  return Done{};
}

Result<Fd> OpenMacvtapNode(RtnlSocket& socket, const Link& link) {
  Result<dev_t> number = DeviceNumber(socket, link);
  if (!number.ok()) return number.failure();
  Result<Fd> node = OpenNode(number.value(), link);
  if (!node.ok()) return node;
  Status proved = ProveMacvtapNode(socket, link, node.value().get());
  if (!proved.ok()) return proved.failure();
  return node;
}

}  // namespace tapfd
