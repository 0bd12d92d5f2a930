/* Misuse that the library can prove: prints the pointer, then does the forbidden thing, and must not return from it.
 *
 * Usage: misuse <case> [free|realloc|usable]     (the call that gets the bad pointer)
 * double-in-trim needs shim_slow.c. */
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define MEDIUM ((size_t)20000)
#define LARGE (5 * MIB)

static const char *final_call = "free";

static void *arena_block(size_t size) {
    void *block = malloc(size);
    CHECK(block != NULL && zk_owns(block));
    return block;
}

/* volatile: the compiler sees a use after free, which is the point. */
static void misuse(void *volatile pointer) {
    dprintf(1, "%p\n", pointer); /* stdio's buffer of 4096 bytes could be the freed block */
    if (strcmp(final_call, "realloc") == 0) {
        (void)!realloc(pointer, 3 * MEDIUM);
    } else if (strcmp(final_call, "usable") == 0) {
        (void)malloc_usable_size(pointer);
    } else {
        free(pointer);
    }
    dprintf(2, "survived %s\n", final_call);
    _exit(3);
}

static void *free_there(void *block) {
    free(block);
    return NULL;
}

static void *misuse_there(void *block) {
    misuse(block);
    return NULL;
}

static void in_another_thread(void *(*call)(void *), void *block) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, call, block) == 0 && pthread_join(thread, NULL) == 0);
}

/* Double free. `neighbour` keeps the block's span in use, or nothing does. */
static void twice(size_t size) {
    void *neighbour = arena_block(size), *volatile block = arena_block(size);
    free(block);
    (void)neighbour;
    misuse(block);
}

static void twice_alone(size_t size) {
    void *volatile block = arena_block(size);
    free(block);
    misuse(block);
}

/* The whole span dies and is recycled before the second free. */
static void twice_after_span_died(void) {
    enum { BLOCKS = 500 };
    void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = arena_block(MEDIUM);
    }
    void *volatile victim = blocks[BLOCKS / 2];
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    misuse(victim);
}

static void twice_after_trim(size_t size) {
    void *volatile block = arena_block(size);
    free(block);
    (void)zk_trim(0);
    misuse(block);
}

static void *trim_there(void *unused) {
    (void)zk_trim(0);
    return unused;
}

/* Another thread is giving its pages back. */
static void twice_in_trim(void) {
    volatile char *armed = (volatile char *)dlsym(RTLD_DEFAULT, "shim_slow_armed");
    volatile int *entered = (volatile int *)dlsym(RTLD_DEFAULT, "shim_slow_entered");
    void *neighbour = arena_block(MEDIUM), *volatile block = arena_block(MEDIUM);
    CHECK(armed && entered);
    memset(block, 1, MEDIUM);
    (void)zk_trim(0); /* what else is free */
    free(block);
    pthread_t thread;
    *armed = 'a';
    CHECK(pthread_create(&thread, NULL, trim_there, NULL) == 0);
    while (!*entered) {
        usleep(1000);
    }
    (void)neighbour;
    misuse(block);
}

/* The block is in the remote list of its span's owner when the owner, or the other thread, frees it again. */
static void twice_remote(int second_is_remote) {
    void *neighbour = arena_block(MEDIUM), *volatile block = arena_block(MEDIUM);
    (void)neighbour;
    in_another_thread(free_there, block);
    if (second_is_remote) {
        in_another_thread(misuse_there, block);
    }
    misuse(block);
}

/* realloc moved the block: the old address is free. */
static void twice_after_realloc(void) {
    void *neighbour = arena_block(MEDIUM), *volatile block = arena_block(MEDIUM);
    void *moved = realloc(block, LARGE);
    CHECK(moved && moved != block);
    (void)neighbour;
    misuse(block);
}

/* The block took its pages along, and its place in them, to a slot where others start elsewhere. */
static void twice_after_growth(void) {
    (void)arena_block(8 * MIB); /* or both slots would have the same colour */
    void *small = arena_block(9 * MIB);
    memset(small, 1, 9 * MIB);
    void *volatile block = realloc(small, 20 * MIB);
    CHECK(block && zk_owns(block) && read_stats().moved_bytes > 0);
    free(block);
    void *volatile other = arena_block(22 * MIB);
    CHECK(other != block && (uintptr_t)other / 4096 == (uintptr_t)block / 4096);
    free(other);
    misuse(block);
}

static void twice_in_child(void) {
    void *volatile block = arena_block(MEDIUM);
    free(block);
    pid_t child = fork();
    if (child == 0) {
        misuse(block);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    abort();
}

static void interior(size_t size, size_t offset) { misuse((char *)arena_block(size) + offset); }

static void interior_freed(size_t size) {
    char *volatile block = (char *)arena_block(size);
    free(block);
    misuse(block + 64);
}

/* Outside a phase, in another phase, and for an excluded thread the arena's blocks are still its own. */
static void interior_disengaged(void) {
    begin_phase();
    char *block = (char *)arena_block(MEDIUM);
    end_phase();
    (void)zk_set_thread_enabled(0);
    misuse(block + 128);
}

static int run(const char *name) {
#define CASE(text, action)                                                                                             \
    if (strcmp(name, text) == 0) {                                                                                     \
        action;                                                                                                        \
        return 1;                                                                                                      \
    }
    CASE("double-medium", twice(MEDIUM))
    CASE("double-smallest", twice(4096))
    CASE("double-mebibyte", twice(MIB))
    CASE("double-large", twice(LARGE))
    CASE("double-medium-alone", twice_alone(MEDIUM))
    CASE("double-large-alone", twice_alone(LARGE))
    CASE("double-span-died", twice_after_span_died())
    CASE("double-medium-trimmed", twice_after_trim(MEDIUM))
    CASE("double-large-trimmed", twice_after_trim(LARGE))
    CASE("double-in-trim", twice_in_trim())
    CASE("double-remote-local", twice_remote(0))
    CASE("double-remote-remote", twice_remote(1))
    CASE("double-after-realloc", twice_after_realloc())
    CASE("double-after-growth", twice_after_growth())
    CASE("double-in-child", twice_in_child())
    CASE("interior-medium", interior(MEDIUM, 64))
    CASE("interior-medium-odd", interior(MEDIUM, 1))
    CASE("interior-medium-page", interior(MEDIUM, 4096))
    CASE("interior-large", interior(LARGE, 64))
    CASE("interior-large-odd", interior(LARGE, 1))
    CASE("interior-large-unit", interior(LARGE, 2 * MIB))
    CASE("interior-large-end", interior(LARGE, LARGE - 1))
    CASE("interior-medium-freed", interior_freed(MEDIUM))
    CASE("interior-large-freed", interior_freed(LARGE))
    CASE("interior-disengaged", interior_disengaged())
    return 0;
}

int main(int argc, char **argv) {
    static const struct rlimit no_core = {0, 0};
    check_preload();
    CHECK(setrlimit(RLIMIT_CORE, &no_core) == 0);
    CHECK(argc >= 2);
    if (argc >= 3) {
        final_call = argv[2];
    }
    engage_arena();
    if (!run(argv[1])) {
        dprintf(2, "no case %s\n", argv[1]);
    }
    return 2;
}
