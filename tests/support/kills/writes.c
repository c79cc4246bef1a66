/* Preloaded into a process: kills it at the n-th call that changes a file, from the moment that it is armed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static long left = -1; /* calls until the end; below 0: not armed */

void kill_at(long n) { left = n; }

static void count(void) {
    if (left >= 0 && --left < 0) kill(getpid(), SIGKILL);
}

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t n) {
    if (left >= 0 && fd > 2) {
        count();
        if (n > 1 && left == 0) { /* the next call is the last: this one is cut in the middle */
            REAL(write)(fd, data, n / 2);
            kill(getpid(), SIGKILL);
        }
    }
    return REAL(write)(fd, data, n);
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
    if (fd > 2) count();
    return REAL(writev)(fd, parts, n);
}

int rename(const char *from, const char *to) {
    count();
    return REAL(rename)(from, to);
}

int renameat(int a, const char *from, int b, const char *to) {
    count();
    return REAL(renameat)(a, from, b, to);
}

int unlink(const char *path) {
    count();
    return REAL(unlink)(path);
}

int rmdir(const char *path) {
    count();
    return REAL(rmdir)(path);
}

int mkdir(const char *path, mode_t mode) {
    count();
    return REAL(mkdir)(path, mode);
}

int fsync(int fd) {
    count();
    return REAL(fsync)(fd);
}

static int is_write(int flags) { return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0; }

#define OPEN(name)                                        \
    int name(const char *path, int flags, ...) {          \
        va_list rest;                                     \
        va_start(rest, flags);                            \
        mode_t mode = va_arg(rest, mode_t);               \
        va_end(rest);                                     \
        if (is_write(flags)) count();                     \
        return REAL(name)(path, flags, mode);             \
    }

OPEN(open)
OPEN(open64)

#define FOPEN(name)                                             \
    FILE *name(const char *path, const char *mode) {            \
        if (mode[0] != 'r' || mode[1] == '+') count();          \
        return REAL(name)(path, mode);                          \
    }

FOPEN(fopen)
FOPEN(fopen64)
