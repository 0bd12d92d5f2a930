/* fork in the middle of threads that allocate and free medium and large blocks, in and out of phases. Every child finds
 * its memory intact, allocates, frees, opens a phase and exits 0; the parent never notices.
 *
 * Usage: fork <forks> */
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>

enum { THREADS = 8, HELD = 16, CHILD_SECONDS = 30 };

struct held {
    void *block;
    size_t size;
    uint64_t seed;
};

static volatile int stop;

static struct held hold(uint64_t *state) {
    struct held held = {NULL, 0, random_next(state)};
    held.size = held.seed % 16 ? 4096 + held.seed % 100000 : MIB + held.seed % (3 * MIB);
    CHECK((held.block = malloc(held.size)) != NULL);
    fill_pattern(held.block, held.size, held.seed);
    return held;
}

static void drop(struct held *held) {
    CHECK(has_pattern(held->block, held->size, held->seed));
    free(held->block);
    held->block = NULL;
}

static void *churn(void *argument) {
    uint64_t state = (uint64_t)(uintptr_t)argument;
    struct held held[HELD] = {{0}};
    while (!stop) {
        int phase = random_next(&state) % 4 == 0;
        if (phase) {
            begin_phase();
        }
        struct held *slot = &held[random_next(&state) % HELD];
        if (slot->block) {
            drop(slot);
        }
        *slot = hold(&state);
        if (phase) {
            end_phase();
        }
    }
    for (int i = 0; i < HELD; i++) {
        if (held[i].block) {
            drop(&held[i]);
        }
    }
    return NULL;
}

static void *child_thread(void *argument) {
    uint64_t state = (uint64_t)(uintptr_t)argument;
    for (int i = 0; i < 20; i++) {
        struct held held = hold(&state);
        drop(&held);
    }
    return NULL;
}

static void child(struct held *inherited, unsigned long number) {
    alarm(CHILD_SECONDS); /* a deadlock ends here, and the parent sees SIGALRM */
    uint64_t state = number + 1;
    struct held own[HELD];
    begin_phase();
    for (int i = 0; i < HELD; i++) {
        own[i] = hold(&state);
    }
    for (int i = 0; i < HELD; i++) {
        drop(&inherited[i]);
        drop(&own[i]);
    }
    end_phase();
    if (zk_trim) {
        (void)zk_trim(0);
        CHECK(read_stats().forks >= 1);
    }
    if (number % 4 == 0) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, child_thread, (void *)(uintptr_t)(number + 1)) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    if (number % 8 == 0) { /* a grandchild */
        pid_t grandchild = fork();
        if (grandchild == 0) {
            (void)child_thread((void *)(uintptr_t)(number + 2));
            _exit(0);
        }
        int status = -1;
        CHECK(waitpid(grandchild, &status, 0) == grandchild && status == 0);
    }
    /* Both ways out: with atexit handlers, and without. */
    number % 2 ? exit(0) : _exit(0);
}

int main(int argc, char **argv) {
    check_preload();
    CHECK(argc == 2);
    unsigned long forks = strtoul(argv[1], NULL, 10);
    engage_arena();
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) == 0);
    }
    uint64_t state = 4711;
    struct held inherited[HELD];
    for (int i = 0; i < HELD; i++) {
        inherited[i] = hold(&state);
    }
    for (unsigned long number = 0; number < forks; number++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            child(inherited, number);
        }
        int status = -1;
        CHECK(waitpid(pid, &status, 0) == pid);
        if (status != 0) {
            dprintf(2, "child %lu: status 0x%x\n", number, (unsigned)status);
            _exit(1);
        }
        /* The child freed its copies; ours are ours. */
        struct held *slot = &inherited[number % HELD];
        drop(slot);
        *slot = hold(&state);
    }
    stop = 1;
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    for (int i = 0; i < HELD; i++) {
        drop(&inherited[i]);
    }
    check_nothing_lives();
    CHECK(!zk_stats_get || read_stats().forks == forks);
    printf("%lu forks: parent and children intact\n", forks);
    check_arena_use();
    return 0;
}
