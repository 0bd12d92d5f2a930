/* Which blocks are the arena's: modes, phases, excluded threads, and realloc, which keeps system blocks in the system
 * at every size. Needs the library.
 *
 * Usage: ownership auto|phase|off     (the mode that ZK_ALLOC_MODE sets) */
#include "check.h"
#include <malloc.h>
#include <pthread.h>

static const size_t GROWTH[] = {100, 4095, 4096, 4097, 64 * KIB, MIB, MIB + 1, 5 * MIB, 20 * MIB, 4096, 50, 5 * MIB};
#define STEPS (sizeof GROWTH / sizeof GROWTH[0])

/* Who would get this request now? */
static int arena_takes(size_t size) {
    void *block = malloc(size);
    CHECK(block != NULL);
    int owned = zk_owns(block);
    free(block);
    return owned;
}

/* A block that the system has stays there, in phases too. */
static void check_sticky(void *block, size_t size) {
    CHECK(block && !zk_owns(block));
    fill_pattern(block, size, size);
    for (size_t i = 0; i < STEPS; i++) {
        void *moved = i % 2 ? realloc(block, GROWTH[i]) : reallocarray(block, 1, GROWTH[i]);
        CHECK(moved && !zk_owns(moved) && !zk_owns((char *)moved + GROWTH[i] - 1));
        CHECK(has_pattern(moved, size < GROWTH[i] ? size : GROWTH[i], size));
        block = moved;
        size = GROWTH[i];
        fill_pattern(block, size, size);
    }
    free(block);
}

static void check_live_range(void) {
    static const size_t SIZES[] = {4096, 10000, 64 * KIB, MIB, MIB + 1, 5 * MIB};
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        char *block = (char *)malloc(SIZES[i]);
        CHECK((uintptr_t)block % 64 == 0);
        size_t usable = malloc_usable_size(block);
        CHECK(zk_owns(block) == 1 && zk_owns(block + 1) == 1 && zk_owns(block + SIZES[i] / 2) == 1);
        CHECK(zk_owns(block + SIZES[i] - 1) == 1 && zk_owns(block + usable - 1) == 1);
        free(block);
        CHECK(zk_owns(block) == 0 && zk_owns(block + SIZES[i] / 2) == 0 && zk_owns(block + SIZES[i] - 1) == 0);
    }
}

/* An arena block that outgrows its place goes where malloc would go now. */
static void check_arena_realloc(void) {
    void *block = malloc(10000);
    CHECK(zk_owns(block));
    fill_pattern(block, 10000, 1);
    block = realloc(block, 300000);
    CHECK(zk_owns(block) && has_pattern(block, 10000, 1));
    block = realloc(block, 3 * MIB);
    CHECK(zk_owns(block) && has_pattern(block, 10000, 1));
    void *same = realloc(block, 3 * MIB - 4096);
    CHECK(same == block);
    block = realloc(block, 100); /* below the threshold: malloc(100) is the system's */
    CHECK(block && !zk_owns(block) && has_pattern(block, 100, 1));
    check_sticky(realloc(block, 100), 100);

    block = malloc(10000);
    fill_pattern(block, 10000, 2);
    CHECK(zk_set_thread_enabled(0) == 1);
    block = realloc(block, 3 * MIB);
    CHECK(block && !zk_owns(block) && has_pattern(block, 10000, 2));
    CHECK(zk_set_thread_enabled(1) == 0);
    free(block);
}

static void *excluded_thread(void *unused) {
    (void)unused;
    CHECK(zk_set_thread_enabled(0) == 1); /* new threads: 1 */
    CHECK(!arena_takes(10000) && !arena_takes(5 * MIB));
    void *block = calloc(1, 50000);
    CHECK(!zk_owns(block));
    CHECK(zk_set_thread_enabled(1) == 0 && arena_takes(10000) && arena_takes(5 * MIB));
    check_sticky(block, 50000);
    CHECK(zk_set_thread_enabled(0) == 1);
    return malloc(2 * MIB);
}

/* Exclusion is one thread's; the block it leaves is the system's for everyone. */
static void check_exclusion(void) {
    pthread_t thread;
    void *block = NULL;
    CHECK(pthread_create(&thread, NULL, excluded_thread, NULL) == 0 && pthread_join(thread, &block) == 0);
    CHECK(arena_takes(10000));
    check_sticky(block, 2 * MIB);
    void *ours = malloc(10000);
    CHECK(zk_set_thread_enabled(0) == 1 && zk_owns(ours));
    free(ours); /* an excluded thread frees arena blocks all the same */
    CHECK(!zk_owns(ours) && zk_set_thread_enabled(1) == 0);
}

static void check_engaged(void) {
    CHECK(!arena_takes(1) && !arena_takes(4095) && arena_takes(4096) && arena_takes(4097));
    CHECK(arena_takes(MIB) && arena_takes(MIB + 1) && arena_takes(5 * MIB));
    void *aligned = memalign(4096, 10000);
    CHECK(zk_owns(aligned));
    free(aligned);
    check_live_range();
    check_arena_realloc();
    check_exclusion();
    check_sticky(malloc(100), 100);
}

static void check_disengaged(void) {
    static const size_t SIZES[] = {1, 4095, 4096, 64 * KIB, MIB - 1, MIB, 5 * MIB};
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        CHECK(!arena_takes(SIZES[i]));
        check_sticky(malloc(SIZES[i]), SIZES[i]);
    }
}

static void *overlapping_phase(void *unused) {
    (void)unused;
    CHECK(zk_begin_phase() == 0);
    CHECK(zk_phase_depth() == 2);
    return NULL; /* left open: another thread ends it */
}

/* Nested, and overlapping: begun here and there, ended here. */
static void check_phases(void (*inside)(void), void (*outside)(void)) {
    for (int round = 0; round < 3; round++) {
        void *before = malloc(50000);
        int before_owned = zk_owns(before);
        CHECK(zk_begin_phase() == 0 && zk_phase_depth() == 1);
        inside();
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, overlapping_phase, NULL) == 0 && pthread_join(thread, NULL) == 0);
        CHECK(zk_phase_depth() == 2);
        inside();
        void *survivor = malloc(50000);
        fill_pattern(survivor, 50000, 3);
        CHECK(zk_end_phase() == 0 && zk_phase_depth() == 1);
        inside();
        CHECK(zk_end_phase() == 0 && zk_phase_depth() == 0);
        outside();
        CHECK(has_pattern(survivor, 50000, 3) && zk_owns(before) == before_owned);
        free(survivor);
        free(before);
    }
}

int main(int argc, char **argv) {
    check_preload();
    CHECK(argc == 2 && preloaded());
    CHECK(zk_min_arena_bytes() == 4096);
    if (strcmp(argv[1], "auto") == 0) {
        /* Not engaged before the first request of 1 MiB. */
        CHECK(!arena_takes(4096) && !arena_takes(MIB - 1) && read_stats().reserved_bytes == 0);
        void *early = malloc(50000);
        CHECK(arena_takes(MIB) && arena_takes(4096) && read_stats().reserved_bytes > 0 && zk_slab_size() > 0);
        check_sticky(early, 50000);
        check_engaged();
        /* From the first phase on, only inside phases. */
        check_phases(check_engaged, check_disengaged);
    } else if (strcmp(argv[1], "prefault") == 0) {
        /* Mode auto: an arena that was asked for serves at once, and still does after the first large request. */
        CHECK(!arena_takes(4096) && zk_prefault(0) == 0 && arena_takes(4096) && arena_takes(MIB));
        check_engaged();
    } else if (strcmp(argv[1], "phase") == 0) {
        check_disengaged();
        check_phases(check_engaged, check_disengaged);
    } else {
        check_disengaged();
        check_phases(check_disengaged, check_disengaged);
    }
    check_nothing_lives();
    CHECK((read_stats().arena_allocs > 0) == (strcmp(argv[1], "off") != 0));
    printf("%s: as designed\n", argv[1]);
    return 0;
}
