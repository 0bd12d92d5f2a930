/* Linked statically: nothing can be preloaded into it. Allocates, and says that it is so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const char *zk_version(void) __attribute__((weak));

int main(void) {
    for (size_t size = 100; size < (size_t)64 << 20; size *= 3) {
        char *block = (char *)calloc(1, size);
        block = block ? (char *)realloc(block, 2 * size) : NULL;
        if (!block || block[size - 1] != 0) {
            return 1;
        }
        memset(block, 's', 2 * size);
        free(block);
    }
    puts(zk_version ? "preloaded" : "alone");
    return zk_version != NULL;
}
