/* LD_PRELOAD: writes down what is done to the files whose path contains $RECORD_MATCH, into the file $RECORD.
   Each entry is a struct entry, the path, and for a write its bytes; powerloss.py reads them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, TRUNCATE = 3, UNLINK = 4 };
struct entry { double time; int32_t operation, path; int64_t offset, length; };

static int record = -1;
static const char *match;
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int), (*real_fdatasync)(int), (*real_ftruncate)(int, off_t), (*real_unlink)(const char *);

__attribute__((constructor)) static void begin(void) {
  real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
  real_unlink = dlsym(RTLD_NEXT, "unlink");
  match = getenv("RECORD_MATCH");
  if (match && getenv("RECORD")) record = open(getenv("RECORD"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int wanted(int file, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = record < 0 ? -1 : readlink(link, path, PATH_MAX - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, match) != NULL;
}

static void note(int operation, const char *path, off_t offset, const void *bytes, size_t length) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  struct entry entry = {now.tv_sec + now.tv_nsec * 1e-9, operation, (int32_t)strlen(path), offset, (int64_t)length};
  struct iovec parts[3] = {{&entry, sizeof entry}, {(void *)path, entry.path}, {(void *)bytes, bytes ? length : 0}};
  if (writev(record, parts, 3) < 0) abort();
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off_t offset) {
  char path[PATH_MAX];
  ssize_t written = real_pwrite(file, bytes, length, offset);
  if (written > 0 && wanted(file, path)) note(WRITE, path, offset, bytes, written);
  return written;
}
ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset) { return pwrite64(file, bytes, length, offset); }

static int synced(int file, int failed) {
  char path[PATH_MAX];
  if (!failed && wanted(file, path)) note(SYNC, path, 0, NULL, 0);
  return failed;
}
int fsync(int file) { return synced(file, real_fsync(file)); }
int fdatasync(int file) { return synced(file, real_fdatasync(file)); }

int ftruncate64(int file, off_t length) {
  char path[PATH_MAX];
  int failed = real_ftruncate(file, length);
  if (!failed && wanted(file, path)) note(TRUNCATE, path, length, NULL, 0);
  return failed;
}
int ftruncate(int file, off_t length) { return ftruncate64(file, length); }

int unlink(const char *path) {
  int failed = real_unlink(path);
  if (!failed && record >= 0 && strstr(path, match)) note(UNLINK, path, 0, NULL, 0);
  return failed;
}
