/* Buffers of 64 MiB that threads allocate, write and free, all at once: nanoseconds of one, over all threads, the best of
 * two rounds.
 *
 * usage: buffers THREADS */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BUFFER_BYTES = 64 << 20, ALL_BUFFERS = 16, ROUNDS = 2, THREADS_MAX = 64 };

static int each;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void *work(void *unused)
{
    (void)unused;
    for (int i = 0; i < each; i++) {
        void *volatile buffer = malloc(BUFFER_BYTES);
        if (!buffer)
            abort();
        memset(buffer, i, BUFFER_BYTES);
        free(buffer);
    }
    return NULL;
}

static double round_ns(int threads)
{
    pthread_t id[THREADS_MAX];
    double start = now_ns();
    for (int i = 0; i < threads; i++)
        if (pthread_create(&id[i], NULL, work, NULL) != 0)
            abort();
    for (int i = 0; i < threads; i++)
        pthread_join(id[i], NULL);
    return (now_ns() - start) / ((double)threads * each);
}

int main(int argc, char **argv)
{
    int threads = argc == 2 ? atoi(argv[1]) : 0;
    if (threads < 1 || threads > THREADS_MAX) {
        fputs("usage: buffers THREADS (1 to 64)\n", stderr);
        return 2;
    }
    each = ALL_BUFFERS / threads > 2 ? ALL_BUFFERS / threads : 2;
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double time = round_ns(threads);
        if (time < best)
            best = time;
    }
    printf("%.0f\n", best);
    return 0;
}
