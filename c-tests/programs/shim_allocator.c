/* Another allocator, as plain as can be: each block is a mapping of its own. It exports what allocators usually do, and
 * neither reallocarray nor the frees of C23, which whoever stands behind it then gets with blocks of this one. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

/* The words in front of every block. */
struct header {
    void *mapping;
    size_t mapped, size;
    uint64_t magic;
};

static const uint64_t MAGIC = 0x5ca1ab1e0ddba11;

void *memalign(size_t alignment, size_t size) {
    alignment = alignment < 64 ? 64 : alignment;
    size_t mapped = size + alignment + PAGE;
    if (mapped < size) {
        errno = ENOMEM;
        return NULL;
    }
    char *mapping = (char *)mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t start = ((uintptr_t)mapping + sizeof(struct header) + alignment - 1) / alignment * alignment;
    struct header *header = (struct header *)start - 1;
    *header = (struct header){mapping, mapped, size, MAGIC};
    return (void *)start;
}

/* A block that is not ours has been given to the wrong one. */
static struct header *header_of(void *block) {
    struct header *header = (struct header *)block - 1;
    return header->magic == MAGIC ? header : (abort(), NULL);
}

void *malloc(size_t size) { return memalign(64, size); }

void free(void *block) {
    if (block) {
        struct header header = *header_of(block);
        int error = errno;
        munmap(header.mapping, header.mapped);
        errno = error;
    }
}

void *calloc(size_t count, size_t size) {
    if (size && count > SIZE_MAX / size) {
        errno = ENOMEM;
        return NULL;
    }
    return malloc(count * size);
}

void *realloc(void *block, size_t size) {
    void *moved = malloc(size);
    if (moved && block) {
        size_t before = header_of(block)->size;
        memcpy(moved, block, before < size ? before : size);
        free(block);
    }
    return moved;
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    void *block = memalign(alignment, size);
    if (block) {
        *out = block;
    }
    return block ? 0 : ENOMEM;
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

void *valloc(size_t size) { return memalign(PAGE, size); }

size_t malloc_usable_size(void *block) { return block ? header_of(block)->size : 0; }
