/* System calls made slow, so that a fork falls into the middle of what the library does around one for certain.
 * Loaded in front of libzkalloc. The program arms it for one call: 'p' mprotect (a slot is carved, under a lock),
 * 'a' madvise (trim, under a lock), 'm' mremap (pages have been moved, and nothing was noted since), 'h' the same, which fails
 * after the kernel has unmapped the target, 'r' mmap (addresses are reserved, under a lock),
 * 'o' open of a file of /proc (its descriptor is taken). */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLOW_MICROSECONDS = 500000 };

extern volatile char shim_slow_armed;
extern volatile int shim_slow_inside, shim_slow_entered;
volatile char shim_slow_armed;
/* The call is going on; it was entered, for whoever may look too late to see that. */
volatile int shim_slow_inside, shim_slow_entered;

static void delay(char call) {
    char expected = call;
    if (__atomic_compare_exchange_n(&shim_slow_armed, &expected, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        shim_slow_inside = 1;
        shim_slow_entered = 1;
        usleep(SLOW_MICROSECONDS);
        shim_slow_inside = 0;
    }
}

void *mmap(void *at, size_t bytes, int access, int flags, int file, off_t offset) {
    if (flags & MAP_NORESERVE) {
        delay('r');
    }
    return (void *)syscall(SYS_mmap, at, bytes, access, flags, file, offset);
}

int mprotect(void *start, size_t bytes, int access) {
    delay('p');
    return (int)syscall(SYS_mprotect, start, bytes, access);
}

int madvise(void *start, size_t bytes, int advice) {
    if (advice == MADV_DONTNEED) {
        delay('a');
    }
    return (int)syscall(SYS_madvise, start, bytes, advice);
}

void *mremap(void *from, size_t from_bytes, size_t to_bytes, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    void *to = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
    va_end(rest);
    if ((flags & MREMAP_FIXED) && shim_slow_armed == 'h') {
        (void)munmap(to, to_bytes);
        delay('h');
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *moved = (void *)syscall(SYS_mremap, from, from_bytes, to_bytes, flags, to);
    if (flags & MREMAP_FIXED) {
        int error = errno;
        delay('m');
        errno = error;
    }
    return moved;
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
    va_end(rest);
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (strncmp(path, "/proc/", 6) == 0) {
        delay('o');
    }
    return file;
}
