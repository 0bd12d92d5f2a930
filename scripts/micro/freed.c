/* What a block costs whose every byte is written once: nanoseconds of malloc, memset and free, the best of many rounds.
 *
 * Usage: freed BYTES [SPARE]
 *   SPARE   blocks of the same size that were written and freed before. A block that was not the last one to be freed is
 *           no longer in a cache. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 15, ROUND_BYTES = 256 << 20, MOST_SPARE = 1024 };

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
    size_t bytes = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, spare = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    if (bytes == 0 || bytes > ROUND_BYTES || spare > MOST_SPARE) {
        fputs("usage: freed BYTES [SPARE] (1 byte to 256 MiB, at most 1024 spare blocks)\n", stderr);
        return 2;
    }
    free(malloc(2 << 20)); /* the request that engages the arena */
    void *blocks[MOST_SPARE];
    for (size_t i = 0; i < spare; i++) {
        blocks[i] = malloc(bytes);
        if (!blocks[i])
            abort();
        memset(blocks[i], 1, bytes);
    }
    for (size_t i = 0; i < spare; i++)
        free(blocks[i]);
    int count = ROUND_BYTES / bytes;
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < count; i++) {
            void *volatile block = malloc(bytes);
            memset(block, i, bytes);
            free(block);
        }
        double each = (now_ns() - start) / count;
        if (each < best)
            best = each;
    }
    printf("%.2f\n", best);
    return 0;
}
