/* Small blocks of proof after proof, while the arena takes the large ones: glibc keeps their pages, as it does alone. */
#include "check.h"
#include <sys/resource.h>

enum { BLOCKS = 24000, SIZE = 1000, ROUNDS = 8 };

static long faults(void) {
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return usage.ru_minflt;
}

/* With one of the arena's blocks, which the program frees behind the small ones. */
static void rounds(size_t large_bytes, size_t count) {
    static char *blocks[BLOCKS];
    CHECK(count <= BLOCKS);
    for (int round = 0; round < ROUNDS; round++) {
        long before = faults();
        char *large = malloc(large_bytes);
        CHECK(large != NULL && zk_owns(large));
        for (size_t i = 0; i < count; i++) {
            CHECK((blocks[i] = (char *)malloc(SIZE)) != NULL);
            memset(blocks[i], (int)i, SIZE);
        }
        for (size_t i = 0; i < count; i++) {
            free(blocks[i]);
        }
        free(large);
        CHECK(round < 2 || faults() - before < 100);
    }
}

int main(void) {
    check_preload();
    rounds(2 * MIB, 1200);
    /* glibc keeps up to twice what it has seen freed at the top of its heap: from the first round on. */
    rounds(16 * MIB, BLOCKS);
    return 0;
}
