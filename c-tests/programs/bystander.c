/* Processes that the library should leave alone.
 *
 * Usage: bystander secure    linked with the library and privileged: the environment is ignored
 *        bystander alone     must be single-threaded later, as before unshare(CLONE_NEWUSER)
 *        bystander early     memory of before the library, of glibc's own functions and of the next allocator
 *        bystander hosts     a name with so many addresses that getaddrinfo's buffers grow beyond the threshold */
#include "check.h"
#include <dirent.h>
#include <malloc.h>
#include <netdb.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mount.h>
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

/* In a mount namespace of its own the process has a hosts file of its own. */
static void many_addresses(void) {
    enum { ADDRESSES = 600 };
    char path[] = "/tmp/zk-hosts-XXXXXX";
    int file = mkstemp(path);
    CHECK(file >= 0);
    for (int i = 0; i < ADDRESSES; i++) {
        CHECK(dprintf(file, "127.1.%d.%d zk-test-host\n", i / 200, i % 200 + 1) > 0);
    }
    close(file);
    CHECK(chmod(path, 0644) == 0);
    if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount(path, "/etc/hosts", NULL, MS_BIND, NULL) != 0) {
        printf("impossible here: a hosts file of one's own: %s\n", strerror(errno));
        CHECK(unlink(path) == 0);
        return;
    }
    engage_arena();
    for (int round = 0; round < 20; round++) {
        struct addrinfo hints, *found = NULL;
        memset(&hints, 0, sizeof hints);
        hints.ai_family = AF_INET;
        hints.ai_socktype = SOCK_STREAM;
        int error = getaddrinfo("zk-test-host", "80", &hints, &found), count = 0;
        for (struct addrinfo *each = found; each; each = each->ai_next) {
            count++;
        }
        if (error || count != ADDRESSES) {
            dprintf(2, "getaddrinfo: %s, %d addresses\n", gai_strerror(error), count);
            _exit(1);
        }
        freeaddrinfo(found);
    }
    CHECK(unlink(path) == 0);
    printf("getaddrinfo: %d addresses, freed\n", ADDRESSES);
}

/* A directory so deep that its name, with the null byte, is the longest there is: 4,096 bytes, the default threshold. */
static void longest_path(void) {
    char start[] = "/tmp/zk-deep-XXXXXX", name[256];
    CHECK(mkdtemp(start) != NULL);
    int home = open(".", O_RDONLY | O_DIRECTORY);
    CHECK(home >= 0 && chdir(start) == 0);
    size_t length = strlen(start);
    int depth = 0;
    for (; length < 4095; depth++) {
        size_t part = 4095 - length - 1 < 250 ? 4095 - length - 1 : 200; /* the last one fits exactly */
        memset(name, 'd', part);
        name[part] = '\0';
        CHECK(mkdir(name, 0700) == 0 && chdir(name) == 0);
        length += part + 1;
    }
    for (int round = 0; round < 20; round++) {
        char *path = realpath(".", NULL), *dir = getcwd(NULL, 0);
        CHECK(path && dir && strlen(path) == 4095 && strcmp(path, dir) == 0);
        CHECK(!zk_owns || zk_owns(path) == zk_owns(dir));
        path = (char *)realloc(path, 9000);
        CHECK(path && strcmp(path, dir) == 0);
        free(path);
        free(dir);
    }
    for (; depth > 0; depth--) {
        CHECK(chdir("..") == 0);
        struct dirent **entries = NULL;
        int count = scandir(".", &entries, NULL, NULL);
        for (int i = 0; i < count; i++) {
            if (entries[i]->d_name[0] == 'd') {
                CHECK(rmdir(entries[i]->d_name) == 0);
            }
            free(entries[i]);
        }
        free(entries);
    }
    CHECK(fchdir(home) == 0 && close(home) == 0 && rmdir(start) == 0);
    printf("realpath, getcwd: 4,096 bytes, freed\n");
}

/* glibc's own figures mean the next allocator: they see its blocks, and none of the arena's. */
static void figures_of_glibc(void) {
    enum { BLOCKS = 500 };
    void *small[BLOCKS];
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < BLOCKS; i++) {
        CHECK((small[i] = malloc(2000)) != NULL);
    }
    struct mallinfo2 with_small = mallinfo2();
    void *large = make_block(8 * MIB, 1);
    CHECK(zk_owns(large));
    struct mallinfo2 with_large = mallinfo2();
    if (zk_min_arena_bytes() > 2000) {
        CHECK(with_small.uordblks >= before.uordblks + 500 * 2000);
    } else {
        CHECK(with_small.uordblks < before.uordblks + 500 * 2000);
    }
    CHECK(with_large.uordblks < with_small.uordblks + MIB && with_large.hblkhd == with_small.hblkhd);
    for (int i = 0; i < BLOCKS; i++) {
        free(small[i]);
    }
    (void)malloc_trim(0); /* glibc's free pages; the arena's blocks stay */
    CHECK(mallinfo2().keepcost <= 256 * KIB);
    drop_block(large, 8 * MIB, 1);
    printf("mallinfo2, malloc_trim: the next allocator's\n");
}

static void early(void) {
    engage_arena();
    void *(*libc_malloc)(size_t) = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "__libc_malloc");
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    CHECK(libc_malloc && libc);
    foreign_blocks("__libc_malloc", libc_malloc);
    foreign_blocks("malloc of libc's handle", (void *(*)(size_t))dlsym(libc, "malloc"));
    buffers_of_libc();
    longest_path();
    figures_of_glibc();
    malloc_stats();
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "secure") == 0) {
        secure();
    } else if (strcmp(name, "hosts") == 0) {
        check_preload();
        many_addresses();
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
