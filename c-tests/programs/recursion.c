/* The library's own calls ask for memory, here the one that arms a thread's exit function: behind a program's first 32
 * keys, which shim_keys.c takes, glibc allocates a table for it. With ZK_ALLOC_MIN_BYTES=0 the arena would get that
 * request, in the middle of the thread's first one. Needs the library. */
#include "check.h"
#include <pthread.h>

enum { THREADS = 16 };
#define STACK_BYTES (128 * KIB)

static void *first_request(void *unused) {
    (void)unused;
    void *large = malloc(2 * MIB), *small = malloc(100);
    CHECK(zk_owns(large) && zk_owns(small));
    free(small);
    free(large);
    return NULL;
}

int main(void) {
    check_preload();
    CHECK(zk_min_arena_bytes() == 0);
    /* The main thread has a large stack: it would survive some recursion. The others make the arena. */
    CHECK(zk_set_thread_enabled(0) == 1);
    pthread_key_t key;
    CHECK(pthread_key_create(&key, NULL) == 0 && key >= 32);
    CHECK(read_stats().reserved_bytes == 0);
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, &attributes, first_request, NULL) == 0 && pthread_join(thread, NULL) == 0);
    }
    CHECK(pthread_attr_destroy(&attributes) == 0);
    /* Nobody came in twice. */
    CHECK(read_stats().threads_seen == THREADS);
    check_arena_use();
    return 0;
}
