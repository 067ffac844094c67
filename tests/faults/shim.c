/* Preloaded into a process under test: fails, cuts short or holds up what it does with files whose path contains
 * FAULTS_MATCH. What it does is told by a `struct control` in the file FAULTS_CONTROL, which the test changes while the
 * process runs; tests/support/faulty_disk.py writes it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { WRITE = 1, FSYNC = 2, READ = 4, SHORT = 8, TRUNCATE = 16, OPEN = 32, UNLINK = 64 };
enum { ANY_FILE, ONLY_WAL, NOT_WAL };

struct control {
    volatile int32_t operations; /* which of them are concerned; 0: none */
    volatile int32_t left;       /* how many more fail; -1: all */
    volatile int32_t error;      /* errno; 0: nothing fails, it is only held up */
    volatile int32_t files;
    volatile int32_t hang;       /* whether they are held up until that is switched off */
    volatile int32_t hits;
};

static struct control *control;
static const char *match;

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("FAULTS_CONTROL");
    match = getenv("FAULTS_MATCH");
    if (!path || !match) return;
    int (*open_)(const char *, int, ...) = next("open64");
    int file = open_(path, O_RDWR);
    void *mapped = mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) control = mapped;
    close(file);
}

/* Whether an operation on a path is to fail; holds it up first. */
static int hit(int operation, const char *path) {
    if (!control || !(control->operations & operation) || !strstr(path, match)) return 0;
    int wal = strstr(path, "-wal") != 0;
    if ((control->files == ONLY_WAL && !wal) || (control->files == NOT_WAL && wal)) return 0;
    if (control->left == 0) return 0;
    if (control->left > 0) control->left--;
    control->hits++;
    while (control->hang && control->operations & operation) usleep(5000);
    if (!control->error) return 0;
    errno = control->error;
    return 1;
}

static int hit_file(int operation, int file) {
    char link[64], path[PATH_MAX];
    if (!control || !(control->operations & operation)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return hit(operation, path);
}

ssize_t pwrite64(int file, const void *data, size_t size, off_t offset) {
    ssize_t (*real)(int, const void *, size_t, off_t) = next("pwrite64");
    if (hit_file(WRITE, file)) return -1;
    if (hit_file(SHORT, file)) {
        int error = errno;
        if (real(file, data, size / 2, offset) < 0) return -1;
        errno = error;
        return -1;
    }
    return real(file, data, size, offset);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t offset) { return pwrite64(file, data, size, offset); }

ssize_t write(int file, const void *data, size_t size) {
    ssize_t (*real)(int, const void *, size_t) = next("write");
    return file > 2 && hit_file(WRITE, file) ? -1 : real(file, data, size);
}

ssize_t pread64(int file, void *data, size_t size, off_t offset) {
    ssize_t (*real)(int, void *, size_t, off_t) = next("pread64");
    return hit_file(READ, file) ? -1 : real(file, data, size, offset);
}
ssize_t pread(int file, void *data, size_t size, off_t offset) { return pread64(file, data, size, offset); }

int fsync(int file) {
    int (*real)(int) = next("fsync");
    return hit_file(FSYNC, file) ? -1 : real(file);
}

int fdatasync(int file) {
    int (*real)(int) = next("fdatasync");
    return hit_file(FSYNC, file) ? -1 : real(file);
}

int ftruncate64(int file, off_t size) {
    int (*real)(int, off_t) = next("ftruncate64");
    return hit_file(TRUNCATE, file) ? -1 : real(file, size);
}
int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

int open64(const char *path, int flags, ...) {
    int (*real)(const char *, int, ...) = next("open64");
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return hit(OPEN, path) ? -1 : real(path, flags, mode);
}

int unlink(const char *path) {
    int (*real)(const char *) = next("unlink");
    return hit(UNLINK, path) ? -1 : real(path);
}
