/* Another library that hooks what the library itself calls (mmap and its family, open, dlsym) and allocates in
 * every hook, as tracers and sandboxes do. Loaded before it or behind it. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern unsigned long shim_hook_calls;
unsigned long shim_hook_calls;

enum { BLOCKS = 4 };

/* Each of them comes back to the library, which is in the middle of a call. */
static void allocate(size_t most) {
    __atomic_fetch_add(&shim_hook_calls, 1, __ATOMIC_RELAXED);
    static __thread int depth;
    if (depth > 0) { /* the hooks of our own blocks */
        return;
    }
    depth++;
    void *volatile blocks[BLOCKS] = {malloc(100), calloc(1, most / 2), malloc(most), realloc(NULL, 40)};
    for (int i = 0; i < BLOCKS; i++) {
        if (!blocks[i]) {
            _exit(99);
        }
        memset(blocks[i], 'h', 40);
        free(blocks[i]);
    }
    depth--;
}

void *mmap(void *at, size_t bytes, int protection, int flags, int file, off_t offset) {
    allocate(2 << 20);
    return (void *)syscall(SYS_mmap, at, bytes, protection, flags, file, offset);
}

int munmap(void *at, size_t bytes) {
    allocate(2 << 20);
    return (int)syscall(SYS_munmap, at, bytes);
}

int mprotect(void *at, size_t bytes, int protection) {
    allocate(2 << 20);
    return (int)syscall(SYS_mprotect, at, bytes, protection);
}

int madvise(void *at, size_t bytes, int advice) {
    allocate(2 << 20);
    return (int)syscall(SYS_madvise, at, bytes, advice);
}

void *mremap(void *from, size_t old_bytes, size_t new_bytes, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    void *to = va_arg(rest, void *);
    va_end(rest);
    allocate(2 << 20);
    return (void *)syscall(SYS_mremap, from, old_bytes, new_bytes, flags, to);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    allocate(2 << 20);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* Of the first call, before the next allocator is known; used and freed when the process ends. */
static char *early;
enum { EARLY_BYTES = 300 };

__attribute__((destructor)) static void free_early(void) {
    for (int i = 0; early && i < EARLY_BYTES; i++) {
        if (early[i]) {
            _exit(96);
        }
    }
    early = (char *)realloc(early, 50000);
    if (!early) {
        _exit(95);
    }
    free(early);
}

/* dlsym itself asks for memory: what glibc's own does for its error text, at every call. */
void *dlsym(void *handle, const char *name) {
    static void *(*real)(void *, const char *);
    if (!real) {
        real = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
        if (!real) {
            _exit(98);
        }
    }
    allocate(1000);
    early = early ? early : (char *)calloc(1, EARLY_BYTES);
    if (handle == RTLD_NEXT) {
        /* RTLD_NEXT means whoever calls: as hooks do, libc's own is taken. */
        static void *libc;
        libc = libc ? libc : dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
        handle = libc;
    }
    return real(handle, name);
}
