/* A hostile world around a process, loaded before the C library.
 *
 * HOSTILE_LOCKS    the first lock that is taken on a file makes `$HOSTILE_LOCKS.here` and waits for `$HOSTILE_LOCKS.go`
 * HOSTILE_LINK     as HOSTILE_LOCKS, for the first link to a file
 * HOSTILE_MISSING  as HOSTILE_LOCKS, when the file of a store was looked for and is not there
 * HOSTILE_THREADS  while this file exists no thread can be made
 * HOSTILE_SYNCS    the file that gets a line with the path of each file or directory that is synced
 * HOSTILE_HEIRS    while this file exists each lock that is taken on a file forks a child, which keeps what it inherits
 * HOSTILE_UNSYNCED as HOSTILE_LOCKS, for the first sync of the data of a file, which then fails
 * HOSTILE_SIGNAL   the first wait for a lock on a file ends as by a signal
 *
 * Removing a file called `fork-now` forks: the removal succeeds in the child, and fails in the parent once the child
 * has ended.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

/* Says once that the process is at the place that `variable` names, and waits there. */
static void wait_at(const char *variable) {
    static int done;
    char here[4200], go[4200];
    const char *path = getenv(variable);
    if (!path || done) return;
    done = 1;
    snprintf(here, sizeof here, "%s.here", path);
    snprintf(go, sizeof go, "%s.go", path);
    close(open(here, O_CREAT | O_WRONLY, 0600));
    while (access(go, F_OK)) usleep(1000);
}

int flock(int fd, int operation) {
    static int interrupted;
    wait_at("HOSTILE_LOCKS");
    if (getenv("HOSTILE_SIGNAL") && !(operation & (LOCK_NB | LOCK_UN)) && !interrupted) {
        interrupted = 1;
        errno = EINTR;
        return -1;
    }
    int result = REAL("flock", int (*)(int, int))(fd, operation);
    const char *heirs = getenv("HOSTILE_HEIRS");
    if (!result && !(operation & LOCK_UN) && heirs && !access(heirs, F_OK) && !fork()) {
        while (!access(heirs, F_OK)) usleep(1000);
        _exit(0);
    }
    return result;
}

int link(const char *from, const char *to) {
    wait_at("HOSTILE_LINK");
    return REAL("link", int (*)(const char *, const char *))(from, to);
}

int statx(int dir, const char *restrict path, int flags, unsigned int mask, struct statx *restrict found) {
    int result = REAL("statx", int (*)(int, const char *, int, unsigned int, struct statx *))(dir, path, flags, mask, found);
    if (result && errno == ENOENT) {
        size_t length = strlen(path);
        if (length > 13 && !strcmp(path + length - 13, "/store.sqlite")) wait_at("HOSTILE_MISSING");
        errno = ENOENT;
    }
    return result;
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    wait_at("HOSTILE_LINK");
    return REAL("linkat", int (*)(int, const char *, int, const char *, int))(from_dir, from, to_dir, to, flags);
}

int fsync(int fd) {
    int result = REAL("fsync", int (*)(int))(fd);
    const char *log = getenv("HOSTILE_SYNCS");
    char link[64], line[4200];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = log && !result ? readlink(link, line, sizeof line - 1) : -1;
    if (length > 0) {
        line[length] = '\n';
        int to = open(log, O_CREAT | O_WRONLY | O_APPEND, 0600);
        if (write(to, line, length + 1) < 0) result = -1;
        close(to);
    }
    return result;
}

int fdatasync(int fd) {
    static int failed;
    if (getenv("HOSTILE_UNSYNCED") && !failed) {
        failed = 1;
        wait_at("HOSTILE_UNSYNCED");
        errno = EIO;
        return -1;
    }
    return REAL("fdatasync", int (*)(int))(fd);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    const char *path = getenv("HOSTILE_THREADS");
    if (path && !access(path, F_OK)) return EAGAIN;
    return REAL("pthread_create", int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))(
        thread, attributes, start, argument);
}

int unlink(const char *path) {
    size_t length = strlen(path);
    if (length < 8 || strcmp(path + length - 8, "fork-now")) return REAL("unlink", int (*)(const char *))(path);
    pid_t child = fork();
    if (!child) return 0;
    int status = 1;
    if (child > 0) waitpid(child, &status, 0);
    errno = WIFEXITED(status) && !WEXITSTATUS(status) ? EBUSY : EIO;
    return -1;
}
