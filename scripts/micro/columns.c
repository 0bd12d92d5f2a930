/* Arrays of equal size, gone through side by side, as a prover goes through the columns of a trace: nanoseconds of one
 * element of one array, the best of a few rounds.
 *
 * usage: columns BYTES ARRAYS sum|update
 *   sum      every row is read
 *   update   every row is read and written
 *
 * Arrays that begin at the same offset in a page share a few sets of the first-level cache. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 5, MOST_ARRAYS = 1024 };

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static uint64_t sum(uint64_t **columns, size_t arrays, size_t rows)
{
    uint64_t all = 0;
    for (size_t row = 0; row < rows; row++) {
        uint64_t of_row = row;
        for (size_t i = 0; i < arrays; i++)
            of_row += columns[i][row];
        all ^= of_row;
    }
    return all;
}

static uint64_t update(uint64_t **columns, size_t arrays, size_t rows)
{
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < arrays; i++)
            columns[i][row] = columns[i][row] * 3 + row;
    return columns[0][rows - 1];
}

int main(int argc, char **argv)
{
    size_t bytes = argc == 4 ? strtoull(argv[1], NULL, 10) : 0, arrays = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;
    int sums = argc == 4 && strcmp(argv[3], "sum") == 0;
    if (bytes < 8 || arrays == 0 || arrays > MOST_ARRAYS || bytes > ((size_t)4 << 30) / arrays ||
        (!sums && strcmp(argv[3], "update") != 0)) {
        fputs("usage: columns BYTES ARRAYS sum|update (8 bytes and more, 1 to 1024 arrays, 4 GiB in all)\n", stderr);
        return 2;
    }
    free(malloc(2 << 20)); /* the request that engages the arena */
    uint64_t *columns[MOST_ARRAYS];
    size_t rows = bytes / sizeof *columns[0];
    for (size_t i = 0; i < arrays; i++) {
        columns[i] = malloc(bytes);
        if (!columns[i])
            abort();
        memset(columns[i], (int)i + 1, bytes);
    }
    volatile uint64_t result;
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        result = (sums ? sum : update)(columns, arrays, rows);
        double each = (now_ns() - start) / ((double)rows * (double)arrays);
        if (each < best)
            best = each;
    }
    (void)result;
    for (size_t i = 0; i < arrays; i++)
        free(columns[i]);
    printf("%.2f\n", best);
    return 0;
}
