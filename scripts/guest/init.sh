#!/bin/busybox sh
# The first process of the test guest: loads the network card's driver, then runs what comes over the serial console.
#
# One line is one command: "ID COMMAND". Answer: a line "<ID>", the command's output, a line "</ID STATUS>". The sender
# chooses an ID that no output contains.

/bin/busybox mkdir -p /proc /sys /dev /tmp /bin /sbin /usr/bin /usr/sbin
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
# devtmpfs covers the console this shell started on: the same device, opened anew.
exec </dev/console >/dev/console 2>&1
stty -echo -icanon -icrnl -onlcr
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/ TERM=dumb

# A kernel that has its card's driver built in, such as User-mode Linux, says so.
grep -q tapfd.modules=none /proc/cmdline && rm -rf /modules
for module in /modules/*; do
  [ -e "$module" ] || continue
  if ! insmod "$module"; then
    echo "cannot load $module"
    poweroff -f
  fi
done
ip link set lo up

# A guest that its host forgot ends by itself: the host process may be killed before it can end the guest.
lifetime=$(sed -n 's/.*tapfd\.lifetime=\([0-9]*\).*/\1/p' /proc/cmdline)
(
  sleep "${lifetime:-600}"
  poweroff -f
) </dev/null >/dev/null 2>&1 &

echo 'tapfd guest is ready'
while IFS= read -r line; do
  id=${line%% *}
  printf '\n<%s>\n' "$id"
  (eval "${line#* }") </dev/null 2>&1
  printf '\n</%s %d>\n' "$id" "$?"
done
poweroff -f
