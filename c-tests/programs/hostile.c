/* What strangers do to an allocator that they do not know of. Same output with and without the library.
 *
 * Usage: hostile small-stack     threads with the smallest stack there is, and a signal stack
 *        hostile setuid          a change of user, which libc asks every thread for, the library's own too
 *        hostile no-mappings     the process has all the mappings that it may have
 *        hostile no-descriptors  no file can be opened
 *        hostile exit            exit while other threads allocate
 *        hostile stacks          stacks of threads and coroutines in blocks of the arena
 *        hostile namespace SO    a plugin in a namespace of its own, with its own libc */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>

#define LARGE (3 * MIB)

/* Blocks of each kind; with a phase around them the library writes its lines and events. */
static void use_blocks(uint64_t seed) {
    static const size_t SIZES[] = {100, 20000, LARGE};
    begin_phase();
    for (size_t i = 0; i < 3; i++) {
        void *block = make_block(SIZES[i], seed + i);
        block = realloc(block, 2 * SIZES[i]);
        CHECK(block && has_pattern(block, SIZES[i], seed + i));
        free(block);
        block = calloc(3, SIZES[i]);
        CHECK(block && all_zero(block, 3 * SIZES[i]));
        free(block);
    }
    if (zk_trim) {
        (void)zk_trim(0);
    }
    end_phase();
}

static void *use_blocks_once(void *argument) {
    use_blocks((uint64_t)(uintptr_t)argument);
    return argument;
}

/* --- small-stack --- */

static void on_signal_stack(int number) {
    (void)number;
    void *block = malloc(LARGE);
    CHECK(block != NULL);
    free(block);
}

static void small_stack(void) {
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, (size_t)sysconf(_SC_THREAD_STACK_MIN)) == 0);
    for (uintptr_t i = 1; i <= 20; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, &attributes, use_blocks_once, (void *)i) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    CHECK(pthread_attr_destroy(&attributes) == 0);
    size_t bytes = (size_t)sysconf(_SC_MINSIGSTKSZ) + 4096;
    stack_t stack = {.ss_sp = malloc(bytes), .ss_size = bytes};
    struct sigaction action = {.sa_handler = on_signal_stack, .sa_flags = SA_ONSTACK};
    CHECK(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0);
}

/* --- setuid --- */

/* libc sends every thread a signal and waits for its answer. */
static void set_user(void) {
    void *block = make_block(160 * MIB, 1);
    drop_block(block, 160 * MIB, 1); /* so much is free that the background thread comes */
    usleep(50000);
    for (int i = 0; i < 100; i++) {
        CHECK(setresuid(getuid(), geteuid(), (uid_t)-1) == 0 && setresgid(getgid(), getegid(), (gid_t)-1) == 0);
        use_blocks((uint64_t)i);
    }
}

/* --- no-mappings --- */

/* Every other page of a range is made inaccessible: each of them is a mapping of its own. */
static void no_mappings(void) {
    enum { BLOCKS = 200 };
    static void *blocks[BLOCKS];
    void *survivor = make_block(LARGE, 7), *medium = make_block(30000, 8);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = 70000 * 2 * page, at = page;
    char *range = (char *)mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(range != MAP_FAILED);
    while (at < bytes && mprotect(range + at, page, PROT_NONE) == 0) {
        at += 2 * page;
    }
    if (at >= bytes) {
        printf("impossible here: the system limits no process's mappings\n");
    }
    size_t served = 0;
    for (int round = 0; round < 3; round++) {
        begin_phase();
        for (size_t i = 0; i < BLOCKS; i++) {
            size_t size = i % 8 ? 5000 + i * 3000 : LARGE + i * 50000;
            blocks[i] = malloc(size); /* it may be refused */
            if (blocks[i]) {
                served++;
                fill_pattern(blocks[i], 5000, i);
            } else {
                CHECK(errno == ENOMEM);
            }
        }
        for (size_t i = 0; i < BLOCKS; i++) {
            CHECK(!blocks[i] || has_pattern(blocks[i], 5000, i));
            errno = 77;
            free(blocks[i]);
            CHECK(errno == 77);
        }
        if (zk_trim) {
            (void)zk_trim(0);
        }
        end_phase();
    }
    CHECK(served > 0 && has_pattern(survivor, LARGE, 7) && has_pattern(medium, 30000, 8));
    CHECK(munmap(range, bytes) == 0);
    use_blocks(9); /* as good as ever */
    drop_block(survivor, LARGE, 7);
    drop_block(medium, 30000, 8);
}

/* --- no-descriptors --- */

static void no_descriptors(void) {
    const struct rlimit none = {0, 0};
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    for (int i = 0; i < 20; i++) {
        use_blocks((uint64_t)i);
    }
}

/* --- exit --- */

static void *forever(void *argument) {
    for (uint64_t seed = (uint64_t)(uintptr_t)argument;; seed++) {
        drop_block(make_block(9000, seed), 9000, seed);
        void *block = malloc(2 * MIB);
        CHECK(block != NULL);
        free(block);
    }
    return NULL;
}

static void *leaves(void *unused) {
    usleep(1000);
    exit(unused ? 1 : 0); /* not from the main thread */
}

static void at_exit(void) { use_blocks(3); }

static void exit_while_busy(void) {
    for (int round = 0; round < 100; round++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(60);
            pthread_t thread;
            CHECK(round % 3 || atexit(at_exit) == 0);
            for (uintptr_t i = 0; i < 6; i++) {
                CHECK(pthread_create(&thread, NULL, forever, (void *)(i * 1000000)) == 0);
            }
            if (round % 2) {
                CHECK(pthread_create(&thread, NULL, leaves, NULL) == 0);
                (void)forever((void *)7);
            }
            usleep(1000);
            exit(0);
        }
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
}

/* --- stacks --- */

static ucontext_t main_context, coroutine;
static int turns;

static void in_coroutine(void) {
    for (;;) {
        use_blocks((uint64_t)turns++);
        CHECK(swapcontext(&coroutine, &main_context) == 0);
    }
}

static void stacks(void) {
    enum { ROUNDS = 40 };
    for (int round = 0; round < ROUNDS; round++) {
        size_t bytes = 64 * KIB + (size_t)round * 40 * KIB;
        void *stack = aligned_alloc(4096, bytes);
        pthread_attr_t attributes;
        pthread_t thread;
        CHECK(stack && pthread_attr_init(&attributes) == 0 && pthread_attr_setstack(&attributes, stack, bytes) == 0);
        CHECK(pthread_create(&thread, &attributes, use_blocks_once, (void *)1) == 0);
        CHECK(pthread_attr_destroy(&attributes) == 0 && pthread_join(thread, NULL) == 0);
        free(stack); /* its thread's exit functions have run on it */
    }
    void *stack = malloc(64 * KIB);
    CHECK(stack && getcontext(&coroutine) == 0);
    coroutine.uc_stack.ss_sp = stack;
    coroutine.uc_stack.ss_size = 64 * KIB;
    makecontext(&coroutine, in_coroutine, 0);
    for (int round = 0; round < ROUNDS; round++) {
        CHECK(swapcontext(&main_context, &coroutine) == 0);
        use_blocks((uint64_t)round);
    }
    CHECK(turns == ROUNDS);
    free(stack);
}

/* --- namespace --- */

static void namespaces(const char *plugin) {
    void *handle = dlmopen(LM_ID_NEWLM, plugin, RTLD_NOW);
    if (!handle) {
        dprintf(2, "%s\n", dlerror());
        _exit(1);
    }
    int (*use)(void) = (int (*)(void))dlsym(handle, "plugin_use");
    CHECK(use && use());
    use_blocks(1);
    CHECK(dlclose(handle) == 0);
    use_blocks(2);
}

int main(int argc, char **argv) {
    check_preload();
    const char *name = argc > 1 ? argv[1] : "";
    engage_arena();
    if (strcmp(name, "small-stack") == 0) {
        small_stack();
    } else if (strcmp(name, "setuid") == 0) {
        set_user();
    } else if (strcmp(name, "no-mappings") == 0) {
        no_mappings();
    } else if (strcmp(name, "no-descriptors") == 0) {
        no_descriptors();
    } else if (strcmp(name, "exit") == 0) {
        exit_while_busy();
    } else if (strcmp(name, "stacks") == 0) {
        stacks();
    } else {
        CHECK(strcmp(name, "namespace") == 0 && argc == 3);
        namespaces(argv[2]);
    }
    check_arena_use();
    printf("%s: as it should be\n", name);
    return 0;
}
