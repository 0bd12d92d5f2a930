/* A fork handler of another library frees a large block while other threads allocate and free such blocks: at that
 * moment the forking thread already holds the arena's locks, and must neither wait for itself nor let go of them. */
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

enum { THREADS = 4, BLOCKS = 16, SECONDS = 3 };
#define LARGE (3 * MIB)

static volatile int stop;

struct block {
    long owner;
    struct block *self;
};

/* Two threads that are given the same block see each other's name in it. */
static void *churn(void *argument) {
    long id = (long)argument;
    uint64_t random = 99991 * (uint64_t)id + 7;
    struct block *blocks[BLOCKS] = {0};
    while (!stop) {
        struct block **block = &blocks[random_next(&random) % BLOCKS];
        if (*block) {
            CHECK((*block)->owner == id && (*block)->self == *block);
            (*block)->owner = 0;
            free(*block);
            *block = NULL;
        } else {
            *block = malloc(LARGE);
            CHECK(*block && zk_owns(*block));
            **block = (struct block){id, *block};
        }
    }
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    return NULL;
}

int main(void) {
    check_preload();
    void *volatile *victim = dlsym(RTLD_DEFAULT, "prepare_victim");
    CHECK(victim != NULL);
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) == 0);
    }
    for (time_t end = time(NULL) + SECONDS; time(NULL) < end;) {
        *victim = malloc(LARGE);
        CHECK(*victim && zk_owns(*victim));
        pid_t child = fork();
        if (child == 0) {
            void *block = malloc(LARGE);
            CHECK(block != NULL);
            free(block);
            _exit(0);
        }
        int status = 1;
        CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
        CHECK(*victim == NULL);
    }
    stop = 1;
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    check_nothing_lives();
    return 0;
}
