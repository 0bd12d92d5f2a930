/* fork where it hurts. Children find their memory intact, allocate, open phases and end well; the parent never notices.
 *
 * Usage: forks storm <threads> <forkers> <forks>   threads allocate in phases while others fork
 *        forks nested <depth>                      each child forks the next
 *        forks first <tries>                       the very first large allocation races a fork
 *        forks clone <rounds>                      children that share the parent's memory: vfork, clone(CLONE_VM)
 *        forks spawn <threads> <rounds>            posix_spawn, system, popen from many threads
 *        forks phase                               fork inside a phase */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

enum { CHILD_SECONDS = 60 };
#define LARGE (2 * MIB + 5000)
extern char **environ;

static unsigned long number(const char *text) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    CHECK(end != text && *end == '\0');
    return value;
}

static void wait_for(pid_t pid) {
    int status = -1;
    pid_t done;
    do {
        done = waitpid(pid, &status, 0);
    } while (done < 0 && errno == EINTR);
    CHECK(pid > 0 && done == pid);
    if (status != 0) {
        dprintf(2, "child: status 0x%x\n", (unsigned)status);
        _exit(1);
    }
}

static void use_blocks(uint64_t seed) {
    static const size_t SIZES[] = {100, 5000, 70000, LARGE};
    void *blocks[4];
    for (size_t i = 0; i < 4; i++) {
        blocks[i] = make_block(SIZES[i], seed + i);
    }
    for (size_t i = 0; i < 4; i++) {
        drop_block(blocks[i], SIZES[i], seed + i);
    }
}

static void start(pthread_t *thread, void *(*body)(void *), uintptr_t argument) {
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 256 * KIB) == 0);
    CHECK(pthread_create(thread, &attributes, body, (void *)argument) == 0);
    pthread_attr_destroy(&attributes);
}

/* --- storm --- */

static volatile int stop;
static unsigned long forks_each;

static void *allocate_in_phases(void *argument) {
    uint64_t state = (uint64_t)(uintptr_t)argument;
    void *kept = NULL;
    size_t kept_size = 0;
    uint64_t kept_seed = 0;
    while (!stop) {
        begin_phase();
        for (int i = 0; i < 4; i++) {
            uint64_t seed = random_next(&state);
            size_t size = seed % 64 ? 4096 + seed % 30000 : LARGE;
            void *block = make_block(size, seed);
            if (kept) {
                drop_block(kept, kept_size, kept_seed); /* a survivor of an earlier phase */
            }
            kept = block;
            kept_size = size;
            kept_seed = seed;
        }
        end_phase();
        usleep(5000); /* two processors have to do for all of us */
    }
    if (kept) {
        drop_block(kept, kept_size, kept_seed);
    }
    return NULL;
}

static void *fork_often(void *argument) {
    uint64_t seed = (uint64_t)(uintptr_t)argument << 32;
    for (unsigned long i = 0; i < forks_each; i++) {
        void *medium = make_block(9000, seed + i), *large = i % 16 ? NULL : make_block(LARGE, seed + i);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            alarm(CHILD_SECONDS);
            drop_block(medium, 9000, seed + i);
            begin_phase();
            drop_block(make_block(20000, i), 20000, i);
            end_phase();
            if (large) {
                use_blocks(seed);
                drop_block(large, LARGE, seed + i);
                CHECK(!zk_stats_get || read_stats().forks > 0);
            }
            _exit(0);
        }
        wait_for(pid);
        drop_block(medium, 9000, seed + i);
        if (large) {
            drop_block(large, LARGE, seed + i);
        }
    }
    return NULL;
}

static void storm(unsigned long threads, unsigned long forkers, unsigned long forks) {
    engage_arena();
    pthread_t *all = (pthread_t *)calloc(threads + forkers, sizeof *all);
    forks_each = forks / forkers;
    for (uintptr_t i = 0; i < threads; i++) {
        start(&all[i], allocate_in_phases, i + 1);
    }
    for (uintptr_t i = 0; i < forkers; i++) {
        start(&all[threads + i], fork_often, i + 1);
    }
    for (unsigned long i = 0; i < forkers; i++) {
        CHECK(pthread_join(all[threads + i], NULL) == 0);
    }
    stop = 1;
    for (unsigned long i = 0; i < threads; i++) {
        CHECK(pthread_join(all[i], NULL) == 0);
    }
    free(all);
    check_nothing_lives();
    CHECK(!zk_stats_get || read_stats().forks == forks_each * forkers);
}

/* --- nested --- */

static void *in_thread(void *argument) {
    use_blocks((uint64_t)(uintptr_t)argument);
    return NULL;
}

static void nested(unsigned long depth) {
    void *medium = make_block(20000, depth), *large = make_block(LARGE, depth + 1000);
    pthread_t thread;
    start(&thread, in_thread, depth);
    if (depth > 0) {
        pid_t pid = fork(); /* the thread may be anywhere in its calls */
        CHECK(pid >= 0);
        if (pid == 0) {
            alarm(CHILD_SECONDS);
            begin_phase();
            nested(depth - 1);
            end_phase();
            drop_block(medium, 20000, depth);
            drop_block(large, LARGE, depth + 1000);
            exit(0);
        }
        wait_for(pid);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    drop_block(medium, 20000, depth);
    drop_block(large, LARGE, depth + 1000);
}

/* --- first --- */

static volatile int go;

static void *first_large(void *unused) {
    (void)unused;
    while (!go) { /* spinning: close to the fork */
    }
    use_blocks(5); /* the first of 1 MiB: the arena is made */
    return NULL;
}

static void race(unsigned long delay) {
    pthread_t thread;
    start(&thread, first_large, 0);
    void *before = make_block(20000, 3);
    go = 1;
    for (volatile unsigned long i = 0; i < delay * 20; i++) {
    }
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        use_blocks(6);
        begin_phase();
        use_blocks(7);
        end_phase();
        drop_block(before, 20000, 3);
        CHECK(!zk_stats_get || read_stats().reserved_bytes > 0);
        exit(0);
    }
    wait_for(pid);
    CHECK(pthread_join(thread, NULL) == 0);
    use_blocks(8);
    drop_block(before, 20000, 3);
}

static void first(unsigned long tries) {
    for (unsigned long i = 0; i < tries; i++) {
        pid_t pid = fork(); /* each try is a process whose arena is yet to come */
        CHECK(pid >= 0);
        if (pid == 0) {
            alarm(CHILD_SECONDS);
            CHECK(!zk_stats_get || read_stats().reserved_bytes == 0);
            race(i % 2000);
            exit(0);
        }
        wait_for(pid);
    }
    engage_arena();
}

/* --- clone --- */

static int borrowed_main(void *argument) {
    use_blocks((uint64_t)(uintptr_t)argument);
    begin_phase();
    use_blocks((uint64_t)(uintptr_t)argument + 1);
    end_phase();
    return 0;
}

/* The child runs in the parent's memory and on its thread's storage, while the parent waits, and another thread of the
 * parent allocates. */
static void clones(unsigned long rounds) {
    engage_arena();
    pthread_t beside;
    start(&beside, allocate_in_phases, 1);
    for (unsigned long i = 0; i < rounds; i++) {
        void *block = make_block(30000, i), *stack = malloc(256 * KIB);
        wait_for(clone(borrowed_main, (char *)stack + 256 * KIB, CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)i));
        /* Not held up by the kernel, the parent asks libc for nothing until the child has ended. */
        wait_for(clone(borrowed_main, (char *)stack + 256 * KIB, CLONE_VM | SIGCHLD, (void *)(i + 5)));
        pid_t pid = vfork();
        if (pid == 0) {
            use_blocks(i);
            execl("/bin/true", "true", (char *)NULL);
            _exit(127);
        }
        wait_for(pid);
        pid = vfork();
        if (pid == 0) {
            use_blocks(i);
            _exit(0);
        }
        wait_for(pid);
        free(stack);
        drop_block(block, 30000, i);
    }
    stop = 1;
    CHECK(pthread_join(beside, NULL) == 0);
    CHECK(!zk_phase_depth || zk_phase_depth() == 0);
    check_nothing_lives();
}

/* --- spawn --- */

static unsigned long spawn_rounds;

static void *spawn_often(void *argument) {
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    for (unsigned long i = 0; i < spawn_rounds; i++) {
        void *block = make_block(LARGE, seed + i);
        char *arguments[] = {(char *)"true", NULL};
        pid_t pid = -1;
        CHECK(posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ) == 0);
        wait_for(pid);
        CHECK(system("exit 0") == 0);
        FILE *pipe = popen("echo through the pipe", "r");
        char line[64] = "";
        CHECK(pipe && fgets(line, sizeof line, pipe) && strcmp(line, "through the pipe\n") == 0);
        CHECK(pclose(pipe) == 0);
        drop_block(block, LARGE, seed + i);
    }
    return NULL;
}

static void spawn(unsigned long threads) {
    engage_arena();
    pthread_t *all = (pthread_t *)calloc(threads, sizeof *all);
    for (uintptr_t i = 0; i < threads; i++) {
        start(&all[i], spawn_often, (i + 1) << 20);
    }
    for (unsigned long i = 0; i < threads; i++) {
        CHECK(pthread_join(all[i], NULL) == 0);
    }
    free(all);
    check_nothing_lives();
}

/* --- phase --- */

static void inside_a_phase(void) {
    begin_phase();
    void *block = make_block(LARGE, 1);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        CHECK(!zk_phase_depth || zk_phase_depth() == 1); /* it has inherited the parent's */
        begin_phase();
        use_blocks(2);
        end_phase();
        end_phase();
        CHECK(!zk_end_phase || zk_end_phase() == EINVAL);
        drop_block(block, LARGE, 1);
        begin_phase();
        use_blocks(3);
        end_phase();
        exit(0);
    }
    wait_for(pid);
    CHECK(!zk_phase_depth || zk_phase_depth() == 1);
    drop_block(block, LARGE, 1);
    end_phase();
}

int main(int argc, char **argv) {
    check_preload();
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "storm") == 0 && argc == 5) {
        storm(number(argv[2]), number(argv[3]), number(argv[4]));
    } else if (strcmp(name, "nested") == 0 && argc == 3) {
        nested(number(argv[2]));
    } else if (strcmp(name, "first") == 0 && argc == 3) {
        first(number(argv[2]));
    } else if (strcmp(name, "clone") == 0 && argc == 3) {
        clones(number(argv[2]));
    } else if (strcmp(name, "spawn") == 0 && argc == 4) {
        spawn_rounds = number(argv[3]);
        spawn(number(argv[2]));
    } else {
        CHECK(strcmp(name, "phase") == 0 && argc == 2);
        inside_a_phase();
    }
    check_arena_use();
    return 0;
}
