/* Under a system call filter, installed after start as sandboxes do.
 *
 * Usage: sandbox strict early|late        any call but those that an allocator may make kills the process
 *        sandbox CALL early|late          one of mmap munmap mremap madvise mprotect clone futex is refused with EPERM
 * early: before the arena is made; late: after it has served, and holds free pages. */
#include "check.h"
#include "deny.h"
#include <dirent.h>
#include <pthread.h>

#define LARGE (6 * MIB)

enum { BLOCKS = 24 };

/* Blocks of every kind, of sizes that change from round to round, so that pages are moved and given back. */
static void work(int round) {
    void *blocks[BLOCKS];
    size_t sizes[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        sizes[i] = i % 3 ? 3000 + (size_t)(i * 1711 + round * 977) % 60000
                         : MIB + (size_t)((i * 7 + round * 13) % 29) * 200000;
        blocks[i] = i % 5 ? malloc(sizes[i]) : calloc(1, sizes[i]);
        CHECK(blocks[i] != NULL);
        CHECK(i % 5 || all_zero(blocks[i], sizes[i]));
        fill_pattern(blocks[i], sizes[i], (uint64_t)i);
    }
    for (int i = 0; i < BLOCKS; i++) {
        void *moved = i % 4 ? blocks[i] : realloc(blocks[i], sizes[i] + MIB);
        CHECK(moved && has_pattern(moved, sizes[i], (uint64_t)i));
        errno = 77;
        free(moved);
        CHECK(errno == 77);
    }
}

/* Without an arena a phase counts all the same. */
static void open_phase(void) {
    if (zk_begin_phase) {
        int error = zk_begin_phase();
        CHECK(error == 0 || (error == ENOMEM && read_stats().reserved_bytes == 0));
    }
}

static void phases(int rounds) {
    for (int i = 0; i < rounds; i++) {
        open_phase();
        work(i);
        end_phase();
        if (zk_trim && i % 8 == 7) {
            errno = 77;
            (void)zk_trim(i % 16 == 7 ? 0 : 8 * MIB);
            CHECK(errno == 77);
        }
    }
}

/* So much is free that the background thread is started. */
static void free_much(void) {
    open_phase();
    void *block = malloc(160 * MIB);
    CHECK(block != NULL);
    memset(block, 1, 160 * MIB);
    free(block);
    end_phase();
    usleep(100000);
}

/* One block, then the same memory in many: pages are moved from one to the others, until it was more than 512 units. */
static void move_pages(void) {
    enum { PARTS = 32, ROUNDS = 1000 };
    for (int round = 0; zk_stats_get && read_stats().moved_bytes <= 512 * 2 * MIB; round++) {
        CHECK(round < ROUNDS);
        open_phase();
        int parts = round % 2 ? PARTS : 1;
        size_t size = 96 * MIB / (size_t)parts;
        char *blocks[PARTS];
        for (int i = 0; i < parts; i++) {
            CHECK((blocks[i] = (char *)malloc(size)) != NULL);
            for (size_t at = 0; at < size; at += 4096) {
                blocks[i][at] = 1;
            }
        }
        for (int i = 0; i < parts; i++) {
            free(blocks[i]);
        }
        end_phase();
    }
}

/* What is left of the process's threads: the background thread, which may not sleep, ends. */
static int threads(void) {
    int count = 0;
    DIR *dir = opendir("/proc/self/task");
    CHECK(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

static _Atomic int running;

static void *contend(void *round) {
    for (int i = 0; i < 20; i++) {
        work((int)(uintptr_t)round + i);
    }
    running--;
    return NULL;
}

/* Locks are waited for without the kernel's help, by threads that libc does not have to wait for. */
static void without_futex(int late) {
    enum { THREADS = 4 };
    running = THREADS;
    for (uintptr_t i = 0; i < THREADS; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, contend, (void *)i) == 0 && pthread_detach(thread) == 0);
    }
    while (running > 0) {
        usleep(1000);
    }
    free_much();
    /* One that was there before is not under the filter. */
    for (int tenths = 0; !late && threads() > 1; tenths++) {
        CHECK(tenths < 100);
        usleep(100000);
    }
}

/* What it was before: the program's own large blocks, which glibc has seen freed by then, make it trim the heap of a thread,
 * for which it opens a file. In a phase they are the arena's. */
static void *in_thread(void *late) {
    if (late) {
        open_phase();
    }
    work(3);
    if (late) {
        end_phase();
    }
    return NULL;
}

/* What the library says it uses after start; what libc needs for starting and ending a thread; and the test's own. */
static void allow_only_an_allocators_calls(void) {
    static const unsigned ALLOWED[] = {
        SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect, SYS_futex, SYS_clone, SYS_clone3,
        /* libc: small blocks, threads */
        SYS_brk, SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_set_robust_list, SYS_rseq, SYS_exit, SYS_gettid,
        /* the library's thread names itself */
        SYS_prctl,
        /* the test */
        SYS_exit_group, SYS_write, SYS_clock_nanosleep,
    };
    enum { CALLS = sizeof ALLOWED / sizeof ALLOWED[0] };
    struct sock_filter program[2 * CALLS + 2];
    size_t n = 0;
    program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < CALLS; i++) {
        program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ALLOWED[i], 0, 1);
        program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog filter = {(unsigned short)n, program};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

static unsigned number_of(const char *call) {
    static const struct {
        const char *name;
        unsigned number;
    } CALLS[] = {{"mmap", SYS_mmap}, {"munmap", SYS_munmap}, {"mremap", SYS_mremap}, {"madvise", SYS_madvise},
                 {"mprotect", SYS_mprotect}, {"clone", SYS_clone}, {"futex", SYS_futex}};
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++) {
        if (strcmp(CALLS[i].name, call) == 0) {
            return CALLS[i].number;
        }
    }
    CHECK(!"a call of the table");
    return 0;
}

int main(int argc, char **argv) {
    check_preload();
    CHECK(argc == 3);
    int strict = strcmp(argv[1], "strict") == 0, late = strcmp(argv[2], "late") == 0;
    char text[BUFSIZ];
    setvbuf(stdout, text, _IOFBF, sizeof text); /* or stdio would ask what stdout is */
    if (late) {
        phases(8);
    }
    if (strict) {
        allow_only_an_allocators_calls();
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, in_thread, late ? &late : NULL) == 0 && pthread_join(thread, NULL) == 0);
        phases(10);
        const char *decay_ms = getenv("ZK_ALLOC_DECAY_MS");
        if (!decay_ms || *decay_ms != '0') { /* with 0 nothing is left to be moved */
            move_pages();
        }
        free_much();
    } else {
        deny(number_of(argv[1]), EPERM);
        if (strcmp(argv[1], "futex") == 0) {
            without_futex(late);
        } else if (strcmp(argv[1], "clone") == 0) {
            deny(SYS_clone3, EPERM);
            free_much();
            CHECK(threads() == 1 || late);
        }
        phases(16);
    }
    printf("%s, %s: survived\n", argv[1], argv[2]);
    return 0;
}
