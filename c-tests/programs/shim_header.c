/* Wraps the next allocator, as tools that measure memory do, and keeps a header in front of every block. Preloaded in
 * front of libzkalloc it sees every block, or it frees an address that nobody handed out. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 64, MAGIC = 0x5ca1ab1e };

static void *next(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    return found ? found : (abort(), NULL);
}

static void *mark(char *block) {
    if (!block) {
        return NULL;
    }
    *(int *)block = MAGIC;
    return block + HEADER;
}

static char *unmark(char *block) {
    if (!block) {
        return NULL;
    }
    if (*(int *)(block - HEADER) != MAGIC) {
        abort();
    }
    return block - HEADER;
}

void *malloc(size_t size) {
    void *(*real)(size_t) = (void *(*)(size_t))next("malloc");
    return mark(real(size + HEADER));
}

void *calloc(size_t count, size_t size) {
    void *(*real)(size_t, size_t) = (void *(*)(size_t, size_t))next("calloc");
    return mark(real(1, count * size + HEADER));
}

void *realloc(void *block, size_t size) {
    void *(*real)(void *, size_t) = (void *(*)(void *, size_t))next("realloc");
    return mark(real(unmark(block), size + HEADER));
}

void free(void *block) {
    void (*real)(void *) = (void (*)(void *))next("free");
    real(unmark(block));
}
