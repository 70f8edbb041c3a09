/* A disk between a program and its files, loaded before the C library: it keeps what was synced, and fills
 * up or fails when asked to.
 *
 * DISK_DIR    the directory whose files stand on this disk
 * DISK_IMAGE  where each of those files is kept as it was when it was last synced: what a power cut leaves;
 *             the files `full`, `sync-fails`, `sync-ignored` and `read-only` there turn the faults on
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

static int asked(const char *fault) {
    char path[4096];
    const char *image = getenv("DISK_IMAGE");
    if (!image) return 0;
    snprintf(path, sizeof path, "%s/%s", image, fault);
    return access(path, F_OK) == 0;
}

/* The name of a file of this disk within its directory. */
static const char *on_disk(const char *path) {
    const char *dir = getenv("DISK_DIR");
    size_t length = dir ? strlen(dir) : 0;
    return length && !strncmp(path, dir, length) && path[length] == '/' ? path + length + 1 : NULL;
}

static const char *name_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    return on_disk(path);
}

static int sync_to_image(int fd, int (*real)(int)) {
    char path[4096], part[4200], whole[4200], bytes[65536];
    const char *name = name_of(fd, path, sizeof path);
    if (!name) return real(fd);
    if (asked("sync-ignored")) return 0;
    if (asked("sync-fails")) { errno = EIO; return -1; }
    snprintf(whole, sizeof whole, "%s/%s", getenv("DISK_IMAGE"), name);
    snprintf(part, sizeof part, "%s.part", whole);
    int from = open(path, O_RDONLY);
    int to = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t got = -1;
    while (from >= 0 && to >= 0 && (got = read(from, bytes, sizeof bytes)) > 0)
        if (write(to, bytes, got) != got) { got = -1; break; }
    if (from >= 0) close(from);
    if (to >= 0) close(to);
    if (got == 0) return rename(part, whole);
    errno = EIO;
    return -1;
}

int fdatasync(int fd) { return sync_to_image(fd, REAL("fdatasync", int (*)(int))); }
int fsync(int fd) { return sync_to_image(fd, REAL("fsync", int (*)(int))); }

/* Shared memory beside the tables is no part of the disk: it is made anew at each start. */
static int refuses(int fd) {
    char path[4096];
    const char *name = name_of(fd, path, sizeof path);
    if (!name || strstr(name, "-shm") || !asked("full")) return 0;
    errno = ENOSPC;
    return 1;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    return refuses(fd) ? -1 : REAL("write", ssize_t (*)(int, const void *, size_t))(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
    return refuses(fd) ? -1 : REAL("pwrite", ssize_t (*)(int, const void *, size_t, off_t))(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    return refuses(fd) ? -1 : REAL("pwrite64", ssize_t (*)(int, const void *, size_t, off64_t))(fd, bytes, size, at);
}

static int opened(const char *symbol, const char *path, int flags, mode_t mode) {
    if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) && on_disk(path) && asked("read-only")) {
        errno = EROFS;
        return -1;
    }
    return REAL(symbol, int (*)(const char *, int, ...))(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened("open", path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened("open64", path, flags, mode);
}
