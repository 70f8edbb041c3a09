/* A disk between a program and its files, loaded before the C library: it keeps what was synced, and fills
 * up or fails when asked to.
 *
 * DISK_DIR    the directory whose files stand on this disk
 * DISK_IMAGE  where each of those files is kept as it was when it was last synced: what a power cut leaves;
 *             the files `full`, `sync-fails`, `sync-ignored` and `read-only` there turn the faults on; `full-at`
 *             has the number of the write, from 1, at which the disk becomes full, counted since that was changed
 * DISK_ERROR  the number of the error of a full disk; without it that of one with no room left
 * DISK_CUT    at which sync of this process the power fails, from 1; before it nothing of what was written since
 *             the last one is kept, or, with DISK_TORN, some sectors of it: which, is decided by that number
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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

#define SECTOR 512

/* Puts the sectors that were on the disk before back into some places of `bytes`, read from `at` on. */
static void tear(char *bytes, ssize_t size, off_t at, int before, unsigned *random) {
    for (ssize_t sector = 0; sector < size; sector += SECTOR) {
        *random = *random * 1103515245u + 12345u;
        if (*random >> 16 & 1) continue;
        ssize_t length = size - sector < SECTOR ? size - sector : SECTOR;
        memset(bytes + sector, 0, length);
        if (before >= 0 && pread(before, bytes + sector, length, at + sector) < 0) return;
    }
}

/* Copies an open file to its image, whole or not at all; torn by `random`, if that is given. The file is not
 * opened again: closing any descriptor of it would drop the locks that SQLite holds on it. */
static int copy_to_image(int from, const char *name, unsigned *random) {
    char whole[4200], part[4300], bytes[65536];
    snprintf(whole, sizeof whole, "%s/%s", getenv("DISK_IMAGE"), name);
    snprintf(part, sizeof part, "%s.%d.part", whole, (int)getpid());
    int before = random ? open(whole, O_RDONLY) : -1;
    int to = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (to < 0) return -1;
    off_t at = 0;
    ssize_t got;
    while ((got = pread(from, bytes, sizeof bytes, at)) > 0) {
        if (random) tear(bytes, got, at, before, random);
        if (write(to, bytes, got) != got) { got = -1; break; }
        at += got;
    }
    close(to);
    if (before >= 0) close(before);
    if (got == 0) return rename(part, whole);
    errno = EIO;
    return -1;
}

/* Ends the process, if the power fails at this sync. */
static void cut(int fd, const char *name) {
    static int syncs;
    const char *at = getenv("DISK_CUT"), *torn = getenv("DISK_TORN");
    if (!at || __atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST) != atoi(at)) return;
    unsigned random = torn ? (unsigned)atoi(torn) : 0;
    if (torn) copy_to_image(fd, name, &random);
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static int sync_to_image(int fd, int (*real)(int)) {
    char path[4096];
    const char *name = name_of(fd, path, sizeof path);
    if (!name) return real(fd);
    if (asked("sync-ignored")) return 0;
    if (asked("sync-fails")) { errno = EIO; return -1; }
    /* Of two processes that sync one file the later one must not be overtaken. */
    int lock = open(getenv("DISK_IMAGE"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX)) { if (lock >= 0) close(lock); errno = EIO; return -1; }
    cut(fd, name);
    int done = copy_to_image(fd, name, NULL), error = errno;
    close(lock);
    errno = error;
    return done;
}

int fdatasync(int fd) { return sync_to_image(fd, REAL("fdatasync", int (*)(int))); }
int fsync(int fd) { return sync_to_image(fd, REAL("fsync", int (*)(int))); }

/* Whether the disk is full by now, as `full-at` says. */
static int is_full(void) {
    static int at, writes;
    char path[4200], text[16] = "";
    snprintf(path, sizeof path, "%s/full-at", getenv("DISK_IMAGE"));
    int fd = REAL("open", int (*)(const char *, int, ...))(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    int asked_for = length > 0 ? atoi(text) : 0;
    if (__atomic_exchange_n(&at, asked_for, __ATOMIC_SEQ_CST) != asked_for)
        __atomic_store_n(&writes, 0, __ATOMIC_SEQ_CST);
    return __atomic_add_fetch(&writes, 1, __ATOMIC_SEQ_CST) >= asked_for;
}

/* Shared memory beside the tables is no part of the disk: it is made anew at each start. */
static int refuses(int fd) {
    char path[4096];
    const char *name = name_of(fd, path, sizeof path);
    if (!name || strstr(name, "-shm") || !(asked("full") || is_full())) return 0;
    const char *error = getenv("DISK_ERROR");
    errno = error ? atoi(error) : ENOSPC;
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

/* Names are on the disk at once: a file that has a new one, as far as the file itself is there. */
static void named(const char *from, const char *to, int (*name)(const char *, const char *)) {
    char old[4200], new[4200];
    const char *image = getenv("DISK_IMAGE");
    if (!image || !(from = on_disk(from)) || !(to = on_disk(to))) return;
    snprintf(old, sizeof old, "%s/%s", image, from);
    snprintf(new, sizeof new, "%s/%s", image, to);
    name(old, new);
}

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) = REAL("rename", int (*)(const char *, const char *));
    int done = real(from, to);
    if (done == 0) named(from, to, real);
    return done;
}

int link(const char *from, const char *to) {
    int (*real)(const char *, const char *) = REAL("link", int (*)(const char *, const char *));
    int done = real(from, to);
    if (done == 0) named(from, to, real);
    return done;
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    int done = REAL("linkat", int (*)(int, const char *, int, const char *, int))(from_dir, from, to_dir, to, flags);
    if (done == 0) named(from, to, REAL("link", int (*)(const char *, const char *)));
    return done;
}

int unlink(const char *path) {
    int (*real)(const char *) = REAL("unlink", int (*)(const char *));
    int done = real(path);
    const char *image = getenv("DISK_IMAGE"), *name = on_disk(path);
    if (done == 0 && image && name) {
        char gone[4200];
        snprintf(gone, sizeof gone, "%s/%s", image, name);
        real(gone);
    }
    return done;
}
