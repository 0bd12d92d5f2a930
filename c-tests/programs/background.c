/* The background thread beside a program that does not expect one.
 *
 * Usage: background main-exit    the main thread ends, then the last other one: so does the process
 *        background main-last    the main thread ends while memory is given back: it runs the exit handlers, and what is
 *                                buffered is written (shim_slow.c); with ZK_ALLOC_DECAY_MS=100
 *        background main-forked  a thread that the arena does not know forks, and ends as the last one of the child
 *        background plugin       a child's threads end, which have thread-local storage of the plugin that ZK_TEST_PLUGIN
 *                                names: libc frees that under the lock that starting a thread takes
 *        background hook         pthread_create is a tool's, which asks for memory under a lock (shim_thread_hook.c)
 *        background vfork        a child that shares the memory asks for much; with ZK_ALLOC_DECAY_MS=200
 *        background descriptors  the program's files get the numbers that they would get without it (shim_slow.c); with
 *                                ZK_ALLOC_DECAY_MS=-1 */
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>

#define MUCH (200 * MIB)
enum { WAIT_MS = 8000, CHILD_SECONDS = 10, THREADS = 10 };

static void use_much(void) {
    char *block = malloc(MUCH);
    CHECK(block && zk_owns(block));
    memset(block, 1, MUCH);
    free(block);
}

static void *end_last(void *unused) {
    usleep(300000);
    return unused;
}

static void main_exit(void) {
    use_much();
    usleep(100000);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, end_last, NULL) == 0 && pthread_detach(thread) == 0);
    pthread_exit(NULL);
}

static volatile char *slow_armed;
static volatile int *slow_inside;

static void find_slow(void) {
    slow_armed = (volatile char *)dlsym(RTLD_DEFAULT, "shim_slow_armed");
    slow_inside = (volatile int *)dlsym(RTLD_DEFAULT, "shim_slow_inside");
    CHECK(slow_armed && slow_inside);
}

/* Whether some thread comes to be inside of the call that was armed. */
static int gets_inside(uint64_t milliseconds) {
    for (uint64_t end = now_ms() + milliseconds; !*slow_inside && now_ms() < end;) {
        usleep(1000);
    }
    return *slow_inside;
}

static void in_main_thread(void) { CHECK(gettid() == getpid()); }

static void main_last(void) {
    find_slow();
    CHECK(atexit(in_main_thread) == 0);
    printf("buffered until the end\n");
    for (int tries = 0; !*slow_inside; tries++) {
        CHECK(tries < 8);
        *slow_armed = 'a';
        use_much();
        (void)gets_inside(1000);
    }
    pthread_exit(NULL);
}

static void *use_much_there(void *unused) {
    use_much();
    return unused;
}

/* What it asks for itself is too small for the arena. */
static void *fork_there(void *unused) {
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, use_much_there, NULL) == 0 && pthread_join(thread, NULL) == 0);
        pthread_exit(NULL);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    return unused;
}

static void main_forked(void) {
    pthread_t thread;
    engage_arena();
    CHECK(pthread_create(&thread, NULL, fork_there, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

static void (*touch)(void);
static pthread_barrier_t all_there;

static void *touch_storage(void *unused) {
    touch();
    pthread_barrier_wait(&all_there);
    return unused;
}

static void plugin(void) {
    const char *path = getenv("ZK_TEST_PLUGIN");
    void *library = path ? dlopen(path, RTLD_NOW) : NULL;
    CHECK(library != NULL);
    *(void **)&touch = dlsym(library, "touch");
    CHECK(touch != NULL);
    use_much();
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_SECONDS);
        pthread_t threads[THREADS];
        CHECK(pthread_barrier_init(&all_there, NULL, THREADS) == 0);
        for (int i = 0; i < THREADS; i++) {
            CHECK(pthread_create(&threads[i], NULL, touch_storage, NULL) == 0);
        }
        for (int i = 0; i < THREADS; i++) {
            CHECK(pthread_join(threads[i], NULL) == 0);
        }
        _exit(0);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

static void *nothing(void *unused) { return unused; }

static void hook(void) {
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
    }
}

static void in_shared_memory(void) {
    engage_arena();
    pid_t child = vfork();
    if (child == 0) {
        free(malloc(MUCH));
        _exit(0);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    use_much();
    CHECK(falls_below(64 * MIB, WAIT_MS));
}

/* Files are looked into while much is free, a few times a second. */
static void descriptors(void) {
    find_slow();
    int file = open("/dev/null", O_RDONLY);
    CHECK(file >= 0);
    close(file);
    use_much();
    *slow_armed = 'o';
    CHECK(gets_inside(WAIT_MS));
    int again = open("/dev/null", O_RDONLY);
    CHECK(again == file);
}

int main(int argc, char **argv) {
    check_preload();
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "main-exit") == 0) {
        main_exit();
    } else if (strcmp(name, "main-last") == 0) {
        main_last();
    } else if (strcmp(name, "main-forked") == 0) {
        main_forked();
    } else if (strcmp(name, "plugin") == 0) {
        plugin();
    } else if (strcmp(name, "hook") == 0) {
        hook();
    } else if (strcmp(name, "vfork") == 0) {
        in_shared_memory();
    } else {
        CHECK(strcmp(name, "descriptors") == 0);
        descriptors();
    }
    return 0;
}
