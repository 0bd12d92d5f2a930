/* Usage: chain [fork]
 *
 * One program for every neighbourhood: other allocators and tracers preloaded before or behind the library, hooks, an
 * auditor. Uses the whole family from several threads, with forks, and pairs functions that not every allocator exports.
 * Who serves what is not asked: whatever it is, contents are kept and nothing dies. */
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>

/* Not in this libc's headers; an allocator may export them. */
extern void free_sized(void *, size_t) __attribute__((weak));
extern void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));

enum { STEPS = 300, THREADS = 4 };

static void *allocate(unsigned kind, size_t size) {
    void *block = NULL;
    switch (kind % 8) {
    case 0: return malloc(size);
    case 1: return calloc(1, size);
    case 2: return realloc(NULL, size);
    case 3: return reallocarray(NULL, size, 1);
    case 4: return posix_memalign(&block, 64, size) ? NULL : block;
    case 5: return aligned_alloc(64, (size + 63) / 64 * 64);
    case 6: return memalign(4096, size);
    default: return valloc(size);
    }
}

static void *work(void *argument) {
    uint64_t state = (uint64_t)(uintptr_t)argument;
    for (int step = 0; step < STEPS; step++) {
        /* Every magnitude from 1 byte to 4 MiB. */
        size_t size = random_next(&state) % ((size_t)1 << (random_next(&state) % 23)) + 1;
        void *block = allocate((unsigned)random_next(&state), size);
        CHECK(block && malloc_usable_size(block) >= size);
        uint64_t seed = state;
        fill_pattern(block, size, seed);
        size_t bigger = size + random_next(&state) % 100000;
        block = step % 2 ? reallocarray(block, bigger, 1) : realloc(block, bigger);
        CHECK(block && has_pattern(block, size, seed) && malloc_usable_size(block) >= bigger);
        char *text = NULL;
        CHECK(asprintf(&text, "%*d", 10000, step) == 10000);
        text = (char *)reallocarray(text, 20001, 1);
        CHECK(text && strlen(text) == 10000);
        if (step % 3 == 0 && free_sized && free_aligned_sized) {
            free_sized(block, bigger);
            free_sized(text, 20001);
        } else {
            free(block);
            free(text);
        }
    }
    return NULL;
}

static void round_of_threads(void) {
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

int main(int argc, char **argv) {
    /* Loaded at least: that the arena serves is up to the order. */
    CHECK(getenv("ZK_TEST_PRELOAD") && preloaded() == (dlsym(RTLD_DEFAULT, "zk_version") != NULL));
    engage_arena();
    void *kept = malloc(3 * MIB);
    fill_pattern(kept, 3 * MIB, 1);
    (void)work((void *)77);
    begin_phase();
    round_of_threads();
    end_phase();
    if (zk_trim) {
        (void)zk_trim(0);
    }
    if (argc > 1 && strcmp(argv[1], "fork") == 0) {
        pid_t child = fork();
        if (child == 0) {
            round_of_threads();
            CHECK(has_pattern(kept, 3 * MIB, 1));
            free(kept);
            exit(0);
        }
        int status = -1;
        CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    }
    kept = reallocarray(kept, 5, MIB);
    CHECK(kept && has_pattern(kept, 3 * MIB, 1));
    free(kept);
    check_arena_use();
    printf("contents kept\n");
    return 0;
}
