/* The edges of a process's and of a thread's life, where allocators are asked before they are ready and after they have
 * said goodbye. Same output with and without the library.
 *
 * Usage: lifecycle before-main | silent-threads | thread-keys | late-destructor | keys-used-up | atexit */
#include "check.h"
#include <malloc.h>
#include <pthread.h>

#define LARGE (3 * MIB)

/* Allocates, fills, checks and frees one block of each kind: small, medium, large. */
static void use_blocks(uint64_t seed) {
    static const size_t SIZES[] = {100, 20000, LARGE};
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        void *block = malloc(SIZES[i]);
        CHECK(block != NULL);
        fill_pattern(block, SIZES[i], seed + i);
        block = realloc(block, 2 * SIZES[i]);
        CHECK(block && has_pattern(block, SIZES[i], seed + i));
        free(block);
    }
}

/* --- before main: .preinit_array runs before the constructor of any library, ours too --- */

enum { EARLY = 4 };
static void *early[EARLY];
static const size_t EARLY_BYTES[EARLY] = {24, 5000, LARGE, 64};

static void before_everybody(void) {
    early[0] = malloc(EARLY_BYTES[0]);
    early[1] = calloc(1, EARLY_BYTES[1]);
    early[2] = realloc(NULL, EARLY_BYTES[2]);
    (void)!posix_memalign(&early[3], 64, EARLY_BYTES[3]);
    for (int i = 0; i < EARLY; i++) {
        if (early[i]) {
            fill_pattern(early[i], EARLY_BYTES[i], (uint64_t)i);
        }
    }
}

typedef void (*function)(void);
__attribute__((section(".preinit_array"), used)) static const function preinit = before_everybody;

/* What was allocated then is the next allocator's: every function must know it as such. */
static void before_main(void) {
    engage_arena();
    for (int i = 0; i < EARLY; i++) {
        CHECK(early[i] && has_pattern(early[i], EARLY_BYTES[i], (uint64_t)i));
        CHECK(!zk_owns || !zk_owns(early[i]));
        CHECK(malloc_usable_size(early[i]) >= EARLY_BYTES[i]);
        early[i] = realloc(early[i], EARLY_BYTES[i] + 30000);
        CHECK(early[i] && has_pattern(early[i], EARLY_BYTES[i], (uint64_t)i));
        CHECK(!zk_owns || !zk_owns(early[i])); /* it stays there at every size */
        free(early[i]);
    }
}

/* --- threads --- */

static void *nothing(void *unused) { return unused; }

static void *frees(void *block) {
    free(block);
    return NULL;
}

static void run(void *(*body)(void *), void *argument) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, argument) == 0 && pthread_join(thread, NULL) == 0);
}

/* A thread that never allocates, and one that only frees what another has allocated. */
static void silent_threads(void) {
    run(nothing, NULL);
    engage_arena();
    for (int i = 0; i < 200; i++) {
        run(nothing, NULL);
        run(frees, malloc(i % 2 ? 20000 : LARGE));
    }
    if (zk_stats_get) {
        CHECK(read_stats().threads_seen <= 201); /* the silent ones took nothing */
    }
}

static pthread_key_t again, first_key;
static int rounds_left;

/* Each destructor sets its value again: libc calls it PTHREAD_DESTRUCTOR_ITERATIONS times, ours included. */
static void at_thread_exit(void *value) {
    use_blocks((uint64_t)(uintptr_t)value);
    free(value);
    void *next = rounds_left > 0 ? malloc(LARGE) : NULL;
    rounds_left--;
    CHECK(pthread_setspecific(again, next) == 0);
}

static void *with_keys(void *unused) {
    (void)unused;
    use_blocks(1);
    rounds_left = 3;
    CHECK(pthread_setspecific(first_key, malloc(20000)) == 0);
    CHECK(pthread_setspecific(again, malloc(LARGE)) == 0);
    return NULL;
}

/* Keys made before the library's own and after it: their destructors run on both sides of its thread teardown. */
static void thread_keys(void) {
    CHECK(pthread_key_create(&first_key, at_thread_exit) == 0);
    engage_arena();
    CHECK(pthread_key_create(&again, at_thread_exit) == 0);
    for (int i = 0; i < 200; i++) {
        run(with_keys, NULL);
    }
}

/* So long two threads allocate side by side, and until each has seen the other at work in the middle of its own so often:
 * on a machine that is busy with other things they may not run at the same time for long. */
#define SIDE_BY_SIDE_MS 250
#define MEETINGS 50
#define MOST_MS 3000
/* Turns that each has taken; the first one says that it is there. */
static volatile int late_runs, successor_runs;

static void churn(uint64_t seed) {
    enum { BLOCKS = 64 };
    void *blocks[BLOCKS];
    for (uint64_t i = 0; i < BLOCKS; i++) {
        CHECK((blocks[i] = malloc(9000)) != NULL);
        fill_pattern(blocks[i], 100, seed + i);
    }
    for (uint64_t i = 0; i < BLOCKS; i++) {
        CHECK(has_pattern(blocks[i], 100, seed + i));
        free(blocks[i]);
    }
}

static void churn_beside(uint64_t seed, volatile int *own, volatile int *other) {
    churn(seed); /* takes what there is for this thread to take */
    *own = 1;
    while (!*other) {
        usleep(100);
    }
    uint64_t start = now_ms();
    for (int met = 0; now_ms() < start + (met < MEETINGS ? MOST_MS : SIDE_BY_SIDE_MS);) {
        int before = *other;
        churn(seed);
        *own += 1;
        met += *other != before;
    }
}

/* Whoever comes now gets what the ending thread had. */
static void *successor(void *unused) {
    (void)unused;
    while (!late_runs) {
        usleep(100);
    }
    churn_beside(1000, &successor_runs, &late_runs);
    return NULL;
}

/* In the second round of destructors all keys of the first have had their turn, the library's among them. */
static void in_second_round(void *value) {
    if (value == (void *)1) {
        CHECK(pthread_setspecific(again, (void *)2) == 0);
        return;
    }
    churn_beside(2000, &late_runs, &successor_runs);
}

static void *ends_late(void *unused) {
    (void)unused;
    churn(3000);
    CHECK(pthread_setspecific(again, (void *)1) == 0);
    return NULL;
}

/* A thread's last destructors allocate while another thread has taken its place. */
static void late_destructor(void) {
    engage_arena();
    CHECK(pthread_key_create(&again, in_second_round) == 0);
    for (int i = 0; i < 4; i++) {
        pthread_t ending, next;
        late_runs = successor_runs = 0;
        CHECK(pthread_create(&ending, NULL, ends_late, NULL) == 0);
        CHECK(pthread_create(&next, NULL, successor, NULL) == 0);
        CHECK(pthread_join(ending, NULL) == 0 && pthread_join(next, NULL) == 0);
    }
    check_nothing_lives();
}

/* The program has taken every key there is before the arena is made. */
static void keys_used_up(void) {
    CHECK(pthread_key_create(&first_key, at_thread_exit) == 0 && pthread_key_create(&again, at_thread_exit) == 0);
    pthread_key_t key;
    int keys = 0;
    while (pthread_key_create(&key, NULL) == 0) {
        keys++;
    }
    CHECK(keys > 0);
    for (int i = 0; i < 20; i++) {
        use_blocks((uint64_t)i);
        run(with_keys, NULL);
    }
}

/* --- the end --- */

static void *kept[2];

static void at_exit(void) {
    use_blocks(7);
    CHECK(has_pattern(kept[0], LARGE, 8) && has_pattern(kept[1], 20000, 9));
    free(kept[0]);
    free(kept[1]);
    printf("at exit: blocks of before are intact\n");
}

/* Runs after the destructors of every library behind the program in link order, and after libc's atexit list. */
__attribute__((destructor)) static void last(void) { use_blocks(11); }

int main(int argc, char **argv) {
    check_preload();
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "before-main") == 0) {
        before_main();
    } else if (strcmp(name, "silent-threads") == 0) {
        silent_threads();
    } else if (strcmp(name, "thread-keys") == 0) {
        thread_keys();
    } else if (strcmp(name, "late-destructor") == 0) {
        late_destructor();
    } else if (strcmp(name, "keys-used-up") == 0) {
        keys_used_up();
    } else {
        CHECK(strcmp(name, "atexit") == 0);
        engage_arena();
        CHECK((kept[0] = malloc(LARGE)) && (kept[1] = malloc(20000)));
        fill_pattern(kept[0], LARGE, 8);
        fill_pattern(kept[1], 20000, 9);
        CHECK(atexit(at_exit) == 0);
    }
    check_arena_use();
    printf("%s: as it should be\n", name);
    return 0;
}
