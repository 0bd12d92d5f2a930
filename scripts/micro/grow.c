/* A buffer that grows by realloc from 4 KiB to 1 GiB, what is new written (a byte per page): nanoseconds of it all.
 *
 * usage: grow alone|beside
 *   alone    doubles, as a vector does
 *   beside   grows by an eighth, and a second buffer grows in step: neither has the memory behind it to itself */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE_BYTES = 4096, ROUNDS = 3 };
static const size_t LAST_BYTES = (size_t)1 << 30;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static char *grown(char *buffer, size_t had, size_t bytes)
{
    buffer = realloc(buffer, bytes);
    if (!buffer)
        abort();
    for (size_t at = had; at < bytes; at += PAGE_BYTES)
        ((volatile char *)buffer)[at] = 1;
    return buffer;
}

static double alone(void)
{
    char *buffer = NULL;
    double start = now_ns();
    for (size_t had = 0, bytes = PAGE_BYTES; bytes <= LAST_BYTES; had = bytes, bytes *= 2)
        buffer = grown(buffer, had, bytes);
    free(buffer);
    return now_ns() - start;
}

static double beside(void)
{
    char *buffers[2] = {NULL, NULL};
    size_t had = 0, bytes = PAGE_BYTES;
    double start = now_ns();
    while (bytes <= LAST_BYTES / 2) {
        for (int i = 0; i < 2; i++)
            buffers[i] = grown(buffers[i], had, bytes);
        had = bytes;
        bytes += (bytes / 8 + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    }
    free(buffers[0]);
    free(buffers[1]);
    return now_ns() - start;
}

int main(int argc, char **argv)
{
    if (argc != 2 || (strcmp(argv[1], "alone") != 0 && strcmp(argv[1], "beside") != 0)) {
        fputs("usage: grow alone|beside\n", stderr);
        return 2;
    }
    free(malloc(2 << 20)); /* the request that engages the arena */
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double time = strcmp(argv[1], "alone") == 0 ? alone() : beside();
        if (time < best)
            best = time;
    }
    printf("%.0f\n", best);
    return 0;
}
