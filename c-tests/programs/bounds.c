/* Resident memory stays within its bound where the pages that nobody uses lie beside, behind or in front of live blocks.
 *
 * Usage: bounds classes | starting | capped | shrunk | aligned | moved | grown | few | turns | tails */
#include "check.h"
#include <pthread.h>

static void *made(size_t bytes) {
    void *block = malloc(bytes);
    CHECK(block != NULL);
    memset(block, 1, bytes);
    return block;
}

static int stays_within(size_t bound) {
    return falls_below(bound + 1, 3000);
}

enum { CLASS_BYTES = 120 * MIB, SPAN_BYTES = 2 * MIB };

/* Blocks of one class of which one in each span survives. */
static size_t leave_survivors(size_t bytes) {
    enum { MOST = CLASS_BYTES / (16 * KIB) };
    static void *blocks[MOST];
    size_t count = CLASS_BYTES / bytes, every = SPAN_BYTES / bytes;
    CHECK(count <= MOST);
    for (size_t i = 0; i < count; i++) {
        blocks[i] = made(bytes);
    }
    size_t most = read_stats().live_bytes;
    for (size_t i = 0; i < count; i++) {
        if (i % every != 0) {
            free(blocks[i]);
        }
    }
    return most;
}

/* One class after another leaves survivors in all its spans, and nobody asks for a trim. */
static void classes(void) {
    static const size_t SIZES[] = {16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160};
    size_t most_live = 0;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        size_t most = leave_survivors(SIZES[i] * KIB);
        most_live = most > most_live ? most : most_live;
        CHECK(stays_within(2 * most_live + 64 * MIB));
    }
}

static volatile int may_ask, is_over;

/* The library tries to start its thread for whoever asks for memory. */
static void *ask(void *unused) {
    while (!is_over) {
        usleep(1000);
        if (may_ask) {
            free(malloc(9000));
        }
    }
    return unused;
}

/* The same while somebody is starting the library's thread all the time, in vain (shim_threads.c). */
static void starting(void) {
    pthread_t thread;
    volatile unsigned long *tried = (volatile unsigned long *)dlsym(RTLD_DEFAULT, "refused_threads");
    volatile int *holds = (volatile int *)dlsym(RTLD_DEFAULT, "holds_refusals");
    CHECK(tried && holds && pthread_create(&thread, NULL, ask, NULL) == 0);
    /* From here on the library wants its thread: it is refused one at once, and tries again after a second. */
    free(made(160 * MIB));
    unsigned long before = *tried;
    CHECK(before > 0);
    *holds = 1;
    may_ask = 1;
    while (*tried == before) {
        usleep(1000);
    }
    classes();
    CHECK(*tried == before + 1);
    *holds = 0;
    is_over = 1;
    CHECK(pthread_join(thread, NULL) == 0);
}

/* The same where the user allows next to no free memory. */
static void capped(void) {
    for (size_t bytes = 64 * KIB; bytes <= 128 * KIB; bytes += 16 * KIB) {
        (void)leave_survivors(bytes);
        CHECK(stays_within(read_stats().live_bytes + 64 * MIB));
    }
}

/* Large blocks that realloc makes half as large where they lie. */
static void shrunk(void) {
    enum { BLOCKS = 12 };
    static char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = (char *)made(128 * MIB);
        blocks[i][65 * MIB - 1] = 2;
    }
    for (int i = 0; i < BLOCKS; i++) {
        char *block = (char *)realloc(blocks[i], 65 * MIB);
        CHECK(block == blocks[i] && block[0] == 1 && block[65 * MIB - 1] == 2);
    }
    (void)zk_trim(0);
    CHECK(stays_within(BLOCKS * 65 * MIB / 2 * 3 + 64 * MIB));
    /* What was given up is not dirty, whoever gets it. */
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = (char *)realloc(blocks[i], 127 * MIB);
        CHECK(blocks[i] && blocks[i][65 * MIB - 1] == 2);
        free(blocks[i]);
        char *zeroed = (char *)calloc(1, 127 * MIB);
        CHECK(zeroed && all_zero(zeroed, 127 * MIB));
        free(zeroed);
    }
}

/* Small blocks with large alignments, while there are free pages to be had. Their slots are of 80 MiB, so that wherever
 * the arena begins, a block lies 24 MiB inside its slot in the mean. */
static void aligned(void) {
    enum { BLOCKS = 24, BYTES = 18 * MIB };
    static void *blocks[BLOCKS];
    free(made(GIB));
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = aligned_alloc(64 * MIB, BYTES);
        CHECK(blocks[i] && zk_owns(blocks[i]));
        memset(blocks[i], 1, BYTES);
    }
    (void)zk_trim(0);
    /* Closer than what is promised: everything else was free, and trimmed. */
    CHECK(stays_within((size_t)BLOCKS * BYTES + 64 * MIB));
}

static pthread_barrier_t all_there;
static size_t span_part;

/* Blocks of every class: one, or so many that they fill the span. */
static void *every_class(void *unused) {
    enum { MOST = 12000 };
    void **held = (void **)calloc(MOST, sizeof *held);
    size_t count = 0;
    CHECK(held != NULL);
    for (size_t step = 4 * KIB; step < MIB; step *= 2) {
        for (size_t bytes = step; bytes < 2 * step; bytes += step / 4) {
            for (size_t filled = 0; filled < bytes || filled < span_part; filled += bytes) {
                CHECK(count < MOST);
                held[count++] = made(bytes);
            }
        }
    }
    pthread_barrier_wait(&all_there);
    pthread_barrier_wait(&all_there);
    while (count > 0) {
        free(held[--count]);
    }
    free(held);
    return unused;
}

/* `slack`: how much may be resident beyond what is live; 0: as much as there is. */
static void by_threads(size_t part, size_t slack) {
    enum { THREADS = 16 };
    pthread_t threads[THREADS];
    size_t before = resident_bytes();
    span_part = part;
    CHECK(pthread_barrier_init(&all_there, NULL, THREADS + 1) == 0);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, every_class, NULL) == 0);
    }
    pthread_barrier_wait(&all_there);
    CHECK(slack == 0 || resident_bytes() <= before + read_stats().live_bytes + slack);
    pthread_barrier_wait(&all_there);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    (void)zk_trim(0);
}

/* Pages of large blocks are moved to spans; these have small pages again once they were given back. */
static void moved(void) {
    enum { BLOCKS = 16 };
    void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = made(64 * MIB);
    }
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    by_threads(SPAN_BYTES, 0);
    CHECK(read_stats().moved_bytes > 0);
    by_threads(0, 64 * MIB);
}

/* A block that grows to where an earlier one has left its pages: nothing is resident twice. */
static void grown(void) {
    for (int round = 0; round < 4; round++) {
        unsigned char *block = made(200 * MIB);
        block = realloc(block, 400 * MIB);
        CHECK(block && block[0] == 1 && block[200 * MIB - 1] == 1);
        CHECK(read_stats().resident_bytes <= 432 * MIB);
        memset(block, 1, 400 * MIB);
        CHECK(read_stats().resident_bytes <= 432 * MIB);
        free(block);
    }
}

/* One block of each of many classes: their spans leave the pages of large blocks to large blocks. */
static void few(void) {
    enum { BLOCKS = 40, CLASSES = 24 };
    void *blocks[BLOCKS], *small[CLASSES];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i] = made(1900 * KIB);
        }
        CHECK(read_stats().resident_bytes <= read_stats().live_bytes + 16 * MIB);
        for (int i = 0; i < BLOCKS; i++) {
            free(blocks[i]);
        }
        for (int i = 0; i < CLASSES; i++) {
            free(round > 0 ? small[i] : NULL);
            small[i] = made(((size_t)(4 + i % 4) << i / 4) * KIB);
        }
    }
}

static void take_turns(const size_t sizes[3]) {
    for (int round = 0; round < 500; round++) {
        for (int i = 0; i < 3; i++) {
            char *block = malloc(sizes[i] * MIB);
            CHECK(block != NULL);
            block[0] = 1;
            free(block);
        }
    }
}

/* Blocks of several sizes by turns, one at a time: pages are not moved from one to the other for ever. */
static void turns(void) {
    static const size_t SIZES[][3] = {{3, 7, 12}, {34, 40, 34}};
    for (size_t set = 0; set < 2; set++) {
        size_t before = read_stats().moved_bytes;
        take_turns(SIZES[set]);
        CHECK(read_stats().moved_bytes - before <= 2048 * MIB);
        CHECK(read_stats().resident_bytes <= 64 * MIB);
    }
}

/* After such turns: small blocks where large ones were, each of whose pages would stay behind it. */
static void tails(void) {
    enum { BLOCKS = 100, ROOM = 16 * MIB, MOST_TRIES = 64 };
    static const size_t SIZES[3] = {3, 7, 12};
    take_turns(SIZES);
    /* From a slot on that begins at a multiple of its size, which so do those that are carved behind it. */
    int is_aligned = 0;
    for (int try = 0; try < MOST_TRIES && !is_aligned; try++) {
        char *block = malloc(ROOM - 8 * KIB);
        CHECK(block != NULL);
        is_aligned = (uintptr_t)block % ROOM < 8 * KIB;
        if (is_aligned) {
            free(block);
        } else {
            CHECK(malloc(10 * MIB - 8 * KIB) != NULL);
        }
    }
    CHECK(is_aligned);
    for (int i = 0; i < BLOCKS; i++) {
        free(made(ROOM - 8 * KIB));
        char *block = aligned_alloc(ROOM, 8 * KIB);
        CHECK(block != NULL);
        block[0] = 1;
    }
    CHECK(read_stats().resident_bytes <= BLOCKS * 3 * MIB + 64 * MIB);
}

int main(int argc, char **argv) {
    check_preload();
    engage_arena();
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "classes") == 0) {
        classes();
    } else if (strcmp(name, "starting") == 0) {
        starting();
    } else if (strcmp(name, "capped") == 0) {
        capped();
    } else if (strcmp(name, "shrunk") == 0) {
        shrunk();
    } else if (strcmp(name, "aligned") == 0) {
        aligned();
    } else if (strcmp(name, "moved") == 0) {
        moved();
    } else if (strcmp(name, "grown") == 0) {
        grown();
    } else if (strcmp(name, "few") == 0) {
        few();
    } else if (strcmp(name, "turns") == 0) {
        turns();
    } else {
        CHECK(strcmp(name, "tails") == 0);
        tails();
    }
    return 0;
}
