/* Small blocks of proof after proof, while the arena takes the large ones: glibc keeps their pages, as it does alone.
 *
 * Usage: small_heap proofs     with blocks of 2 MiB, then of 16 MiB
 *        small_heap huge       the same with blocks that are too large for glibc to learn from
 *        small_heap idle       what it keeps goes back when the program idles; with ZK_ALLOC_DECAY_MS=200
 *        small_heap large      but not of a heap that would take long; with the same */
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

/* Frees so many bytes of small blocks, and a large one. What is resident then. */
static size_t free_all(size_t bytes) {
    size_t count = bytes / SIZE;
    char **blocks = (char **)malloc(count * sizeof *blocks);
    CHECK(blocks != NULL);
    for (size_t i = 0; i < count; i++) {
        CHECK((blocks[i] = (char *)malloc(SIZE)) != NULL);
        memset(blocks[i], (int)i, SIZE);
    }
    free(malloc(64 * MIB));
    for (size_t i = 0; i < count; i++) {
        free(blocks[i]);
    }
    free(blocks);
    return resident_bytes();
}

static void idle(size_t bytes, int goes_back) {
    free(malloc(64 * MIB));
    size_t before = free_all(bytes);
    CHECK(before > bytes);
    int is_gone = falls_below(before - bytes / 4 * 3, goes_back ? 20000 : 2000);
    CHECK(is_gone == goes_back);
}

int main(int argc, char **argv) {
    check_preload();
    CHECK(argc == 2);
    if (strcmp(argv[1], "proofs") == 0) {
        rounds(2 * MIB, 1200);
        /* glibc keeps up to twice what it has seen freed at the top of its heap: from the first round on. */
        rounds(16 * MIB, BLOCKS);
    } else if (strcmp(argv[1], "huge") == 0) {
        rounds(64 * MIB, BLOCKS);
    } else if (strcmp(argv[1], "idle") == 0) {
        idle(8 * MIB, 1);
    } else {
        CHECK(strcmp(argv[1], "large") == 0);
        idle(48 * MIB, 0);
    }
    return 0;
}
