/* A program with four functions of its own above libc's, as tracers in executables have them: what it takes from the rest
 * of the family is freed by its own free. */
#include "check.h"
#include <malloc.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static long calls;

void *malloc(size_t bytes) {
    calls++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
    calls++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes) {
    calls++;
    return __libc_realloc(block, bytes);
}

void free(void *block) { __libc_free(block); }

int main(void) {
    for (int round = 0; round < 20; round++) {
        void *block = NULL;
        CHECK(posix_memalign(&block, 64, 3 * MIB) == 0);
        memset(block, 1, 3 * MIB);
        free(block);
        CHECK((block = aligned_alloc(4096, 8192)) != NULL);
        memset(block, 1, 8192);
        CHECK((block = realloc(block, 20000)) != NULL);
        free(block);
        free(memalign(64, 5000));
        free(valloc(9000));
        CHECK((block = reallocarray(NULL, 3, 2 * MIB)) != NULL);
        CHECK((block = reallocarray(block, 4, 2 * MIB)) != NULL);
        free(block);
    }
    CHECK(calls > 0);
    return 0;
}
