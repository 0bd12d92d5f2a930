/* Threads that come and go while blocks they allocated live on and are freed by others, inside and outside phases.
 * Every block carries a pattern that its freer checks.
 *
 * Usage: threads <generations> <threads per generation> <blocks per thread> */
#include "check.h"
#include <pthread.h>

enum { SHELF = 512 };

struct item {
    void *block;
    size_t size;
    uint64_t seed;
};

/* Where threads leave blocks for other threads, of this generation or a later one. */
static struct item shelf[SHELF];
static pthread_mutex_t shelf_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long blocks_per_thread;

static struct item exchange(size_t slot, struct item item) {
    pthread_mutex_lock(&shelf_lock);
    struct item previous = shelf[slot];
    shelf[slot] = item;
    pthread_mutex_unlock(&shelf_lock);
    return previous;
}

static void release(struct item item) {
    if (item.block) {
        CHECK(has_pattern(item.block, item.size, item.seed));
        free(item.block);
    }
}

/* Mostly medium, some small, some large. */
static size_t random_size(uint64_t *state) {
    switch (random_next(state) % 16) {
    case 0: return MIB + random_next(state) % (2 * MIB);
    case 1: return random_next(state) % 4096;
    default: return 4096 + random_next(state) % ((size_t)1 << (12 + random_next(state) % 6));
    }
}

static struct item make(uint64_t *state) {
    struct item item = {NULL, random_size(state), random_next(state)};
    if (item.seed % 8 == 0) {
        item.block = calloc(1, item.size);
        CHECK(item.block && all_zero(item.block, item.size));
    } else {
        item.block = malloc(item.size);
        CHECK(item.block != NULL);
    }
    fill_pattern(item.block, item.size, item.seed);
    if (item.seed % 16 == 1) {
        size_t size = random_size(state);
        CHECK((item.block = realloc(item.block, size)) != NULL || size == 0);
        CHECK(has_pattern(item.block, size < item.size ? size : item.size, item.seed));
        item.size = size;
        fill_pattern(item.block, item.size, item.seed);
    }
    return item;
}

static void *worker(void *argument) {
    uint64_t state = (uint64_t)(uintptr_t)argument * 0x9E3779B97F4A7C15u + 1;
    int phase = random_next(&state) % 4 == 0; /* phases overlap between threads */
    if (phase) {
        begin_phase();
    }
    for (unsigned long i = 0; i < blocks_per_thread; i++) {
        release(exchange(random_next(&state) % SHELF, make(&state)));
    }
    if (phase) {
        end_phase();
    }
    return NULL;
}

int main(int argc, char **argv) {
    check_preload();
    CHECK(argc == 4);
    unsigned long generations = strtoul(argv[1], NULL, 10), width = strtoul(argv[2], NULL, 10);
    blocks_per_thread = strtoul(argv[3], NULL, 10);
    engage_arena();
    pthread_t *threads = (pthread_t *)calloc(width, sizeof *threads);
    for (unsigned long generation = 0; generation < generations; generation++) {
        for (unsigned long i = 0; i < width; i++) {
            void *number = (void *)(uintptr_t)(generation * width + i + 1);
            CHECK(pthread_create(&threads[i], NULL, worker, number) == 0);
        }
        for (unsigned long i = 0; i < width; i++) {
            CHECK(pthread_join(threads[i], NULL) == 0);
        }
    }
    for (size_t slot = 0; slot < SHELF; slot++) {
        release(exchange(slot, (struct item){NULL, 0, 0}));
    }
    free(threads);
    check_nothing_lives();
    if (zk_stats_get) {
        zk_stats stats = read_stats();
        CHECK(stats.phases_begun == stats.phases_ended && zk_phase_depth() == 0);
    }
    printf("%lu threads: every block intact\n", generations * width);
    check_arena_use();
    return 0;
}
