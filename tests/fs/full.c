/* Loaded before the C library: a disk without room for the files below FULL_DIR, for as long as the file FULL is there.
 *
 * Names can still be made and removed there, as on a disk that has inodes left; content and syncs fail.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_full(int fd) {
    char link[64], path[4096];
    const char *below = getenv("FULL_DIR"), *full = getenv("FULL");
    int before = errno;
    if (!below || !full) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    int there = length > 0 && !access(full, F_OK);
    errno = before;
    if (!there) return 0;
    path[length] = 0;
    if (strncmp(path, below, strlen(below))) return 0;
    errno = ENOSPC;
    return 1;
}

#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))

ssize_t write(int fd, const void *bytes, size_t count) {
    return is_full(fd) ? -1 : NEXT(ssize_t (*)(int, const void *, size_t), "write")(fd, bytes, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    return is_full(fd) ? -1 : NEXT(ssize_t (*)(int, const struct iovec *, int), "writev")(fd, parts, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    if (is_full(fd)) return -1;
    return NEXT(ssize_t (*)(int, const void *, size_t, off64_t), "pwrite64")(fd, bytes, count, at);
}

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *to_at, size_t count, unsigned flags) {
    if (is_full(to)) return -1;
    return NEXT(ssize_t (*)(int, off64_t *, int, off64_t *, size_t, unsigned), "copy_file_range")(
        from, at, to, to_at, count, flags);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t count) {
    return is_full(to) ? -1 : NEXT(ssize_t (*)(int, int, off64_t *, size_t), "sendfile64")(to, from, at, count);
}

int fsync(int fd) {
    return is_full(fd) ? -1 : NEXT(int (*)(int), "fsync")(fd);
}

int fdatasync(int fd) {
    return is_full(fd) ? -1 : NEXT(int (*)(int), "fdatasync")(fd);
}
