/* Every counter of zk_stats against a known sequence of calls. One thread, so the numbers are exact. Needs the library.
 *
 * Usage: stats     (the runner compares the printed final counters with the JSON written at exit) */
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>

enum { MEDIUM_BLOCKS = 100, LARGE_BLOCKS = 4 };
static const size_t MEDIUM = 50000, LARGE = 5 * MIB;

static void *blocks[MEDIUM_BLOCKS + LARGE_BLOCKS];

static void allocate_all(void) {
    for (int i = 0; i < MEDIUM_BLOCKS + LARGE_BLOCKS; i++) {
        size_t size = i < MEDIUM_BLOCKS ? MEDIUM : LARGE;
        CHECK((blocks[i] = malloc(size)) != NULL);
        memset(blocks[i], 1, size);
    }
}

static void free_all(void) {
    for (int i = 0; i < MEDIUM_BLOCKS + LARGE_BLOCKS; i++) {
        free(blocks[i]);
    }
}

static void check_blocks_and_bytes(void) {
    const uint64_t count = MEDIUM_BLOCKS + LARGE_BLOCKS;
    const uint64_t requested = MEDIUM_BLOCKS * MEDIUM + LARGE_BLOCKS * LARGE;
    zk_stats before = read_stats();
    CHECK(before.live_blocks == 0 && before.live_bytes == 0);
    allocate_all();
    zk_stats live = read_stats();
    CHECK(live.arena_allocs == before.arena_allocs + count && live.arena_frees == before.arena_frees);
    /* Usable bytes: at least what was asked for, at most a quarter more (four classes per doubling). */
    CHECK(live.live_blocks == count && live.live_bytes >= requested && live.live_bytes <= requested * 5 / 4);
    CHECK(live.peak_live_bytes >= live.live_bytes);
    CHECK(live.resident_bytes >= requested && live.resident_bytes <= live.reserved_bytes);
    CHECK(live.fresh_bytes + live.reused_bytes >= before.fresh_bytes + before.reused_bytes + requested);
    free_all();
    zk_stats after = read_stats();
    CHECK(after.arena_frees == before.arena_frees + count && after.live_blocks == 0 && after.live_bytes == 0);
    CHECK(after.peak_live_bytes == live.peak_live_bytes);
    allocate_all();
    zk_stats again = read_stats();
    CHECK(again.reused_bytes > after.reused_bytes); /* the same sizes again: freed memory serves them */
    CHECK(again.peak_live_bytes == live.peak_live_bytes);
    free_all();
    (void)zk_trim(0);
    zk_stats trimmed = read_stats();
    CHECK(trimmed.returned_bytes > again.returned_bytes && trimmed.resident_bytes < live.resident_bytes);
}

static void check_phases(void) {
    zk_stats before = read_stats();
    CHECK(zk_begin_phase() == 0 && zk_begin_phase() == 0);
    CHECK(read_stats().phases_begun == before.phases_begun + 2);
    void *survivors[3] = {malloc(MEDIUM), malloc(LARGE), malloc(LARGE)};
    CHECK(zk_end_phase() == 0 && zk_end_phase() == 0 && zk_end_phase() == EINVAL);
    zk_stats after = read_stats();
    CHECK(after.phases_ended == before.phases_ended + 2);
    CHECK(after.survivor_blocks == 3 && after.survivor_bytes == after.live_bytes);
    free(survivors[0]);
    free(survivors[1]);
    free(survivors[2]);
    CHECK(read_stats().survivor_blocks == 3); /* alive when the last phase ended */
    CHECK(zk_begin_phase() == 0 && zk_end_phase() == 0);
    CHECK(read_stats().survivor_blocks == 0 && read_stats().survivor_bytes == 0);
}

static void check_system_allocs(void) {
    zk_stats before = read_stats();
    CHECK(zk_set_thread_enabled(0) == 1);
    free(malloc(MEDIUM)); /* outside a phase: not counted */
    CHECK(zk_begin_phase() == 0);
    free(malloc(100)); /* below the threshold: not counted */
    free(malloc(MEDIUM));
    free(calloc(1, LARGE));
    /* Counted once each, also where one of these is made of another, as musl makes them. */
    void *block = NULL;
    CHECK(posix_memalign(&block, 64, MEDIUM) == 0);
    free(block);
    free(memalign(64, MEDIUM));
    free(aligned_alloc(64, MEDIUM));
    free(valloc(MEDIUM));
    CHECK(zk_end_phase() == 0);
    CHECK(zk_set_thread_enabled(1) == 0);
    zk_stats after = read_stats();
    CHECK(after.system_allocs_in_phase == before.system_allocs_in_phase + 6);
    CHECK(after.arena_allocs == before.arena_allocs);
}

static void *allocating_thread(void *unused) {
    (void)unused;
    free(malloc(MEDIUM));
    return NULL;
}

static void check_threads_and_forks(void) {
    zk_stats before = read_stats();
    CHECK(before.threads_seen >= 1 && zk_begin_phase() == 0);
    for (int i = 0; i < 5; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, allocating_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
    }
    CHECK(zk_end_phase() == 0);
    CHECK(read_stats().threads_seen == before.threads_seen + 5);
    pid_t child = fork();
    if (child == 0) {
        CHECK(read_stats().forks == before.forks + 1);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(read_stats().forks == before.forks + 1);
}

int main(void) {
    check_preload();
    engage_arena();
    check_blocks_and_bytes();
    check_phases();
    check_system_allocs();
    check_threads_and_forks();
    CHECK(zk_stats_get != NULL && zk_slab_size() > 0);
    zk_stats stats = read_stats();
    CHECK(stats.version >= 1);
    printf("phases_begun %llu\nphases_ended %llu\narena_allocs %llu\narena_frees %llu\nlive_blocks %llu\n",
           (unsigned long long)stats.phases_begun, (unsigned long long)stats.phases_ended,
           (unsigned long long)stats.arena_allocs, (unsigned long long)stats.arena_frees,
           (unsigned long long)stats.live_blocks);
    printf("peak_live_bytes %llu\nsystem_allocs_in_phase %llu\nthreads_seen %llu\nforks %llu\n",
           (unsigned long long)stats.peak_live_bytes, (unsigned long long)stats.system_allocs_in_phase,
           (unsigned long long)stats.threads_seen, (unsigned long long)stats.forks);
    return 0;
}
