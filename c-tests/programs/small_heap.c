/* Small blocks of proof after proof, while the arena takes the large ones: glibc keeps their pages, as it does alone. */
#include "check.h"
#include <sys/resource.h>

enum { BLOCKS = 1200, SIZE = 1000, ROUNDS = 8 };

static long faults(void) {
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return usage.ru_minflt;
}

int main(void) {
    static char *blocks[BLOCKS];
    check_preload();
    for (int round = 0; round < ROUNDS; round++) {
        long before = faults();
        void *large = malloc(2 * MIB);
        CHECK(large != NULL && zk_owns(large));
        for (int i = 0; i < BLOCKS; i++) {
            CHECK((blocks[i] = (char *)malloc(SIZE)) != NULL);
            memset(blocks[i], i, SIZE);
        }
        for (int i = 0; i < BLOCKS; i++) {
            free(blocks[i]);
        }
        free(large);
        CHECK(round == 0 || faults() - before < 100);
    }
    return 0;
}
