/* mremap as other kernels and sandboxes have it. Loaded in front of libzkalloc; ZK_TEST_MREMAP chooses:
 *   deny    EPERM at once, as a system call filter does
 *   old     the target is unmapped and the call fails with EFAULT, as older kernels do when the source is several mappings
 *   stolen  the same, and somebody else maps these addresses before the library can
 *   slow    the call succeeds and the thread is preempted behind it
 * The first moves succeed, so that a refusal also meets slots that already hold moved pages: five of them, or as many as
 * ZK_TEST_GOOD_MOVES says. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned long good_moves(void) {
    const char *text = getenv("ZK_TEST_GOOD_MOVES");
    return text ? strtoul(text, NULL, 10) : 5;
}

extern unsigned long shim_mremap_calls;
extern unsigned char *volatile shim_stolen;
extern size_t shim_stolen_bytes;
unsigned long shim_mremap_calls;
unsigned char *volatile shim_stolen;
size_t shim_stolen_bytes;

void *mremap(void *from, size_t from_bytes, size_t to_bytes, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    void *to = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
    va_end(rest);
    const char *mode = getenv("ZK_TEST_MREMAP");
    unsigned long call = __atomic_add_fetch(&shim_mremap_calls, 1, __ATOMIC_RELAXED);
    /* libc moves its own large blocks without MREMAP_FIXED: not the subject here. */
    if (mode && (flags & MREMAP_FIXED) && strcmp(mode, "slow") != 0) {
        if (strcmp(mode, "deny") == 0) {
            errno = EPERM;
            return MAP_FAILED;
        }
        if (call > good_moves()) {
            (void)munmap(to, to_bytes);
            if (strcmp(mode, "stolen") == 0 && !shim_stolen) {
                int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
                unsigned char *stolen = mmap(to, to_bytes, PROT_READ | PROT_WRITE, how, -1, 0);
                if (stolen != to) {
                    abort();
                }
                memset(stolen, 0x5A, to_bytes);
                shim_stolen_bytes = to_bytes;
                shim_stolen = stolen;
            }
            errno = EFAULT;
            return MAP_FAILED;
        }
    }
    void *moved = (void *)syscall(SYS_mremap, from, from_bytes, to_bytes, flags, to);
    if (mode && strcmp(mode, "slow") == 0) {
        int error = errno;
        usleep(1000);
        errno = error;
    }
    return moved;
}
