/* Refuses to move pages, as kernels before MREMAP_DONTUNMAP do. qemu's user emulation (7.2) takes that flag and unmaps the
 * source all the same; the library then gives pages back instead. */
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

void *mremap(void *from, size_t from_bytes, size_t to_bytes, int flags, ...) {
    (void)from, (void)from_bytes, (void)to_bytes, (void)flags;
    errno = EINVAL;
    return MAP_FAILED;
}
