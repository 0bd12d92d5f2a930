/* For scripts/checks/valgrind: one real error for the checker to report, or none, while the arena serves requests. Prints
 * how many it has served.
 *
 * Usage: checker none | use-after-free | race */
#include "check.h"
#include <pthread.h>

static int shared;

static void *increment(void *unused) {
    (void)unused;
    shared++;
    return NULL;
}

static void race(void) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_create(&threads[i], NULL, increment, NULL) == 0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    engage_arena();
    char *volatile medium = (char *)malloc(20000), *volatile small = (char *)malloc(100);
    CHECK(medium && small);
    medium[0] = small[0] = 1;
    free(medium);
    free(small);
    if (strcmp(argv[1], "use-after-free") == 0) {
        shared = small[0];
    } else if (strcmp(argv[1], "race") == 0) {
        race();
    }
    printf("%llu\n", (unsigned long long)read_stats().arena_allocs);
    return 0;
}
