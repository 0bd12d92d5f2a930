/* What scripts/mac-check runs on a Mac: whose blocks are whose, zones, threads, forks, phases. Prints one line for each check
 * that passed, and the counters. */
#include <dlfcn.h>
#include <errno.h>
#include <malloc/malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zkalloc.h>

static const size_t LARGE = 3 << 20;

static void check(int passed, const char *what) {
    printf("%s: %s\n", passed ? "ok" : "FAILED", what);
    fflush(stdout);
    if (!passed) {
        exit(1);
    }
}

static int all_are(const char *bytes, size_t count, char value) {
    return count == 0 || (bytes[0] == value && memcmp(bytes, bytes + 1, count - 1) == 0);
}

static void *churn(void *number) {
    for (int round = 0; round < 2000; round++) {
        size_t size = 4096 + (size_t)(round * 7919 % 900) * 1024;
        char *block = malloc(size);
        memset(block, (int)(size_t)number, size);
        if (round % 3 == 0) {
            block = realloc(block, 2 * size);
        }
        if (!all_are(block, size, (char)(size_t)number)) {
            return "changed";
        }
        free(block);
    }
    return NULL;
}

static int threads_are_fine(void) {
    pthread_t threads[8];
    int fine = 1;
    for (size_t i = 0; i < 8; i++) {
        pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
    }
    for (size_t i = 0; i < 8; i++) {
        void *result;
        pthread_join(threads[i], &result);
        fine &= result == NULL;
    }
    return fine;
}

static int child_is_fine(char *inherited) {
    pid_t child = fork();
    if (child == 0) {
        free(inherited);
        _exit(churn((void *)7) == NULL && threads_are_fine() ? 0 : 1);
    }
    int status;
    return waitpid(child, &status, 0) == child && status == 0;
}

/* Typed allocation, which libmalloc passes on to the functions that are replaced. Older systems have none. */
static void tell_of_typed_malloc(void) {
    typedef void *function(size_t bytes, unsigned long long type);
    function *typed_malloc = (function *)dlsym(RTLD_DEFAULT, "malloc_type_malloc");
    if (!typed_malloc) {
        puts("malloc_type_malloc: not there");
        return;
    }
    char *block = typed_malloc(LARGE, 1);
    check(block && malloc_size(block) >= LARGE, "malloc_type_malloc");
    printf("a large block of malloc_type_malloc is the %s\n", zk_owns(block) ? "arena's" : "system's");
    free(block);
}

static int batch_is_freed(void) {
    void *blocks[] = {malloc(LARGE), strdup("small"), malloc(LARGE)};
    void *before[] = {blocks[0], blocks[2]};
    malloc_zone_batch_free(malloc_default_zone(), blocks, 3);
    return !zk_owns(before[0]) && !zk_owns(before[1]);
}

/* A line of ZK_ALLOC_VERBOSE=1 into a pipe without a reader, in a program of two threads: where the signal went to the
 * process, the other one would take it. */
static void *idle(void *unused) {
    pause();
    return unused;
}

static int lines_end_no_program(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, idle, NULL);
    sleep(1);
    return zk_begin_phase() != 0 || zk_end_phase() != 0;
}

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "unread") == 0) {
        return lines_end_no_program();
    }
    check(zk_version != NULL, "the library is loaded");
    char *block = malloc(LARGE), *small = strdup("small");
    check(zk_owns(block), "malloc is replaced: a large block is the arena's");
    check(!zk_owns(small), "a small one is the system's");
    check(malloc_size(block) >= LARGE && malloc_size(small) >= 6, "malloc_size");
    malloc_zone_t *zone = malloc_zone_from_ptr(block);
    check(zone && strcmp(malloc_get_zone_name(zone), "zkalloc") == 0, "malloc_zone_from_ptr");
    check(malloc_zone_from_ptr(small) != zone, "malloc_zone_from_ptr of a small block");
    malloc_zone_free(malloc_default_zone(), block);
    free(small);
    check(batch_is_freed(), "malloc_zone_batch_free");
    block = valloc(100);
    memset(block, 1, 100);
    free(block);
    check(1, "valloc of a small block");
    tell_of_typed_malloc();
    block = calloc(1, LARGE);
    check(zk_owns(block) && all_are(block, LARGE, 0), "calloc");
    errno = 77;
    free(block);
    check(errno == 77, "free keeps errno");
    void *aligned = NULL;
    check(posix_memalign(&aligned, 1 << 16, LARGE) == 0 && (size_t)aligned % (1 << 16) == 0, "posix_memalign");
    free(aligned);
    check(threads_are_fine(), "8 threads");
    block = malloc(LARGE);
    check(child_is_fine(block), "fork");
    check(child_is_fine(block), "fork again");
    free(block);
    check(zk_begin_phase() == 0 && zk_end_phase() == 0, "phases");
    check(zk_trim(0) > 0, "memory goes back");
    zk_stats stats = {.size = sizeof stats};
    check(zk_stats_get(&stats) == 0 && stats.arena_allocs > 10000, "counters");
    printf("arena_allocs %llu live %llu resident %llu returned %llu\n", stats.arena_allocs, stats.live_bytes,
           stats.resident_bytes, stats.returned_bytes);
    return 0;
}
