/* Processes that the library should leave alone.
 *
 * Usage: bystander secure    linked with the library and privileged: the environment is ignored
 *        bystander alone     must be single-threaded later, as before unshare(CLONE_NEWUSER)
 *        bystander early     memory of before the library, of glibc's own functions and of the next allocator */
#include "check.h"
#include <dirent.h>
#include <malloc.h>
#include <netdb.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void use_blocks(void) {
    static const size_t SIZES[] = {100, 20000, 3 * MIB};
    for (size_t i = 0; i < 3; i++) {
        void *block = malloc(SIZES[i]);
        CHECK(block != NULL);
        fill_pattern(block, SIZES[i], i);
        CHECK((block = realloc(block, 2 * SIZES[i])) && has_pattern(block, SIZES[i], i));
        free(block);
    }
}

static int threads(void) {
    DIR *dir = opendir("/proc/self/task");
    CHECK(dir != NULL);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

/* ZK_ALLOC_MODE=off and ZK_ALLOC_MIN_BYTES=100000 are set, and not obeyed. */
static void secure(void) {
    CHECK(getauxval(AT_SECURE) == 1);
    CHECK(zk_version && zk_min_arena_bytes() == 4096);
    use_blocks();
    CHECK(read_stats().arena_allocs > 0);
}

/* The background thread comes when 64 MiB and more are free: until then there is one thread. */
static void alone(void) {
    begin_phase();
    use_blocks();
    end_phase();
    CHECK(threads() == 1);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK(threads() == 1);
        if (unshare(CLONE_NEWUSER) != 0) {
            /* EINVAL: there are other threads. Anything else is the system's policy. */
            CHECK(errno != EINVAL);
            printf("impossible here: unshare(CLONE_NEWUSER): %s\n", strerror(errno));
        }
        use_blocks();
        exit(0);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void foreign_blocks(const char *name, void *(*allocate)(size_t)) {
    static const size_t SIZES[] = {24, 4096, 3 * MIB};
    for (size_t i = 0; i < 3; i++) {
        void *blocks[2] = {allocate(SIZES[i]), allocate(SIZES[i])};
        CHECK(blocks[0] && blocks[1] && !zk_owns(blocks[0]));
        CHECK(malloc_usable_size(blocks[0]) >= SIZES[i]);
        fill_pattern(blocks[0], SIZES[i], i);
        blocks[0] = realloc(blocks[0], SIZES[i] + 100000);
        CHECK(blocks[0] && !zk_owns(blocks[0]) && has_pattern(blocks[0], SIZES[i], i));
        free(blocks[0]);
        free(blocks[1]);
    }
    printf("%s: freed\n", name);
}

/* A directory of so many entries that scandir's vector is far beyond the threshold; addresses; an absolute path. */
static void buffers_of_libc(void) {
    char dir[] = "/tmp/zk-scandir-XXXXXX", name[64];
    CHECK(mkdtemp(dir) != NULL);
    enum { FILES = 1500 };
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%s/%d", dir, i);
        CHECK(mkdir(name, 0700) == 0);
    }
    struct dirent **entries = NULL;
    int count = scandir(dir, &entries, NULL, alphasort);
    CHECK(count == FILES + 2 && malloc_usable_size(entries) >= FILES * sizeof *entries);
    for (int i = 0; i < count; i++) {
        free(entries[i]);
    }
    free(entries);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%s/%d", dir, i);
        CHECK(rmdir(name) == 0);
    }
    char *path = realpath(dir, NULL);
    CHECK(path && strcmp(path, dir) == 0);
    free(path);
    CHECK(rmdir(dir) == 0);
    struct addrinfo hints, *found = NULL;
    memset(&hints, 0, sizeof hints);
    hints.ai_flags = AI_NUMERICHOST;
    CHECK(getaddrinfo("127.0.0.1", "80", &hints, &found) == 0 && found);
    freeaddrinfo(found);
    printf("scandir, realpath, getaddrinfo: freed\n");
}

static void early(void) {
    engage_arena();
    void *(*libc_malloc)(size_t) = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "__libc_malloc");
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    CHECK(libc_malloc && libc);
    foreign_blocks("__libc_malloc", libc_malloc);
    foreign_blocks("malloc of libc's handle", (void *(*)(size_t))dlsym(libc, "malloc"));
    buffers_of_libc();
    malloc_stats();
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "secure") == 0) {
        secure();
    } else if (strcmp(name, "alone") == 0) {
        check_preload();
        alone();
    } else {
        CHECK(strcmp(name, "early") == 0);
        check_preload();
        early();
    }
    return 0;
}
