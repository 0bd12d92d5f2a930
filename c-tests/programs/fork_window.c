/* fork at the worst moment, for certain and not by chance. Needs the library.
 *
 * Usage: fork_window first   while another thread makes the arena (with shim_slow.c)
 *        fork_window carve   while another thread is taking new addresses (with shim_slow.c)
 *        fork_window trim    while another thread gives memory back (with shim_slow.c)
 *        fork_window move    while pages are on their way to another thread's block (with shim_slow.c)
 *        fork_window hole    while such a move fails, and its target is not mapped (with shim_slow.c)
 *        fork_window signal  while the forking thread waits for a lock, and a signal handler of it frees (with shim_slow.c)
 *        fork_window reuse   while other threads own spans full of live blocks: the child can free and use all of it */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define DONOR (100 * MIB)
#define TARGET (60 * MIB)
enum { CHILD_SECONDS = 5, THREADS = 16, BLOCKS = 48, SIZE = 40000 }; /* a span has 51 such blocks */

static void *carve(void *unused) {
    (void)unused;
    void *block = malloc(600 * MIB); /* more than was ever made usable; not touched */
    CHECK(block && zk_owns(block));
    free(block);
    return NULL;
}

static void *first(void *unused) {
    (void)unused;
    engage_arena();
    return NULL;
}

static void *trim(void *unused) {
    (void)unused;
    CHECK(zk_trim(0) > 0);
    return NULL;
}

/* Live and free pages together would exceed the peak: the block gets pages of the donor, which is free. */
static void *move(void *unused) {
    (void)unused;
    void *block = malloc(TARGET);
    CHECK(block && zk_owns(block));
    free(block);
    return NULL;
}

/* With nothing left to move a child that used it would get the very slot that pages were being moved to. */
static void child_has_zeroes(void) {
    (void)zk_trim(0);
    void *block = calloc(1, TARGET);
    CHECK(zk_owns(block) && all_zero(block, TARGET));
    free(block);
}

static void dirty(size_t size) {
    void *block = malloc(size);
    CHECK(block && zk_owns(block));
    memset(block, 0xEE, size);
    free(block);
}

static void child_carves(void) {
    for (size_t size = 4096; size < GIB; size *= 3) { /* of each class the first: each is carved */
        void *block = malloc(size);
        CHECK(block && zk_owns(block));
        fill_pattern(block, 4096, size);
        CHECK(has_pattern(block, 4096, size));
        free(block);
    }
}

static void child_makes_it(void) {
    engage_arena(); /* unless the parent was through with it */
    child_carves();
}

static void child_trims(void) {
    dirty(3 * MIB);
    CHECK(zk_trim(0) > 0);
}

/* The child must get along; where it waits for a lock of a thread that it lacks, SIGALRM ends it. */
static void fork_and_check(void (*child)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        child();
        _exit(0);
    }
    int status = -1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK(!(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM));
    CHECK(status == 0);
}

static void fork_inside(char call, void *(*slow)(void *), void (*child)(void)) {
    volatile char *armed = dlsym(RTLD_DEFAULT, "shim_slow_armed");
    volatile int *entered = dlsym(RTLD_DEFAULT, "shim_slow_entered");
    CHECK(armed && entered);
    *entered = 0;
    *armed = call;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, slow, NULL) == 0);
    while (!*entered) {
        usleep(1000);
    }
    fork_and_check(child);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(*armed == 0);
    child(); /* the parent gets along as well */
}

enum { VICTIMS = 8 };
static void *victims[VICTIMS];
static volatile sig_atomic_t freed;
static pthread_t forking;

static void free_one(int signal_number) {
    (void)signal_number;
    if (freed < VICTIMS) {
        free(victims[freed]);
        freed++;
    }
}

/* Signals all the while that addresses are being taken, of which the fork waits for the end. */
static void *signal_often(void *unused) {
    (void)unused;
    volatile int *inside = dlsym(RTLD_DEFAULT, "shim_slow_inside");
    volatile int *entered = dlsym(RTLD_DEFAULT, "shim_slow_entered");
    while (!*entered) {
        usleep(1000);
    }
    for (int i = 0; i < VICTIMS && *inside; i++) {
        usleep(50000);
        CHECK(pthread_kill(forking, SIGUSR1) == 0);
    }
    return NULL;
}

static void fork_under_signals(void) {
    for (int i = 0; i < VICTIMS; i++) {
        victims[i] = malloc(3 * MIB);
        CHECK(victims[i] && zk_owns(victims[i]));
    }
    forking = pthread_self();
    CHECK(signal(SIGUSR1, free_one) != SIG_ERR);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, signal_often, NULL) == 0);
    fork_inside('p', carve, child_carves);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(freed > 0);
    while (freed < VICTIMS) {
        free_one(0);
    }
    (void)zk_trim(0);
    check_nothing_lives();
}

static void *held[THREADS][BLOCKS];
static pthread_barrier_t all_hold, child_is_done;

static void *hold(void *argument) {
    void **blocks = held[(uintptr_t)argument];
    for (int i = 0; i < BLOCKS; i++) {
        CHECK((blocks[i] = malloc(SIZE)) && zk_owns(blocks[i]));
        fill_pattern(blocks[i], SIZE, (uintptr_t)argument);
    }
    pthread_barrier_wait(&all_hold);
    pthread_barrier_wait(&child_is_done);
    for (int i = 0; i < BLOCKS; i++) {
        CHECK(has_pattern(blocks[i], SIZE, (uintptr_t)argument));
        free(blocks[i]);
    }
    return NULL;
}

/* Frees what all the threads held, and allocates as much: no more memory than before. */
static void child_reuses(void) {
    size_t before = read_stats().resident_bytes;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < THREADS * BLOCKS; i++) {
            void **block = &held[i / BLOCKS][i % BLOCKS];
            CHECK(has_pattern(*block, SIZE, (uint64_t)(i / BLOCKS)));
            free(*block);
        }
        for (int i = 0; i < THREADS * BLOCKS; i++) {
            void **block = &held[i / BLOCKS][i % BLOCKS];
            CHECK((*block = malloc(SIZE)) && zk_owns(*block));
            fill_pattern(*block, SIZE, (uint64_t)(i / BLOCKS));
        }
    }
    size_t after = read_stats().resident_bytes;
    CHECK(after < before + before / 4);
}

static void reuse(void) {
    pthread_t threads[THREADS];
    CHECK(pthread_barrier_init(&all_hold, NULL, THREADS + 1) == 0);
    CHECK(pthread_barrier_init(&child_is_done, NULL, THREADS + 1) == 0);
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, hold, (void *)i) == 0);
    }
    pthread_barrier_wait(&all_hold);
    fork_and_check(child_reuses);
    pthread_barrier_wait(&child_is_done);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    check_nothing_lives();
}

int main(int argc, char **argv) {
    check_preload();
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "first") != 0) {
        engage_arena();
    }
    if (strcmp(name, "first") == 0) {
        fork_inside('r', first, child_makes_it);
    } else if (strcmp(name, "carve") == 0) {
        fork_inside('p', carve, child_carves);
    } else if (strcmp(name, "signal") == 0) {
        fork_under_signals();
    } else if (strcmp(name, "trim") == 0) {
        dirty(8 * MIB);
        fork_inside('a', trim, child_trims);
    } else if (strcmp(name, "move") == 0) {
        dirty(DONOR);
        fork_inside('m', move, child_has_zeroes);
        CHECK(read_stats().moved_bytes > 0);
    } else if (strcmp(name, "hole") == 0) {
        dirty(DONOR);
        fork_inside('h', move, child_has_zeroes);
    } else {
        CHECK(strcmp(name, "reuse") == 0);
        reuse();
    }
    check_arena_use();
    return 0;
}
