/* What every test program shares: checks, patterns, and the proof that the library is loaded (or is not). */
#ifndef CHECK_H
#define CHECK_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zkalloc.h>

#ifndef __GLIBC__
/* musl has no such function (the library has). */
static inline void *pvalloc(size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    return aligned_alloc(page, size ? (size + page - 1) & ~(page - 1) : page);
}
#endif

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* What a program clears away before it ends for a failed check. */
#ifndef BEFORE_FAILING
#define BEFORE_FAILING() ((void)0)
#endif

/* Any thread, any child process: no lock is taken and nothing of the parent's stdio is flushed twice. */
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            dprintf(2, "%s:%d: check failed: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno);                  \
            BEFORE_FAILING();                                                                                          \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static inline int preloaded(void) {
    const char *expected = getenv("ZK_TEST_PRELOAD");
    return expected && expected[0] == '1';
}

/* Fails unless the library is loaded exactly when the runner says so, and malloc is the library's own. */
static inline void check_preload(void) {
    void *version = dlsym(RTLD_DEFAULT, "zk_version");
    CHECK(getenv("ZK_TEST_PRELOAD") != NULL);
    CHECK(preloaded() == (version != NULL));
    if (version) {
        Dl_info ours, mallocs;
        CHECK(dladdr(version, &ours) && dladdr(dlsym(RTLD_DEFAULT, "malloc"), &mallocs));
        CHECK(ours.dli_fbase == mallocs.dli_fbase);
        CHECK(zk_version != NULL && zk_version()[0] != '\0');
    }
}

/* Phases, depth and ownership, for programs that also run without the library. */
static inline void begin_phase(void) {
    if (zk_begin_phase) {
        CHECK(zk_begin_phase() == 0);
    }
}

static inline void end_phase(void) {
    if (zk_end_phase) {
        CHECK(zk_end_phase() == 0);
    }
}

static inline zk_stats read_stats(void) {
    zk_stats stats;
    memset(&stats, 0, sizeof stats);
    stats.size = sizeof stats;
    CHECK(zk_stats_get(&stats) == 0);
    CHECK(stats.size == sizeof stats);
    return stats;
}

/* Mode auto engages the arena at the first request of 1 MiB or more; this is that request. */
static inline void engage_arena(void) {
    void *block = malloc(2 * MIB);
    CHECK(block != NULL);
    free(block);
}

/* The program must not be fooled by an arena that was never used: ZK_TEST_ARENA is "used" or "unused". */
static inline void check_arena_use(void) {
    const char *expected = getenv("ZK_TEST_ARENA");
    if (expected) {
        CHECK(preloaded());
        CHECK((strcmp(expected, "used") == 0) == (read_stats().arena_allocs > 0));
    }
}

/* Every arena block was freed. (With a threshold below 4096 libc's own small blocks are among them, and may live on.) */
static inline void check_nothing_lives(void) {
    if (zk_stats_get && zk_min_arena_bytes() >= 4096) {
        zk_stats stats = read_stats();
        CHECK(stats.live_blocks == 0 && stats.live_bytes == 0);
        CHECK(stats.arena_allocs == stats.arena_frees);
    }
}

/* xorshift64: the same sequence in every run. */
static inline uint64_t random_next(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

static inline uint64_t pattern_word(size_t index, uint64_t seed) {
    return (index + 1) * 0x9E3779B97F4A7C15u ^ (seed + 1) * 0xD1B54A32D192ED03u;
}

/* Writes a pattern that depends on every index and on the seed; a prefix of it is the pattern of a shorter block.
 * (__builtin_memcpy: -fno-builtin would make each word a call.) */
static inline void fill_pattern(void *block, size_t size, uint64_t seed) {
    char *bytes = (char *)block;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word = pattern_word(i, seed);
        __builtin_memcpy(bytes + i, &word, 8);
    }
    uint64_t word = pattern_word(i, seed);
    memcpy(bytes + i, &word, size - i);
}

static inline int has_pattern(const void *block, size_t size, uint64_t seed) {
    const char *bytes = (const char *)block;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t found;
        __builtin_memcpy(&found, bytes + i, 8);
        if (found != pattern_word(i, seed)) {
            return 0;
        }
    }
    uint64_t word = pattern_word(i, seed);
    return memcmp(bytes + i, &word, size - i) == 0;
}

static inline int all_zero(const void *block, size_t size) {
    const unsigned char *bytes = (const unsigned char *)block;
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* A block with a pattern over its whole length, and its end. */
static inline void *make_block(size_t size, uint64_t seed) {
    void *block = malloc(size);
    CHECK(block != NULL);
    fill_pattern(block, size, seed);
    return block;
}

static inline void drop_block(void *block, size_t size, uint64_t seed) {
    CHECK(has_pattern(block, size, seed));
    free(block);
}

/* Resident memory of the process, exactly (statm may lag behind), and without an allocation. */
static inline size_t resident_bytes(void) {
    char text[4096] = {0};
    int file = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0 && read(file, text, sizeof text - 1) > 0);
    close(file);
    const char *line = strstr(text, "\nRss:");
    CHECK(line != NULL);
    return strtoull(line + sizeof "\nRss:" - 1, NULL, 10) * KIB;
}

/* Milliseconds of a clock that never goes back. */
static inline uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Polls, so that a test takes as long as the library does and not as long as it may. */
static inline int falls_below(size_t bytes, uint64_t milliseconds) {
    uint64_t end = now_ms() + milliseconds;
    while (resident_bytes() >= bytes && now_ms() < end) {
        usleep(1000);
    }
    return resident_bytes() < bytes;
}

static inline const char *errno_name(int error) {
    switch (error) {
    case 0: return "0";
    case ENOMEM: return "ENOMEM";
    case EINVAL: return "EINVAL";
    case EBADF: return "EBADF";
    default: return "another errno";
    }
}

#endif
