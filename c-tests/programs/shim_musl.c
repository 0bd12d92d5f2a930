/* A next allocator that serves some functions through others, by the names that every library sees, as musl does. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void *calloc(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    void *block = malloc(bytes);
    return block ? memset(block, 0, bytes) : NULL;
}

void *memalign(size_t align, size_t size) {
    return aligned_alloc(align, size);
}

int posix_memalign(void **out, size_t align, size_t size) {
    void *block = aligned_alloc(align, size);
    if (block) {
        *out = block;
    }
    return block ? 0 : 12;
}
