/* A disk whose syncs take SLOW_MS milliseconds longer, loaded before the C library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void take_time(void) {
    const char *milliseconds = getenv("SLOW_MS");
    if (milliseconds) usleep(1000 * atoi(milliseconds));
}

int fdatasync(int fd) {
    take_time();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}

int fsync(int fd) {
    take_time();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
