/* The next allocator's very first request, from two threads at once. glibc sets its malloc up in the first call and
 * takes no lock: it counts on pthread_create's own calloc to be that call. An arena that serves those (ZK_ALLOC_MIN_BYTES=0)
 * must see to it that somebody has called glibc's malloc before there are two threads.
 *
 * Usage: first_use <tries>     (a race: each try is a child, as new as its parent) */
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>

enum { THREADS = 2 };

static volatile int ready;

static void *first_request(void *unused) {
    (void)unused;
    (void)zk_set_thread_enabled(0); /* the system serves this thread */
    __sync_fetch_and_add(&ready, 1);
    while (ready < THREADS) { /* spinning: the threads leave together */
    }
    void *blocks[3] = {malloc(100), malloc(1000), malloc(20000)};
    for (int i = 0; i < 3; i++) {
        CHECK(blocks[i] && !zk_owns(blocks[i]));
        fill_pattern(blocks[i], 100, (uint64_t)(uintptr_t)blocks[i]);
    }
    for (int i = 0; i < 3; i++) {
        CHECK(has_pattern(blocks[i], 100, (uint64_t)(uintptr_t)blocks[i]));
        free(blocks[i]);
    }
    return NULL; /* glibc's own checks are made where a thread ends */
}

static void race(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, first_request, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

int main(int argc, char **argv) {
    check_preload();
    CHECK(argc == 2);
    engage_arena();
    for (unsigned long tries = strtoul(argv[1], NULL, 10); tries > 0; tries--) {
        pid_t child = fork();
        if (child == 0) {
            race();
            _exit(0);
        }
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
    return 0;
}
