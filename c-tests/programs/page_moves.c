/* Lifetimes that make the arena move pages between slots, with mremap as shim_mremap.c has it.
 *
 * Usage: page_moves blocks   contents stay, and calloc's are zero
 *        page_moves fork     a child forked during a move gets zeros from calloc too */
#include "stolen.h"
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

enum { BLOCKS = 64, FORK_BLOCKS = 24, CHILD_BLOCKS = 400, SECONDS = 3, STEPS = 500, PATIENCE = 25, GOOD_MOVES = 5 };
#define STRIDE ((size_t)65536)

static volatile int stop;

static unsigned long moves(void) {
    unsigned long *calls = dlsym(RTLD_DEFAULT, "shim_mremap_calls");
    CHECK(calls != NULL);
    return __atomic_load_n(calls, __ATOMIC_RELAXED);
}

/* After a while, but on a busy machine not before the shim had its part: "deny" refuses the first move, others later ones. */
static int may_end(time_t start, unsigned long steps) {
    time_t now = time(NULL);
    unsigned long wanted = strcmp(getenv("ZK_TEST_MREMAP"), "deny") == 0 ? 1 : GOOD_MOVES + 1;
    return now >= start + SECONDS && ((steps >= STEPS && moves() >= wanted) || now >= start + PATIENCE);
}

static size_t large_size(uint64_t *random) {
    size_t most = random_next(random) % 4 ? 8 * MIB : 40 * MIB;
    return MIB + 1 + random_next(random) % most;
}

/* Every page is written, and every page is looked at. */
static void blocks(void) {
    static struct {
        unsigned char *block;
        size_t size;
        unsigned char fill;
    } held[BLOCKS];
    uint64_t random = 88172645463325252u;
    unsigned long steps = 0;
    for (time_t start = time(NULL); !may_end(start, steps); steps++) {
        size_t i = random_next(&random) % BLOCKS;
        if (held[i].block) {
            for (size_t at = 0; at < held[i].size; at += 509) {
                CHECK(held[i].block[at] == held[i].fill);
            }
            free(held[i].block);
            held[i].block = NULL;
            continue;
        }
        held[i].size = large_size(&random);
        held[i].fill = (unsigned char)random_next(&random);
        int zeroed = random_next(&random) & 1;
        held[i].block = zeroed ? calloc(1, held[i].size) : malloc(held[i].size);
        CHECK(held[i].block != NULL);
        CHECK(!zeroed || all_zero(held[i].block, held[i].size));
        memset(held[i].block, held[i].fill, held[i].size);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        free(held[i].block);
    }
    check_nothing_lives();
}

/* Writes one page in sixteen: many moves, few bytes. */
static void *move(void *argument) {
    uint64_t random = 77777777777u * (uint64_t)(uintptr_t)argument + 1;
    unsigned char *held[FORK_BLOCKS] = {0};
    while (!stop) {
        unsigned char **block = &held[random_next(&random) % FORK_BLOCKS];
        if (*block) {
            free(*block);
            *block = NULL;
            continue;
        }
        size_t size = large_size(&random);
        *block = malloc(size);
        CHECK(*block != NULL);
        for (size_t at = -(uintptr_t)*block % STRIDE; at + 4096 < size; at += STRIDE) {
            memset(*block + at, 0xEE, 4096);
        }
    }
    return NULL;
}

static void child(void) {
    for (size_t i = 0; i < CHILD_BLOCKS; i++) {
        size_t size = (1 + i * 7 % 41) * MIB + 1;
        unsigned char *block = calloc(1, size);
        if (!zk_owns(block)) {
            break;
        }
        for (size_t at = -(uintptr_t)block % STRIDE; at + 4096 < size; at += STRIDE) {
            CHECK(block[at + 2048] == 0);
        }
    }
    _exit(0);
}

static void fork_in_move(void) {
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) {
        CHECK(pthread_create(&threads[i], NULL, move, (void *)(i + 1)) == 0);
    }
    usleep(300000); /* until there is something to move */
    for (time_t start = time(NULL); !may_end(start, STEPS);) {
        pid_t pid = fork();
        if (pid == 0) {
            child();
        }
        int status = 1;
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    }
    stop = 1;
    for (size_t i = 0; i < 2; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

int main(int argc, char **argv) {
    check_preload();
    if (argc > 1 && strcmp(argv[1], "fork") == 0) {
        fork_in_move();
    } else {
        blocks();
    }
    /* Without moves nothing was tested. */
    CHECK(moves() > 0);
    const char *mode = getenv("ZK_TEST_MREMAP");
    CHECK(strcmp(mode, "stolen") != 0 || stolen_is_intact());
    return 0;
}
