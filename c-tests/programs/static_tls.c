/* A program with many thread-local variables, which glibc lays into every thread's stack: the library's thread starts all
 * the same, and memory goes back. With ZK_ALLOC_DECAY_MS=1000. */
#include "check.h"

static __thread char many[96 * KIB];

int main(void) {
    check_preload();
    CHECK(memset(many, 1, sizeof many) == many);
    char *block = (char *)malloc(256 * MIB);
    CHECK(block && zk_owns(block));
    memset(block, many[sizeof many - 1], 256 * MIB);
    free(block);
    CHECK(falls_below(64 * MIB, 5000));
    return 0;
}
