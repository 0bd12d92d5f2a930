/* The library opened late, by dlopen, and closed while threads live: the process's malloc stays what it was, the library's
 * own functions work, and it is never unloaded. Not preloaded.
 *
 * Usage: late <libzkalloc.so> */
#include "check.h"
#include <link.h>
#include <pthread.h>

static volatile int stop;

typedef void *(*allocate_function)(size_t);
typedef void (*free_function)(void *);
typedef int (*phase_function)(void);
static allocate_function late_malloc;
static free_function late_free;

static void *churn(void *argument) {
    uint64_t state = (uint64_t)(uintptr_t)argument;
    while (!stop) {
        size_t size = random_next(&state) % 8 ? 20000 : 2 * MIB;
        char *block = (char *)malloc(size), *late = late_malloc ? (char *)late_malloc(size) : NULL;
        CHECK(block != NULL);
        block[0] = block[size - 1] = 'x';
        free(block);
        if (late) {
            late[0] = late[size - 1] = 'x';
            late_free(late);
        }
    }
    return NULL;
}

static int count_libraries(struct dl_phdr_info *info, size_t size, void *count) {
    (void)size;
    *(int *)count += strstr(info->dlpi_name, "libzkalloc") != NULL;
    return 0;
}

static int loaded(void) {
    int count = 0;
    dl_iterate_phdr(count_libraries, &count);
    return count;
}

int main(int argc, char **argv) {
    CHECK(argc == 2 && dlsym(RTLD_DEFAULT, "zk_version") == NULL && loaded() == 0);
    void *ours = dlsym(RTLD_DEFAULT, "malloc");
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++) {
        CHECK(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) == 0);
    }
    for (int round = 0; round < 50; round++) {
        void *library = dlopen(argv[1], round % 2 ? RTLD_NOW | RTLD_GLOBAL : RTLD_NOW | RTLD_LOCAL);
        if (!library) {
            dprintf(2, "%s\n", dlerror());
            return 1;
        }
        /* An object that is loaded late does not take the process's malloc over, and does not start to. */
        CHECK(dlsym(RTLD_DEFAULT, "malloc") == ours);
        phase_function begin = (phase_function)dlsym(library, "zk_begin_phase");
        phase_function end = (phase_function)dlsym(library, "zk_end_phase");
        CHECK(begin && end && begin() == 0);
        void *block = malloc(3 * MIB);
        fill_pattern(block, 3 * MIB, (uint64_t)round);
        late_free = (free_function)dlsym(library, "free");
        late_malloc = (allocate_function)dlsym(library, "malloc");
        CHECK(late_malloc != malloc);
        void *late = late_malloc(3 * MIB);
        fill_pattern(late, 3 * MIB, (uint64_t)round + 1);
        usleep(2000);
        CHECK(has_pattern(block, 3 * MIB, (uint64_t)round) && has_pattern(late, 3 * MIB, (uint64_t)round + 1));
        CHECK(end() == 0);
        free(block);
        CHECK(dlclose(library) == 0);
        /* Still there: threads are inside it, and hold exit functions of it. */
        CHECK(loaded() == 1);
        late_free(late);
    }
    stop = 1;
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK(loaded() == 1);
    printf("opened and closed 50 times: still loaded, malloc untouched\n");
    return 0;
}
