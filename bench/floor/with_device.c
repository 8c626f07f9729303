// Opens a device, which plain Node cannot do, and runs a program with its blocking descriptor as number 3.
//
//     with_device NAME KIND PROGRAM ARGUMENT...

#include "device.h"

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  int fd = open_device(NULL, argv[1], argv[2], true);
  if (fd == 3) {
    if (fcntl(fd, F_SETFD, 0) != 0) die("fcntl");
  } else if (dup2(fd, 3) != 3) {
    die("dup2");
  }
  execvp(argv[3], argv + 3);
  die(argv[3]);
}
