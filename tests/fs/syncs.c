/* Loaded before the C library: keeps what a power cut leaves of the files below SYNC_DIR.
 *
 * SYNC_ALSO   another directory, on another file system
 * SYNC_IMAGE  where it is kept: `file-<device>-<inode>` is the content of a file when it was last synced,
 *             `dir-<device>-<inode>` has a line for each name in a directory when that was last synced, with the inode
 *             before it
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void keep_file(int fd, FILE *to) {
    char bytes[4096];
    off_t at = 0;
    ssize_t got;
    while ((got = pread(fd, bytes, sizeof bytes, at)) > 0) {
        fwrite(bytes, 1, got, to);
        at += got;
    }
    /* While it is open, its inode is given to no other file. */
    dup(fd);
}

static void keep_names(const char *path, FILE *to) {
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' || entry->d_type == DT_REG)
            fprintf(to, "%lu %s\n", (unsigned long)entry->d_ino, entry->d_name);
    if (dir) closedir(dir);
}

static int is_below(const char *path, const char *dir) {
    return dir && !strncmp(path, dir, strlen(dir));
}

static void keep(int fd) {
    char link[64], path[4096], whole[4200], part[4300];
    const char *image = getenv("SYNC_IMAGE");
    struct stat found;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!image || length < 0 || fstat(fd, &found)) return;
    path[length] = 0;
    if (!is_below(path, getenv("SYNC_DIR")) && !is_below(path, getenv("SYNC_ALSO"))) return;
    int is_dir = S_ISDIR(found.st_mode);
    snprintf(whole, sizeof whole, "%s/%s-%lu-%lu", image, is_dir ? "dir" : "file", (unsigned long)found.st_dev,
             (unsigned long)found.st_ino);
    snprintf(part, sizeof part, "%s.part", whole);
    FILE *to = fopen(part, "w");
    if (!to) abort();
    if (is_dir) keep_names(path, to); else keep_file(fd, to);
    if (fclose(to) || rename(part, whole)) abort();
}

int fsync(int fd) {
    keep(fd);
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd) {
    keep(fd);
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
