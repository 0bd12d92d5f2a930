/* Blocks of 4 KiB to 1 MiB: nanoseconds of one malloc and free, both ends of the block written. So many that the first
 * touch of their pages is little of it.
 * usage: medium THREADS hand|own
 *   own   each thread replaces random blocks of its own 64
 *   hand  threads work in pairs: one allocates, the other frees */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HELD = 64, OPS_MAX = 2000000, ALL_OPS = 8000000, RING = 64 };

struct ring {
    _Atomic(void *) place[RING];
};

static struct ring *rings;
static int hand_over;
static int ops; /* of each thread: as many in all from four threads on */

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static unsigned next_random(unsigned *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static char *new_block(unsigned *state)
{
    size_t size = (size_t)4096 << next_random(state) % 8;
    size += next_random(state) % size;
    char *block = malloc(size);
    if (block == NULL)
        abort();
    block[0] = block[size - 1] = 1;
    return block;
}

static void *own(void *arg)
{
    unsigned state = (unsigned)(size_t)arg * 2654435761u + 1;
    char *held[HELD] = {0};
    for (int i = 0; i < ops; i++) {
        char **place = &held[next_random(&state) % HELD];
        free(*place);
        *place = new_block(&state);
    }
    for (int i = 0; i < HELD; i++)
        free(held[i]);
    return NULL;
}

static void *hand(void *arg)
{
    size_t thread = (size_t)arg;
    struct ring *ring = &rings[thread / 2];
    unsigned state = (unsigned)thread * 2654435761u + 1;
    for (int i = 0; i < ops; i++) {
        _Atomic(void *) *place = &ring->place[i % RING];
        if (thread % 2 == 0) {
            void *block = new_block(&state);
            while (atomic_load(place) != NULL)
                sched_yield();
            atomic_store(place, block);
        } else {
            void *block;
            while ((block = atomic_exchange(place, NULL)) == NULL)
                sched_yield();
            free(block);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 0;
    hand_over = argc > 2 && strcmp(argv[2], "hand") == 0;
    if (threads < 1 || threads > 256 || (hand_over && threads % 2)) {
        fprintf(stderr, "usage: medium THREADS hand|own (1 to 256; even for hand)\n");
        return 2;
    }
    ops = threads > ALL_OPS / OPS_MAX ? ALL_OPS / threads : OPS_MAX;
    pthread_t id[256];
    rings = calloc(128, sizeof *rings);
    free(malloc(2 << 20)); /* mode auto engages with the first request of 1 MiB */
    double start = now_ns();
    for (size_t i = 0; i < (size_t)threads; i++)
        pthread_create(&id[i], NULL, hand_over ? hand : own, (void *)i);
    for (int i = 0; i < threads; i++)
        pthread_join(id[i], NULL);
    printf("%.1f\n", (now_ns() - start) / ((double)ops * (hand_over ? threads / 2 : threads)));
    return 0;
}
