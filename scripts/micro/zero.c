/* calloc and free of the same size again and again: nanoseconds of one, the best of a few rounds.
 *
 * usage: zero BYTES dense|sparse
 *   dense    every byte is written, so that the next one has something to zero
 *   sparse   one byte of every 64 KiB is */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SPARSE_BYTES = 65536, ROUNDS = 3 };
static const size_t ROUND_BYTES = (size_t)512 << 20;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
    size_t bytes = argc == 3 ? strtoull(argv[1], NULL, 10) : 0;
    int dense = argc == 3 && strcmp(argv[2], "dense") == 0;
    if (bytes == 0 || bytes > ROUND_BYTES || (!dense && strcmp(argv[2], "sparse") != 0)) {
        fputs("usage: zero BYTES dense|sparse (1 to 512 MiB)\n", stderr);
        return 2;
    }
    free(malloc(2 << 20)); /* the request that engages the arena */
    int count = ROUND_BYTES / bytes;
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < count; i++) {
            char *volatile block = calloc(1, bytes);
            if (!block || block[bytes - 1])
                abort();
            if (dense)
                memset(block, 1, bytes);
            else
                for (size_t at = 0; at < bytes; at += SPARSE_BYTES)
                    block[at] = 1;
            block[bytes - 1] = 1;
            free(block);
        }
        double each = (now_ns() - start) / count;
        if (each < best)
            best = each;
    }
    printf("%.2f\n", best);
    return 0;
}
