/* Blocks from 4 KiB to 1 GiB: nanoseconds of malloc, a byte written to each page, and free.
 *
 * usage: large BYTES hot|cold
 *   hot    the same size again and again, the best of a few rounds
 *   cold   memory that the process has never touched: 512 MiB of blocks, all held until the end */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE_BYTES = 4096, ROUNDS = 3 };
static const size_t ROUND_BYTES = (size_t)512 << 20, LARGEST_BYTES = (size_t)1 << 30;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static char *touched(size_t bytes)
{
    volatile char *block = malloc(bytes);
    if (!block)
        abort();
    for (size_t at = 0; at < bytes; at += PAGE_BYTES)
        block[at] = 1;
    return (char *)block;
}

static double hot_round(size_t bytes, int count)
{
    double start = now_ns();
    for (int i = 0; i < count; i++)
        free(touched(bytes));
    return (now_ns() - start) / count;
}

static double cold_round(size_t bytes, int count, char **blocks)
{
    double start = now_ns();
    for (int i = 0; i < count; i++)
        blocks[i] = touched(bytes);
    for (int i = 0; i < count; i++)
        free(blocks[i]);
    return (now_ns() - start) / count;
}

int main(int argc, char **argv)
{
    size_t bytes = argc == 3 ? strtoull(argv[1], NULL, 10) : 0;
    if (bytes < PAGE_BYTES || bytes > LARGEST_BYTES || (strcmp(argv[2], "hot") != 0 && strcmp(argv[2], "cold") != 0)) {
        fputs("usage: large BYTES hot|cold (4096 to 1 GiB)\n", stderr);
        return 2;
    }
    static char *blocks[((size_t)512 << 20) / PAGE_BYTES];
    int count = bytes < ROUND_BYTES ? ROUND_BYTES / bytes : 1;
    free(malloc(2 << 20)); /* the request that engages the arena */
    double best = 1e18;
    if (strcmp(argv[2], "cold") == 0)
        best = cold_round(bytes, count, blocks);
    else
        for (int round = 0; round < ROUNDS; round++) {
            double each = hot_round(bytes, count);
            if (each < best)
                best = each;
        }
    printf("%.2f\n", best);
    return 0;
}
