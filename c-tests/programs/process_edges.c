/* What the library does to a process around the calls.
 *
 * Usage: process_edges own-file PATH | trace-exec | trace-fork | errno | cancel | signal | signal-trim | double-free */
#include "check.h"
#include "deny.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define LARGE (3 * MIB)

static void *arena_block(size_t size) {
    void *block = malloc(size);
    CHECK(block != NULL && zk_owns(block));
    return block;
}

/* Like a daemon the program closes whatever is open, and its own file then has every number, the summary's too. */
static void own_file(const char *path) {
    free(arena_block(LARGE));
    for (int i = 3; i < 1024; i++) {
        close(i);
    }
    int file = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    CHECK(file >= 0 && write(file, "PAYLOAD\n", 8) == 8);
    for (int i = 3; i < 1024; i++) {
        (void)dup2(file, i); /* up to the process's limit */
    }
}

static void phase(void) {
    begin_phase();
    free(arena_block(LARGE));
    end_phase();
}

/* A child with the same ZK_ALLOC_TRACE in the middle of our own events. */
static void trace(const char *self, int replaced) {
    phase();
    phase();
    pid_t pid = fork();
    if (pid == 0) {
        if (replaced) {
            execl(self, self, "trace-child", (char *)NULL);
            _exit(2);
        }
        phase();
        exit(0);
    }
    int status = 1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    phase();
}

static int returned;

static void *allocate_cancelled(void *unused) {
    CHECK(pthread_cancel(pthread_self()) == 0);
    void *block = malloc(LARGE); /* the arena is made, which ZK_ALLOC_VERBOSE=1 tells: write is a cancellation point */
    CHECK(block != NULL);
    free(block);
    returned = 1;
    pthread_testcancel();
    return unused;
}

/* malloc and free are no cancellation points. */
static void cancel(void) {
    pthread_t thread;
    void *result = NULL;
    CHECK(pthread_create(&thread, NULL, allocate_cancelled, NULL) == 0);
    CHECK(pthread_join(thread, &result) == 0);
    CHECK(returned == 1);
    CHECK(result == PTHREAD_CANCELED);
    free(arena_block(LARGE));
    puts("cancel: as designed");
}

/* The first large free starts the background thread, which a sandbox may forbid: free's caller must not notice. */
static void errno_kept(void) {
    size_t bytes = 128 * MIB;
    (void)arena_block(MIB);
    deny(SYS_clone3, EPERM);
    deny(SYS_clone, EAGAIN);
    errno = 77;
    char *block = arena_block(bytes);
    CHECK(errno == 77);
    memset(block, 1, bytes);
    free(block);
    CHECK(errno == 77);
}

enum { STASH = 2000 };
static void *volatile stash[STASH];
static volatile int stashed;

static int handler_trims;

static void free_one(int signal_number) {
    (void)signal_number;
    if (handler_trims) {
        (void)zk_trim(512 * MIB); /* takes every lock there is */
    }
    if (stashed > 0) {
        free(stash[--stashed]);
    }
}

/* The handler frees in the middle of the main program's own calls: it must not wait for a lock held under it. */
static void in_signal_handler(void) {
    struct sigaction action = {.sa_handler = free_one};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec often = {{0, 50000}, {0, 50000}}, never = {{0, 0}, {0, 0}};
    for (time_t end = time(NULL) + 2; time(NULL) < end;) {
        while (stashed < STASH) {
            stash[stashed] = arena_block(LARGE);
            stashed++;
        }
        CHECK(timer_settime(timer, 0, &often, NULL) == 0);
        while (stashed > 0 && time(NULL) < end) {
            /* Untouched: the time goes into the library, where the signals are wanted. */
            void *block = malloc(LARGE);
            CHECK(block != NULL);
            free(block);
        }
        /* No signal is pending once this returns, so the stash is ours again. */
        CHECK(timer_settime(timer, 0, &never, NULL) == 0);
    }
}

/* The slot went to a smaller block and back meanwhile: still a double free, not an unknown pointer. */
static void double_free(void) {
    static const struct rlimit no_core = {0, 0};
    CHECK(setrlimit(RLIMIT_CORE, &no_core) == 0);
    void *volatile block = arena_block(2 * MIB);
    void *neighbours[] = {arena_block(9000), arena_block(2 * MIB)};
    (void)neighbours;
    free(block);
    void *volatile other = block;
    for (size_t size = 1700 * KIB; other == block; size += 13 * KIB) {
        CHECK(size < 1900 * KIB);
        other = arena_block(size);
        /* Where in the slot a block begins varies: at another place than ours the slot's last block is not ours. */
        CHECK((uintptr_t)other / (2 * MIB) == (uintptr_t)block / (2 * MIB));
        dprintf(1, "%p\n", block);
        free(other);
    }
    free(block);
    dprintf(2, "survived\n");
}

int main(int argc, char **argv) {
    check_preload();
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "own-file") == 0 && argc > 2) {
        own_file(argv[2]);
    } else if (strcmp(name, "trace-exec") == 0 || strcmp(name, "trace-fork") == 0) {
        trace(argv[0], strcmp(name, "trace-exec") == 0);
    } else if (strcmp(name, "trace-child") == 0) {
        phase();
    } else if (strcmp(name, "errno") == 0) {
        errno_kept();
    } else if (strcmp(name, "cancel") == 0) {
        cancel();
    } else if (strcmp(name, "signal") == 0 || strcmp(name, "signal-trim") == 0) {
        handler_trims = strcmp(name, "signal-trim") == 0;
        in_signal_handler();
    } else {
        CHECK(strcmp(name, "double-free") == 0);
        double_free();
    }
    return 0;
}
