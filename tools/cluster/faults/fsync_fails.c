// Preloaded into an instance: while the file named by CHAOS_FSYNC_FAILS exists,
// every fsync and fdatasync fails with EIO, and adds a byte to that file.
// etcd is not under it: Go makes its own system calls.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int Fails(void) {
  const char* path = getenv("CHAOS_FSYNC_FAILS");
  int file = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file < 0) return 0;
  if (write(file, "x", 1) != 1) abort();
  close(file);
  errno = EIO;
  return 1;
}

int fsync(int file) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  return Fails() ? -1 : real(file);
}

int fdatasync(int file) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  return Fails() ? -1 : real(file);
}
